"""Runs many commands at the same time: `python -m fakeforensics.spread`. docs/scaling.md describes it.

Each run is a process that leases a device of its machine (`fakeforensics.devices`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock
from types import FrameType
from typing import Annotated, Any, Literal, NamedTuple

import typer

from fakeforensics.cluster import connected
from fakeforensics.errors import UserError

# DVC prints this when an experiment has its own folder, so the next one may begin. Two experiments that begin
# at the same time can take each other's settings, because both wait in one list.
BEGUN = "Reproducing experiment"
STAGES = ("train", "score")
# --temp gives the experiment its own workspace. Without --wait-for-lock an experiment fails if another one
# holds DVC's lock for more than three seconds.
_DVC = ("dvc", "--wait-for-lock", "exp", "run", "--temp")
_LINES_KEPT = 20  # last lines that are shown of a failed run on another machine

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Jobs = Annotated[
    int, typer.Option(min=1, help="Number of simultaneous runs; each gets its share of the cores.")
]


class Task(NamedTuple):
    """A command and its name in messages."""

    name: str
    command: tuple[str, ...]


@app.command()
def experiments(
    vary: Annotated[
        list[str], typer.Option(help="A setting and its values, such as seed=0,1,2; may be repeated.")
    ],
    setting: Annotated[
        list[str], typer.Option("--set", "-S", help="A setting for all experiments, as in `dvc exp run -S`.")
    ] = [],  # noqa: B006
    jobs: Jobs = 1,
) -> None:
    """Run a DVC experiment for each combination of settings, each in its own workspace."""
    common = [text for one in setting for text in ("-S", one)]
    tasks = [
        Task(" ".join(chosen), (*_DVC, *common, *(text for one in chosen for text in ("-S", one))))
        for chosen in product(*map(_values, vary))
    ]
    _report(run_here(tasks, jobs, BEGUN), tasks)


@app.command()
def stages(
    protocol: Annotated[
        list[str], typer.Option(help="Name of a file in protocols/, without its suffix; may be repeated.")
    ],
    detector: Annotated[list[str], typer.Option(help="Name of a detector in params.yaml; may be repeated.")],
    jobs: Jobs = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Address of a Dask scheduler, tcp://HOST:8786, whose workers can read and write this folder."
        ),
    ] = None,
) -> None:
    """Train and score each detector on each protocol without DVC; `dvc commit` then records the results."""
    tasks = [
        Task(f"{stage} {one}/{name}", ("-m", f"stages.{stage}", "--protocol", one, "--detector", name))
        for stage in STAGES
        for one, name in product(protocol, detector)
    ]
    half = len(tasks) // 2
    for some in (tasks[:half], tasks[half:]):
        if scheduler is None:
            failed = run_here([task._replace(command=(sys.executable, *task.command)) for task in some], jobs)
        else:
            failed = run_on_cluster(some, scheduler)
        _report(failed, some)
    addresses = " ".join(
        f"pipelines/{one}/dvc.yaml:{stage}@{one}-{name}"
        for stage in STAGES
        for one, name in product(protocol, detector)
    )
    typer.echo(f"record the results with: dvc commit --force {addresses}")


def run_here(tasks: Sequence[Task], jobs: int, begun: str | None = None) -> list[str]:
    """Run commands as processes on this machine, and print their output with their names in front.

    After a command has failed, no further command begins.

    Args:
        tasks: The commands, in the order in which they begin.
        jobs: How many commands run at the same time. Each gets its share of the cores that this process may
            use.
        begun: If set, a command begins only after the previous one has printed a line that starts with this
            text, or has ended.

    Returns:
        The names of the tasks that failed or did not begin.
    """
    places: SimpleQueue[set[int]] = SimpleQueue()
    for cores in _shares(sorted(os.sched_getaffinity(0)), jobs):
        places.put(cores)
    beginning, stopped = Lock(), Event()
    running: set[subprocess.Popen[str]] = set()

    def run(task: Task) -> bool:
        with beginning:
            if stopped.is_set():
                return False
            cores = places.get()
            process = subprocess.Popen(
                task.command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=_environment() | {"PYTHONUNBUFFERED": "1"},
            )
            running.add(process)
            os.sched_setaffinity(process.pid, cores)
            assert process.stdout is not None
            lines = iter(process.stdout)
            _echo(task, lines, until=begun or "")
        _echo(task, lines)
        process.stdout.close()
        failed = process.wait() != 0
        running.discard(process)
        places.put(cores)
        if failed:
            stopped.set()
        return not failed

    with _ending(running, stopped), ThreadPoolExecutor(jobs) as pool:
        done = [*pool.map(run, tasks)]
    return [task.name for task, succeeded in zip(tasks, done, strict=True) if not succeeded]


def run_on_cluster(tasks: Sequence[Task], scheduler: str) -> list[str]:
    """Run Python commands on the workers of a Dask cluster, in this folder, and print how each ended.

    A worker runs as many tasks at the same time as it has threads. If a worker dies, its task runs again on
    another worker.

    Args:
        tasks: Each command holds the arguments of Python.
        scheduler: The address of the cluster's scheduler.

    Returns:
        The names of the tasks that failed.
    """
    from distributed import as_completed

    failed = []
    with connected(scheduler, "--scheduler") as client:
        names = {
            client.submit(execute, task.command, str(Path.cwd()), pure=False): task.name for task in tasks
        }
        completed: Any = as_completed
        for future in completed(names, loop=client.loop):
            name = names[future]
            if future.status != "finished":
                failed.append(name)
                typer.echo(f"[{name}] failed: {future.exception()!r}", err=True)
                continue
            where, status, said = future.result()
            typer.echo(f"[{name}] ended with status {status} on {where}")
            if status:
                failed.append(name)
                typer.echo(said, err=True)
    return [task.name for task in tasks if task.name in failed]


def execute(arguments: Sequence[str], folder: str) -> tuple[str, int, str]:
    """Run this machine's Python in a folder.

    Args:
        arguments: Arguments of Python.
        folder: The working directory.

    Returns:
        The machine's name, the exit status, and the last lines of the output.
    """
    done = subprocess.run(
        (sys.executable, *arguments),
        cwd=folder,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return os.uname().nodename, done.returncode, "\n".join(done.stdout.splitlines()[-_LINES_KEPT:])


def _environment() -> dict[str, str]:
    """The environment without the variables that make a run one process of a larger training."""
    return {name: value for name, value in os.environ.items() if name not in {"SLURM_NTASKS", "LOCAL_RANK"}}


def _values(text: str) -> list[str]:
    """Split `seed=0,1` into `seed=0` and `seed=1`."""
    name, _, values = text.partition("=")
    found = [value.strip() for value in values.split(",") if value.strip()]
    if not name or not found:
        raise UserError("--vary cannot be read", expected="a setting and its values: seed=0,1,2", found=text)
    return [f"{name}={value}" for value in found]


def _shares(cores: Sequence[int], jobs: int) -> list[set[int]]:
    """The cores of each job; with more jobs than cores, some jobs share a core."""
    return [set(cores[place::jobs]) or {cores[place % len(cores)]} for place in range(jobs)]


def _echo(task: Task, lines: Iterator[str], until: str | None = None) -> None:
    if until == "":
        return
    for line in lines:
        typer.echo(f"[{task.name}] {line.rstrip()}")
        if until is not None and line.startswith(until):
            return


@contextmanager
def _ending(running: set[subprocess.Popen[str]], stopped: Event) -> Iterator[None]:
    """End the running processes when this one is ended by Ctrl-C or by a batch system."""

    def end(number: int, _: FrameType | None) -> None:
        stopped.set()
        for process in list(running):
            process.terminate()
        sys.exit(128 + number)

    before: dict[Literal[signal.Signals.SIGINT, signal.Signals.SIGTERM], Any] = {
        signal.SIGINT: signal.signal(signal.SIGINT, end),
        signal.SIGTERM: signal.signal(signal.SIGTERM, end),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(failed: Sequence[str], tasks: Sequence[Task]) -> None:
    if failed:
        raise UserError(
            f"{len(failed)} of {len(tasks)} runs failed or did not begin",
            found="; ".join(failed),
            fix="look at their output, and run the same command again; finished work is not repeated",
        )


def main(command: Callable[[], Any] = app) -> None:
    """Run the command line; a `UserError` ends it with a message and status 1."""
    try:
        command()
    except UserError as error:
        typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)
        sys.exit(1)


if __name__ == "__main__":
    main()

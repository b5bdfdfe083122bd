"""A process that has imported everything once and forks the commands of trials: none pays for imports.

A forked command differs from `python -m …` in this alone: its modules are loaded already. It has a session of
its own, writes to a log, and ends as the interpreter does, with what was registered for its end.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

HEAVY = (
    *("cv2", "dlib", "matplotlib.pyplot", "onnx", "onnxruntime", "pandas", "pyarrow.parquet"),
    *("sklearn.metrics", "examples.demo.build"),
)
CLI = "fakeforensics.cli"


class Warm:
    """The server, as the tests see it.

    Args:
        root: The project whose code it imports.
    """

    def __init__(self, root: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.warm"],
            cwd=root,
            env=os.environ
            | {
                "PYTHONPATH": os.pathsep.join([str(root), str(root / "src")]),
                "PYTHONDONTWRITEBYTECODE": "1",
                "OPENBLAS_NUM_THREADS": "1",  # a process with threads must not be forked
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._answer() == "ready"

    def start(self, root: Path, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Forked:
        """Fork a command.

        Args:
            root: The folder in which it works.
            command: The module and its arguments.
            log: Gets what it prints.
            environment: What is added to the environment.
        """
        asked = {
            "root": str(root),
            "command": list(command),
            "log": str(log),
            "environment": dict(environment),
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return Forked(int(self._answer()), log.with_suffix(".status"))

    def close(self) -> None:
        """End the server."""
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


class Forked:
    """A forked command, with the part of `subprocess.Popen` that the tests use."""

    def __init__(self, pid: int, status: Path) -> None:
        self.pid = pid
        self._status = status
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its status, once it has ended."""
        if self.returncode is None and self._status.exists():
            self.returncode = int(self._status.read_text())
        return self.returncode

    def wait(self) -> int:
        """Wait for its end."""
        while self.poll() is None:
            time.sleep(0.02)
        assert self.returncode is not None
        return self.returncode


def load_everything() -> None:
    """Import all modules of the project, and the libraries that they load where they need them."""
    import fakeforensics
    import stages

    for package in (fakeforensics, stages):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for name in HEAVY:
        importlib.import_module(name)


def main() -> None:
    """Import all modules, then fork what standard input asks for, and write down how each command ended."""
    load_everything()
    statuses: dict[int, Path] = {}
    print("ready", flush=True)
    while True:
        if select.select([sys.stdin], [], [], 0.02)[0]:
            line = sys.stdin.readline()
            if not line:
                return
            asked = json.loads(line)
            status = Path(asked["log"]).with_suffix(".status")
            status.unlink(missing_ok=True)
            # Ctrl-C in the first moment must not end the new process as if it were this server.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            pid = os.fork()
            if pid == 0:
                _run(asked)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            statuses[pid] = status
            print(pid, flush=True)
        if statuses:
            _reap(statuses)


def _reap(statuses: dict[int, Path]) -> None:
    """Write the statuses of the commands that ended."""
    pid, how = os.waitpid(-1, os.WNOHANG)
    if pid in statuses:
        path = statuses.pop(pid)
        unfinished = path.with_suffix(".new")
        unfinished.write_text(str(os.waitstatus_to_exitcode(how)))
        unfinished.replace(path)


def _run(asked: dict[str, Any]) -> NoReturn:
    """Be the command; does not return."""
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(asked["root"])
    os.environ.update(asked["environment"])
    for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (_open(asked["log"]), 1), (1, 2)):
        os.dup2(source, target)
    sys.stdin = open(0)  # noqa: SIM115  the one before holds what the server has read ahead
    module, *sys.argv = [asked["command"][0], *asked["command"]]

    def run() -> None:
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        except KeyboardInterrupt:  # it came before there was a command
            os._exit(1)
        if module == CLI:
            importlib.import_module(CLI).main()
        else:
            importlib.import_module("stages._command").run_command(importlib.import_module(module).main)

    run_and_exit(run)


def run_and_exit(run: Callable[[], object]) -> NoReturn:
    """Call a program's function and end this forked process as the interpreter ends."""
    warnings.resetwarnings()
    warnings.simplefilter("default")
    status = 0
    try:
        run()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001  as the interpreter prints it
        traceback.print_exc()
        status = 1
    # As the interpreter ends: threads, what is registered, and what is not written yet.
    try:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        status = status or 1
    os._exit(status)


def _open(log: str) -> int:
    return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)


if __name__ == "__main__":
    main()

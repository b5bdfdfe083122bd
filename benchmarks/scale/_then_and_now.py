"""The same command at this code and at an earlier commit: seconds and peak memory, one after the other."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
THEN = "4a81131"  # the commit whose figures the issue about scale names


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Args:
        seconds: On the clock.
        cpu_seconds: Of all its threads and of the children that it waited for.
        peak_mb: The most memory that one of its processes had, in MiB.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float

    def __str__(self) -> str:
        return f"{self.seconds:8.1f} s {self.cpu_seconds:8.1f} s of CPU {self.peak_mb:8.0f} MiB"


@contextmanager
def checked_out(commit: str = THEN) -> Iterator[Path]:
    """A temporary folder with the files of an earlier commit.

    Raises:
        subprocess.CalledProcessError: If this is not a clone that has the commit.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / commit
        git = ("git", "-C", str(ROOT), "worktree")
        subprocess.run([*git, "add", "--quiet", "--detach", str(folder), commit], check=True)
        try:
            yield folder
        finally:
            subprocess.run([*git, "remove", "--force", str(folder)], check=True)


# `ru_maxrss` of a child counts what its parent had when it started it, so that the child says what it had.
_CHILD = """
import atexit, pathlib, runpy, sys
def peak():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    size = next(line.split()[1] for line in lines if line.startswith("VmHWM"))
    pathlib.Path(out).write_text(size)
out = sys.argv.pop(1)
atexit.register(peak)
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def run(code: Path, module: str, arguments: Sequence[str], folder: Path) -> Cost:
    """Run `python -m …` with the packages of a checkout.

    Args:
        code: The checkout.
        module: Such as `stages.splits`.
        arguments: Of the module.
        folder: Where it runs.

    Raises:
        RuntimeError: If it fails.
    """
    paths = os.pathsep.join((str(code / "src"), str(code)))
    with tempfile.TemporaryFile("w+") as output, tempfile.NamedTemporaryFile("r") as peak:
        start = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, peak.name, module, *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": paths},
            stdout=output,
            stderr=output,
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            output.seek(0)
            raise RuntimeError(f"{module} {' '.join(arguments)} at {code}\n{output.read()}")
        return Cost(seconds, usage.ru_utime + usage.ru_stime, int(peak.read()) / 1024)

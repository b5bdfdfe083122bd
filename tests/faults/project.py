"""The smallest project in which every stage runs, and copies of it to be disturbed."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import yaml

from tests.faults.warm import CLI, Forked, Warm

# Seconds of processor time and the time of day differ from run to run.
DIFFERS = ("metrics/demo/bce.cost.json",)
MARK = "FAULTS_TRIAL"  # environment variable by which the processes of a trial are found
TRACE = "Traceback (most recent call last)"
# Commands besides the stages: what they read, and the folders that they write.
COMMANDS = (
    ("evaluate data/scores/demo/bce.parquet --out figures", "data/scores/demo/bce.parquet", ("figures",)),
    ("export --out exported", "packages", ("exported",)),
    ("predict --as-is data/raw/demo/DFFD/ffhq/test --report case", "packages", ("case",)),
    ("models", "packages", ()),
)
_numbers = count()


@dataclass(frozen=True)
class Stage:
    """A stage or a command.

    Attributes:
        name: For the printed lines.
        address: What DVC calls it; empty of a command.
        command: Its module and arguments.
        reads: Files and folders.
        writes: Files and folders.
    """

    name: str
    address: str
    command: list[str]
    reads: tuple[Path, ...]
    writes: tuple[Path, ...]

    @property
    def program(self) -> list[str]:
        """The same as a program and its arguments."""
        module, *arguments = self.command
        if module == CLI:
            return [sys.executable, "-c", f"from {CLI} import main; main()", *arguments]
        return [sys.executable, "-m", module, *arguments]


def shrink(params) -> None:
    """Settings with which a whole run takes a minute or two."""
    params["demo"]["scale"] = 0.05
    params["detectors"] = ["bce"]
    params["evaluate"] |= {"bootstrap": 100, "corruptions": ["blur_2"]}
    params["thresholds"] |= {"bootstrap": 100, "known_reals": [5], "draws": 5}


def shorten(protocol) -> None:
    """One epoch on crops of 32 pixels."""
    protocol["params"]["train"] |= {"max_epochs": 1, "crop_size": 32}


def stages_of(root: Path) -> dict[str, Stage]:
    """The stages that ran in a project, by name."""
    locks = {"": root / "dvc.lock"}
    for lock in sorted(root.glob("pipelines/*/dvc.lock")):
        locks[f"{lock.parent.relative_to(root)}/dvc.yaml:"] = lock
    return {
        name: Stage(
            name,
            f"{folder}{name}",
            stage["cmd"].split()[2:],  # after `python -m`
            tuple(Path(one["path"]) for one in stage.get("deps", ())),
            tuple(Path(one["path"]) for one in stage.get("outs", ())),
        )
        for folder, lock in locks.items()
        for name, stage in yaml.safe_load(lock.read_text())["stages"].items()
        if stage["cmd"].startswith("python -m ") and not name.startswith("pipeline@")
    }


def commands() -> list[Stage]:
    """What reads and writes besides the stages."""
    return [
        Stage(words.partition(" --")[0], "", [CLI, *words.split()], (Path(reads),), tuple(map(Path, writes)))
        for words, reads, writes in COMMANDS
    ]


def copy_project(source: Path, target: Path, *, with_dvc: bool = False) -> Path:
    """A copy to work in; with DVC's folders it is a repository, whose stored runs are left out."""
    left_out = ("runs",) if with_dvc else (".git", ".dvc")
    # Outputs that are linked with DVC's cache are read-only, and a copy is to be damaged.
    copy = shutil.copy2 if with_dvc else shutil.copyfile
    ignore = shutil.ignore_patterns(".scratch", *left_out)
    shutil.copytree(source, target, symlinks=True, ignore=ignore, copy_function=copy)
    return target


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def digests(root: Path, path: Path) -> dict[str, str]:
    """The SHA-256 of a file, or of each file in a folder, by path; empty if it is missing."""
    whole = root / path
    files = [whole] if whole.is_file() else sorted(one for one in whole.rglob("*") if one.is_file())
    names = [one.relative_to(root).as_posix() for one in files]
    return {
        name: hashlib.sha256(one.read_bytes()).hexdigest()
        for name, one in zip(names, files, strict=True)
        if name not in DIFFERS
    }


def leftovers(root: Path) -> list[str]:
    """Files that only a run in progress should have."""
    places = [path for path in root.rglob("*") if not {".git", ".dvc"} & set(path.relative_to(root).parts)]
    return sorted(
        path.relative_to(root).as_posix()
        for path in places
        if path.name.startswith(".unfinished.") or (path.suffix == ".lock" and path.name != "dvc.lock")
    )


def files_of(root: Path) -> set[str]:
    """Every file outside of the folders for work in progress, Git and DVC."""
    hidden = {".git", ".dvc", ".scratch", "__pycache__"}
    return {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and not hidden & set(path.relative_to(root).parts)
    }


def environment(root: Path, trial: str = "") -> dict[str, str]:
    """What is added to the environment, so that a stage finds this interpreter and the project's own code."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "src")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        MARK: trial,
    }


def processes_of(trial: str, session: int) -> list[int]:
    """The processes of a trial that still run, whoever their parent is now.

    A forked process still shows the environment of the process that forked it, so its session tells.
    """
    wanted = f"{MARK}={trial}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                state = (folder / "stat").read_text().rpartition(")")[2].split()
                belongs = int(state[3]) == session or wanted in (folder / "environ").read_bytes().split(b"\0")
            except OSError:  # it ended meanwhile
                continue
            if state[0] not in "ZX" and belongs:
                found.append(int(folder.name))
    return found


class Run:
    """A command in a session of its own, whose processes are known by that and by an environment variable.

    Args:
        root: The folder in which it works.
        command: With a server, a module and its arguments; without one, a program and its arguments.
        warm: The server that forks it; None starts a program.
    """

    def __init__(self, root: Path, command: Sequence[str], warm: Warm | None = None) -> None:
        self.trial = f"{os.getpid()}-{next(_numbers)}"
        self.log = root.parent / f"{root.name}.log"
        values = environment(root, self.trial)
        self.process: subprocess.Popen[bytes] | Forked
        if warm is not None:
            self.process = warm.start(root, command, self.log, values)
            return
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=root,
                env=os.environ | values,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def send(self, number: signal.Signals, *, to_all: bool) -> bool:
        """Send a signal to the first process or to its whole group; whether it still ran."""
        if self.process.poll() is not None:
            return False
        with suppress(ProcessLookupError):  # it ended since
            (os.killpg if to_all else os.kill)(self.process.pid, number)
        return True

    def gone(self, seconds: float) -> bool:
        """Wait until all of its processes ended; whether they did in time. What is left is then killed."""
        until = time.monotonic() + seconds
        while self.process.poll() is None or processes_of(self.trial, self.process.pid):
            if time.monotonic() > until:
                for left in processes_of(self.trial, self.process.pid):
                    with suppress(ProcessLookupError):
                        os.kill(left, signal.SIGKILL)
                self.process.wait()
                return False
            time.sleep(0.05)
        return True

    @property
    def printed(self) -> str:
        """What it printed until now."""
        return self.log.read_text(errors="replace")

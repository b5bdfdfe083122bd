"""The smallest project in which every stage runs, and copies of it to be disturbed."""

import hashlib
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

# Seconds of processor time and the time of day differ from run to run.
DIFFERS = ("metrics/demo/bce.cost.json",)
MARK = "FAULTS_TRIAL"  # environment variable by which the processes of a trial are found


@dataclass(frozen=True)
class Stage:
    """A stage that ran: its command, and the files and folders that it reads and writes."""

    name: str
    address: str
    command: list[str]
    reads: tuple[Path, ...]
    writes: tuple[Path, ...]


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
            [sys.executable, *stage["cmd"].split()[1:]],
            tuple(Path(one["path"]) for one in stage.get("deps", ())),
            tuple(Path(one["path"]) for one in stage.get("outs", ())),
        )
        for folder, lock in locks.items()
        for name, stage in yaml.safe_load(lock.read_text())["stages"].items()
        if stage["cmd"].startswith("python -m ") and not name.startswith("pipeline@")
    }


def copy_project(source: Path, target: Path, *, with_dvc: bool = False) -> Path:
    """A copy to work in; with DVC's folders it is a repository, whose stored runs are left out."""
    left_out = ("runs",) if with_dvc else (".git", ".dvc")
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns(".scratch", *left_out))
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
    """In which a stage finds this interpreter and the project's own code."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(root / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        MARK: trial,
    }


def processes_of(trial: str) -> list[int]:
    """The processes of a trial that still run, whoever their parent is now."""
    wanted = f"{MARK}={trial}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                is_dead = (folder / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
                if not is_dead and wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:  # it ended meanwhile
                continue
    return found

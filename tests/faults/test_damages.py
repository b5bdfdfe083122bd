"""A stage on a damaged file says which one it is, or gives the result of the whole file."""

import importlib
import io
import shutil
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from stages._command import run_command
from tests.faults.conftest import size
from tests.faults.damages import DAMAGES, bit_flipped
from tests.faults.project import (
    Stage,
    copy_project,
    digests,
    files_of,
    leftovers,
    remove,
    stages_of,
)
from tests.faults.tally import Tally

TRACE = "Traceback (most recent call last)"
# Text without a checksum: a flipped bit can make another valid value, which only `dvc repro` notices.
PLAIN = (".json", ".csv", ".yaml")
HASHING = ("contents", "results")  # these read nothing of what they hash: the stages after them do


def run_here(stage: Stage) -> tuple[int, str]:
    """Run a stage in this process, in the working folder: its status, and what it printed."""
    module = importlib.import_module(stage.command[2])
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("default")  # as in a process of its own
        patch.setattr(sys, "argv", stage.command[2:])
        with redirect_stdout(printed), redirect_stderr(printed):
            try:
                run_command(module.main)
            except SystemExit as ended:
                return int(ended.code or 0), printed.getvalue()
    return 0, printed.getvalue()


def read_files(base: Path, stage: Stage) -> list[Path]:
    """The files that earlier stages wrote for this one."""
    names = {
        name for path in stage.reads if path.parts[:2] != ("data", "code") for name in digests(base, path)
    }
    if stage.name.startswith(("train", "score")):  # the manifests point to the images
        names |= {name for name in digests(base, Path("data/images")) if name.endswith(".tar")}
    written = {path for other in stages_of(base).values() for path in other.writes}
    return sorted({Path(name) for name in names if any(Path(name).is_relative_to(path) for path in written)})


def judged(root: Path, base: Path, stage: Stage, path: Path, damage) -> tuple[str, str]:
    """Run a stage on a damaged file: how it survived, and why it did not."""
    try:
        status, printed = run_here(stage)
    except Exception as error:  # noqa: BLE001  each one is a finding
        return "", f"{type(error).__name__}: {error}"[:300]
    if TRACE in printed:
        return "", f"traceback: {printed[-1500:]}"
    if left := leftovers(root):
        return "", f"left over: {', '.join(left)}"
    if status:
        named = path.name in printed or str(path.parent) in printed
        return ("refused", "") if named else ("", f"the message does not name the file: {printed[-300:]}")
    if changed := [str(out) for out in stage.writes if digests(root, out) != digests(base, out)]:
        if path.suffix in PLAIN and damage is bit_flipped:
            return "another valid value", ""
        return "", f"wrong result: {', '.join(changed)}"
    return "no effect", ""


def test_damaged_files(base, tmp_path, rng, monkeypatch):
    tally = Tally("damaged files")
    root = copy_project(base, tmp_path / "work")
    monkeypatch.chdir(root)
    monkeypatch.syspath_prepend(root)  # what torch's own processes import
    stages = stages_of(base)
    trials = [
        (stage, path, damage)
        for stage in stages.values()
        if not stage.name.startswith(HASHING)
        for path in read_files(base, stage)
        for damage in DAMAGES
    ]
    rng.shuffle(trials)
    others = [path for path in sorted(files_of(base)) if path.startswith(("data/", "models/", "metrics/"))]
    for stage, path, damage in trials[: size("DAMAGES", 40) or None]:
        if not (base / path).stat().st_size:
            continue  # nothing to damage
        for out in (*stage.writes, Path(".scratch")):
            remove(root / out)
        other = base / rng.choice([one for one in others if Path(one).name != path.name])
        damage(root / path, rng, other)
        if (root / path).is_file() and (root / path).read_bytes() == (base / path).read_bytes():
            continue  # such as the rows of an empty table, repeated
        how, why = judged(root, base, stage, path, damage)
        trial = f"{stage.name}, {path}, {damage.__name__}"
        if damage.__name__ == "another_stages":
            trial += f" ({other.relative_to(base)})"
        tally.count(trial, how, why)
        bring_back(root, base, (path, *stage.writes))
    tally.end()


def bring_back(root: Path, base: Path, paths) -> None:
    """Make files and folders again what they are in the base."""
    for path in paths:
        remove(root / path)
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if (base / path).is_dir():
            shutil.copytree(base / path, root / path)
        else:
            shutil.copy2(base / path, root / path)

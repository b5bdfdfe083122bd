"""Stages and `dvc repro` that are killed at a random moment: the same command again gives the same bytes."""

import signal
import subprocess
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from tests.faults.conftest import size
from tests.faults.project import (
    DIFFERS,
    TRACE,
    Run,
    copy_project,
    digests,
    files_of,
    leftovers,
    remove,
    stages_of,
)
from tests.faults.tally import Tally

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
COLD = 5  # every so many kills hit a program that must load its modules first
GRACE = 30.0  # seconds until what was killed must be gone, on a busy machine
LONGEST = 600.0  # seconds that a stage may take
# What the second run of DVC says while the first, or the stage that it started, is at work.
UNDER_WAY = ("already running", "Unable to acquire lock")
# DVC writes its list of locks in place, so a kill can empty it: findings/dvc-rwlock-written-in-place.sh.
CUT_LIST, LIST = "Unable to read RWLock-file", Path(".dvc/tmp/rwlock")


def whole_or_missing(root: Path, base: Path, stage) -> list[str]:
    """The outputs under their final names that are neither whole nor missing."""
    found = {path: digests(root, path) for path in stage.writes}
    return [str(path) for path, files in found.items() if files and files != digests(base, path)]


def wrong(root: Path, base: Path, stage) -> str:
    """What is wrong after the command was run again, if anything."""
    if changed := [str(path) for path in stage.writes if digests(root, path) != digests(base, path)]:
        return f"wrong result: {', '.join(changed)}"
    if left := sorted(leftovers(root) + list(files_of(root) ^ files_of(base))):
        return f"left over or missing: {', '.join(left[:5])}"
    return ""


def disturbed(root, base, stage, start, number, moment, *, to_all, keeps_on, loads=True):
    """Start a command, kill it at a moment and start it again: how it survived, and why it did not."""
    first = start()
    time.sleep(moment)
    hit = first.send(number, to_all=to_all)
    if not keeps_on and not first.gone(GRACE):
        return "", f"a process was left over for {GRACE:.0f} s"
    if TRACE in first.printed and not (loads and first.printed.rstrip().endswith("KeyboardInterrupt")):
        return "", f"traceback: {first.printed[-1500:]}"
    if not keeps_on and (half := whole_or_missing(root, base, stage)):
        return "", f"half an output: {', '.join(half)}"
    if keeps_on:
        with suppress(
            subprocess.TimeoutExpired
        ):  # until its parent asks, DVC takes what it killed for running
            first.process.wait(1)
    again = start()
    if not again.gone(LONGEST):
        return "", "the run after the kill does not end"
    if is_cut := again.process.returncode != 0 and CUT_LIST in again.printed:
        (root / LIST).unlink()
        again = start()
        again.gone(LONGEST)
    if keeps_on:
        # What DVC started outlives it, and the second run either follows it or says that it is under way.
        if not first.gone(LONGEST):
            return "", "what DVC started does not end"
        if again.process.returncode and any(words in again.printed for words in UNDER_WAY):
            again = start()
            again.gone(LONGEST)
    if again.process.returncode or TRACE in again.printed:
        return "", f"the run after the kill failed: {again.printed[-1500:]}"
    if not hit:
        how = "ended before the kill"
    elif TRACE in first.printed:
        how = "interrupted while Python loaded modules"
    else:
        how = "killed while DVC wrote its list of locks, which was removed" if is_cut else "killed"
    return how, wrong(root, base, stage)


def seconds_of(root: Path, base: Path, stage, start) -> float:
    """How long a stage takes undisturbed; its outputs must be those of the base."""
    for path in stage.writes:
        remove(root / path)
    begin = time.monotonic()
    run = start()
    assert run.gone(LONGEST)
    assert run.process.returncode == 0, run.printed
    assert wrong(root, base, stage) == "", stage.name
    return time.monotonic() - begin


def test_killed_stages(base, warm, tmp_path, rng):
    tally = Tally("kills of stages")
    root = copy_project(base, tmp_path / "work")
    stages, seconds = list(stages_of(base).values()), {}
    for number in range(size("KILLS", 14)):
        if number % len(stages) == 0:
            rng.shuffle(stages)
        stage, is_cold = stages[number % len(stages)], number % COLD == COLD - 1
        start = partial(Run, root, *([stage.program] if is_cold else [stage.command, warm]))
        if (kind := (stage.name, is_cold)) not in seconds:
            seconds[kind] = seconds_of(root, base, stage, start)
        which, to_all = rng.choice(SIGNALS), rng.random() < 0.5
        moment = rng.uniform(0, seconds[kind])
        for path in (*stage.writes, Path(".scratch")):
            remove(root / path)
        trial = f"{stage.name}, {which.name} to {'all' if to_all else 'one'} after {moment:.2f} s"
        trial += " with its imports" if is_cold else ""
        how, why = disturbed(
            root, base, stage, start, which, moment, to_all=to_all, keeps_on=False, loads=is_cold
        )
        tally.count(trial, how, why)
        if why:
            remove(root)
            copy_project(base, root)
        else:
            restore(root, base)
    tally.end()


def test_killed_dvc_repro(base, tmp_path, rng):
    tally = Tally("kills of dvc repro")
    root = copy_project(base, tmp_path / "work", with_dvc=True)
    stages = list(stages_of(base).values())
    for number in range(size("REPRO_KILLS", size("KILLS", 14) // 4)):
        if number % len(stages) == 0:
            rng.shuffle(stages)
        stage = stages[number % len(stages)]
        which, to_all = rng.choice(SIGNALS), rng.random() < 0.5
        moment = rng.uniform(0, 12)
        for path in (*stage.writes, Path(".scratch")):
            remove(root / path)
        command = ["dvc", "repro", "--no-run-cache", "--single-item", stage.address]
        trial = f"dvc repro {stage.name}, {which.name} to {'all' if to_all else 'one'} after {moment:.2f} s"
        start = partial(Run, root, command)
        how, why = disturbed(root, base, stage, start, which, moment, to_all=to_all, keeps_on=not to_all)
        tally.count(trial, how, why)
        remove(root)
        copy_project(base, root, with_dvc=True)
    tally.end()


def restore(root: Path, base: Path) -> None:
    """Bring back the files that differ between undisturbed runs, for the stages that read them."""
    for name in DIFFERS:
        (root / name).write_bytes((base / name).read_bytes())

"""Every writer on a disk that is full: one message, nothing half written, and the next run goes well."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import small_disk
from tests.faults.conftest import size
from tests.faults.project import TRACE, commands, copy_project, digests, remove, stages_of
from tests.faults.tally import Tally

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


def can_mount() -> bool:
    """Whether this machine lets a process mount a small disk of its own."""
    return (
        shutil.which("unshare") is not None
        and not subprocess.run(
            [*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
        ).returncode
    )


def test_full_disks(base, tmp_path, rng):
    if not can_mount():
        pytest.skip("the system lets no process mount a disk of its own")
    tally = Tally("full disks")
    mount = tmp_path / "disk"
    mount.mkdir()
    trials = [(stage.name, stage.program, stage.writes) for stage in stages_of(base).values()]
    trials += [(stage.name, stage.program, ()) for stage in commands() if stage.writes]
    for number in range(size("FULL_DISKS", 1)):
        for name, command, writes in trials:
            root = copy_project(base, tmp_path / "work")
            for path in writes:
                remove(root / path)
            names = [file for path in writes for file in digests(base, path)]
            needed = sum((base / file).stat().st_size for file in names) // 1024
            free = rng.randrange(max(1, needed)) if number else 0
            how, why = filled(mount, root, free, command, base, writes)
            tally.count(f"{name} with {free} KiB of {needed} KiB", how, why)
            remove(root)
    tally.end()


def filled(mount: Path, root: Path, free: int, command: list[str], base: Path, writes) -> tuple[str, str]:
    """Run a command on a full disk and then on a larger one: how it survived, and why it did not."""
    done = subprocess.run(
        [*NAMESPACE, sys.executable, small_disk.__file__, str(mount), str(root), str(free), *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    full, again = json.loads(done.stdout)
    expected = {name: digest for path in writes for name, digest in digests(base, path).items()}
    for run in (full, again):
        if TRACE in run["printed"]:
            return "", f"traceback: {run['printed'][-1500:]}"
        if run["leftovers"]:
            return "", f"left over: {', '.join(run['leftovers'])}"
    outs = {
        path: {name: digest for name, digest in full["files"].items() if Path(name).is_relative_to(path)}
        for path in writes
    }
    if half := [str(path) for path, found in outs.items() if found and found != digests(base, path)]:
        return "", f"half an output: {', '.join(half)}"
    if full["status"] and "disk is full" not in full["printed"]:
        return "", f"another message: {full['printed'][-600:]}"
    if again["status"]:
        return "", f"fails with space, too: {again['printed'][-600:]}"
    if {name: again["files"].get(name) for name in expected} != expected:
        return "", "wrong result with space"
    return ("refused" if full["status"] else "did not need the space"), ""

"""How long `make repro` takes, in turn with another commit, each in a clone and an environment of its own.

    python -m benchmarks.against 4a81131 --precision 32 --json against.json
    python -m benchmarks.against 4a81131 --folder ../against     # keeps the environments for the next time

An installation downloads the pinned packages, and is not part of the times.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from typer import Option

ROOT = Path(__file__).resolve().parents[1]
PRECISION = re.compile(r"^(  precision:) \S+", re.MULTILINE)


def main(
    commit: Annotated[str, typer.Argument(help="The commit to compare with.")],
    precision: Annotated[str, Option(help="`train.precision` of both: 32, bf16 or auto.")] = "auto",
    rounds: Annotated[int, Option(min=1, help="Complete runs of each, in turn.")] = 1,
    repeats: Annotated[int, Option(min=1, help="Runs of each with nothing to do, in turn.")] = 3,
    folder: Annotated[Path | None, Option(help="Where the clones are made, and kept.")] = None,
    json_file: Annotated[Path | None, Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Print the seconds of both commits by the clock and of processor time, and ours over theirs."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary) if folder is None else folder.resolve()
        clones = {"ours": _clone("HEAD", place / "ours"), "theirs": _clone(commit, place / "theirs")}
        found: dict[str, dict[str, list[tuple[float, float]]]] = {"repro": {}, "nothing_to_do": {}}
        for number in range(rounds):
            for who in sorted(clones, reverse=number % 2 == 0):
                _start_over(clones[who], precision)
                found["repro"].setdefault(who, []).append(_repro(clones[who]))
                print(f"{who}: {found['repro'][who][-1][0]:.0f} s", flush=True)
        for _ in range(repeats):
            for who, clone in clones.items():
                found["nothing_to_do"].setdefault(who, []).append(_repro(clone))
    figures: dict[str, float] = {}
    for what, times in found.items():
        for unit, name in enumerate(("seconds", "processor_seconds")):
            middle = {who: statistics.median(one[unit] for one in of) for who, of in times.items()}
            figures |= {f"{what}_{name}_{who}": value for who, value in middle.items()}
            figures[f"{what}_{name}_ratio"] = middle["ours"] / middle["theirs"]
    for name, value in figures.items():
        print(f"{name:40} {value:.3g}")
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n")


def _clone(commit: str, folder: Path) -> Path:
    """A clone of this repository at a commit, with its environment; an existing clone is moved there."""
    there = subprocess.check_output(["git", "rev-parse", f"{commit}^{{commit}}"], cwd=ROOT, text=True).strip()
    if not folder.exists():
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    subprocess.run(["git", "fetch", "--quiet", "origin", there], cwd=folder, check=True)
    subprocess.run(["git", "checkout", "--quiet", "--force", "--detach", there], cwd=folder, check=True)
    subprocess.run(["make", "--silent", "install"], cwd=folder, env=_environment(), check=True)
    return folder


def _start_over(clone: Path, precision: str) -> None:
    """Leave nothing in a clone but its commit and its environment, and set the precision of training."""
    subprocess.run(["git", "checkout", "--quiet", "--force", "."], cwd=clone, check=True)
    subprocess.run(["git", "clean", "-qfdx", "-e", ".venv", "-e", "*.egg-info"], cwd=clone, check=True)
    shutil.rmtree(clone / ".dvc/cache", ignore_errors=True)
    params = clone / "params.yaml"
    text, count = PRECISION.subn(rf"\1 '{precision}'", params.read_text(encoding="utf-8"))
    if count != 1:
        raise ValueError(f"{params}: expected one line `  precision: …`, found {count}")
    params.write_text(text, encoding="utf-8")


def _repro(clone: Path) -> tuple[float, float]:
    """Seconds by the clock, and of processor time, of `make repro` with all processes that it waits for."""
    began = time.perf_counter()
    with (clone / "repro.log").open("ab") as log:
        process = subprocess.Popen(
            ["make", "--silent", "repro"], cwd=clone, env=_environment(), stdout=log, stderr=log
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"`make repro` ended with {process.returncode}: see {clone / 'repro.log'}")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime


def _environment() -> dict[str, str]:
    """Ours without what leads to this environment's packages."""
    return {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV", "VENV")
    }


if __name__ == "__main__":
    typer.run(main)

"""Shows the progress of a training run, in files of DVCLive's format.

`dvc exp show`, `dvc plots` and DVC's extension for VS Code read these files. They are written again from the
whole history after each epoch, so a resumed run shows no epoch twice. docs/decisions/024-live-training.md
says why the project does not use DVCLive itself.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fakeforensics.files import write_json, write_text

if TYPE_CHECKING:
    from fakeforensics.training.schedule import Row

METRICS = "metrics.json"
PLOTS = Path("plots/metrics")


def begin_live(folder: Path) -> None:
    """Remove what an earlier run of this detector showed."""
    shutil.rmtree(folder / PLOTS, ignore_errors=True)
    (folder / METRICS).unlink(missing_ok=True)
    (folder / PLOTS).mkdir(parents=True)


def write_live(folder: Path, history: Sequence[Row]) -> None:
    """Show the epochs so far.

    Args:
        folder: The function writes there `metrics.json`, with the values of the last epoch, and
            `plots/metrics/<name>.tsv`, with one column of the history by `step` (the epoch, from 0).
        history: One row per finished epoch. Missing values are left out.

    Source:
        https://doc.dvc.org/dvclive/how-it-works, version 3.49.1.
    """
    for name in history[-1]:
        points = [(row["epoch"], row[name]) for row in history if row[name] is not None]
        if name != "epoch" and points:
            lines = [f"step\t{name}", *(f"{step}\t{value!r}" for step, value in points)]
            write_text(folder / PLOTS / f"{name}.tsv", "\n".join(lines) + "\n")
    last = {name: value for name, value in history[-1].items() if name != "epoch" and value is not None}
    # DVCLive also writes NaN and infinity as text, because JSON has no such numbers.
    shown = {name: value if math.isfinite(value) else str(value) for name, value in last.items()}
    write_json(folder / METRICS, shown | {"step": history[-1]["epoch"]})

"""A contact sheet of a source's crops, for looking at what the crop stage gave."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from fakeforensics.errors import UserError
from fakeforensics.files import atomic_path
from fakeforensics.images.images import decode
from fakeforensics.images.keys import printable_path
from fakeforensics.images.schema import REJECTED_FILE, read_index
from fakeforensics.images.shards import ShardReader

_COLUMNS = 10
_REASONS = 8
_COLORS = {0: "#1e7854", 1: "#c4302b"}


def draw_sheet(images_root: Path, source: str, out: Path, number: int) -> str:
    """Draw crops, evenly over the methods, with the reasons of what was rejected below them.

    Args:
        images_root: The folder of all sources' images, `data/images`.
        source: The source's name.
        out: The picture, PNG.
        number: Most crops to show.

    Returns:
        What was drawn, for the user.

    Raises:
        UserError: If the source has not been cropped yet, or has no crop.
    """
    index = read_index(images_root, source)
    if index.empty:
        raise UserError(f"{images_root / source}: the source has no crop", fix="look at its rejected.csv")
    chosen = spread_over_methods(index, number)
    rejected = rejected_reasons(images_root / source / REJECTED_FILE)
    _draw(images_root, source, out, index, chosen, rejected)
    lost = sum(rejected.values())
    return f"{out}: {len(chosen)} of {len(index)} crops; {lost} files or frames were rejected"


def spread_over_methods(index: pd.DataFrame, number: int) -> pd.DataFrame:
    """Rows evenly over each method's crops, as many of each method as there is room for."""
    methods = sorted(index["method"].unique(), key=lambda name: (name != "real", name))
    share = max(1, number // len(methods))
    parts = []
    for method in methods[:number]:
        rows = index[index["method"] == method]
        places = np.linspace(0, len(rows) - 1, min(share, len(rows))).round().astype(int)
        parts.append(rows.iloc[places])
    chosen: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return chosen


def rejected_reasons(path: Path) -> Counter[str]:
    """How often each reason is in `rejected.csv`; empty if nothing was rejected.

    Raises:
        UserError: If it is not there, or not such a table.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return Counter(row["reason"] for row in csv.DictReader(file))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file", fix="run the faces stage again") from None
    except (KeyError, ValueError) as error:
        raise UserError(f"{path}: not a table of rejected files", found=str(error)) from None


def _draw(
    images_root: Path,
    source: str,
    out: Path,
    index: pd.DataFrame,
    chosen: pd.DataFrame,
    rejected: Counter[str],
) -> None:
    from matplotlib.figure import Figure

    rows = -(-len(chosen) // _COLUMNS)
    lines = [f"{count:>6}  {printable_path(reason)}" for reason, count in rejected.most_common(_REASONS)]
    if len(rejected) > _REASONS:
        lines.append(f"        … and {len(rejected) - _REASONS} other reasons")
    foot = 0.5 + 0.2 * max(1, len(lines))
    height = 0.6 + 1.5 * rows + foot
    figure = Figure(figsize=(1.3 * _COLUMNS, height), dpi=110)
    place = {"left": 0.01, "right": 0.99, "bottom": foot / height, "top": 1 - 0.75 / height}
    grid = figure.add_gridspec(rows, _COLUMNS, **place, wspace=0.06, hspace=0.22)
    reader = ShardReader(images_root)
    for number, row in enumerate(chosen.to_dict("records")):
        axes = figure.add_subplot(grid[number // _COLUMNS, number % _COLUMNS])
        axes.imshow(decode(reader.read(source, row["shard"], row["offset"], row["size"])))
        axes.set(xticks=[], yticks=[])
        for side in axes.spines.values():
            side.set(color=_COLORS[int(row["label"])], linewidth=2)
        note = f"{row['method']}, frame {row['frame']}" if row["frame"] >= 0 else row["method"]
        axes.set_title(note, fontsize=7, pad=3)
    reader.close()
    counts = index["method"].value_counts().sort_index()
    listed = ", ".join(f"{count:,} {method}" for method, count in counts.items())
    figure.text(0.01, 1 - 0.3 / height, f"{source}: {listed}", fontsize=11, weight="bold")
    text = "rejected:\n" + "\n".join(lines) if lines else "nothing was rejected"
    figure.text(0.01, (foot - 0.15) / height, text, fontsize=8, va="top", family="monospace")
    with atomic_path(out) as temporary:
        figure.savefig(temporary)

"""The picture of robustness: AP and accuracy by test set and corruption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # a server has no screen

import matplotlib.pyplot as plt
import numpy as np

from fakeforensics.files import atomic_path

VALUES = {"ap": "average precision", "accuracy": "accuracy at validation's threshold"}


def draw_robustness(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw a table of colours for each score.

    Args:
        rows: From `robustness_table`; at least one.
        path: The PNG to write.
    """
    scores = list(dict.fromkeys(row["score"] for row in rows))
    sets = list(dict.fromkeys(row["test_set"] for row in rows))
    corruptions = list(dict.fromkeys(row["corruption"] for row in rows))
    size = (1.5 + 1.25 * len(corruptions), (1.1 + 0.4 * len(sets)) * len(scores))
    figure, axes = plt.subplots(len(scores), 2, figsize=size, squeeze=False, layout="constrained")
    for line, score in zip(axes, scores, strict=True):
        for axis, (key, title) in zip(line, VALUES.items(), strict=True):
            found = {(row["test_set"], row["corruption"]): row[key] for row in rows if row["score"] == score}
            values = np.array([[found[name, corruption] for corruption in corruptions] for name in sets])
            axis.imshow(values, cmap="viridis", vmin=0.4, vmax=1, aspect="auto")
            for place in np.ndindex(values.shape):
                dark = values[place] < 0.7
                axis.text(
                    place[1],
                    place[0],
                    f"{100 * values[place]:.1f}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white" if dark else "black",
                )
            names = [name.replace("_", " ") for name in corruptions]
            axis.set_xticks(range(len(names)), names, fontsize=7, rotation=40, ha="right")
            axis.set_yticks(range(len(sets)), sets, fontsize=8)
            axis.set_title(f"S_{score.upper()}: {title}, %", fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})
    plt.close(figure)

"""The picture of robustness: AP and accuracy by test set and corruption."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # a server has no screen

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from fakeforensics.files import atomic_path
from fakeforensics.metrics.spec import Scores

VALUES = {"ap": "average precision", "accuracy": "accuracy at validation's threshold"}


def draw_robustness(rows: pd.DataFrame, scores: Scores, path: Path) -> None:
    """Draw a table of colors for each score and measure.

    Args:
        rows: From `robustness_table`; at least one. A measure that no set has is left out.
        scores: What the scores are, in the order of the picture.
        path: The PNG to write.
    """
    sets, corruptions = (list(rows[name].unique()) for name in ("test_set", "corruption"))
    drawn = {key: title for key, title in VALUES.items() if rows[key].notna().any()}
    size = (1.5 + 0.62 * len(corruptions) * len(drawn), (1.1 + 0.32 * len(sets)) * len(scores))
    figure, axes = plt.subplots(len(scores), len(drawn), figsize=size, squeeze=False, layout="constrained")
    for line, score in zip(axes, scores, strict=True):
        for axis, (key, title) in zip(line, drawn.items(), strict=True):
            wide = rows[rows["score"] == score.name].pivot(index="test_set", columns="corruption", values=key)
            _draw_table(axis, wide.loc[sets, corruptions])
            axis.set_title(f"{score.label}: {title}, %", fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _draw_table(axis: Any, wide: pd.DataFrame) -> None:
    values = wide.to_numpy()
    axis.imshow(values, cmap="viridis", vmin=0.4, vmax=1, aspect="auto")
    for (line, column), value in np.ndenumerate(values):
        text = "–" if np.isnan(value) else f"{100 * value:.1f}"
        color = "white" if value < 0.7 else "black"
        axis.text(column, line, text, ha="center", va="center", fontsize=7, color=color)
    names = [name.replace("_", " ") for name in wide.columns]
    axis.set_xticks(range(len(names)), names, fontsize=7, rotation=40, ha="right")
    axis.set_yticks(range(len(wide)), [name.replace("_", " ") for name in wide.index], fontsize=8)

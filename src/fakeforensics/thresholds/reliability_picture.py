"""Reliability diagrams: of the images given a probability, how many are fake."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from fakeforensics.thresholds.calibration import KINDS
from fakeforensics.thresholds.pictures import COLOURS, TITLES, save

COLUMNS = 4


def draw_reliability(points: pd.DataFrame, path: Path) -> None:
    """Draw one diagram for each score and test set, a line for each calibrator.

    Args:
        points: From `calibration_table`.
        path: The PNG to write.
    """
    panels = list(points.groupby(["score", "test_set"], sort=False))
    rows = math.ceil(len(panels) / COLUMNS)
    figure, axes = plt.subplots(
        rows,
        COLUMNS,
        figsize=(3 * COLUMNS, 2.9 * rows),
        squeeze=False,
        sharex=True,
        sharey=True,
        layout="constrained",
    )
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    for axis, ((score, name), here) in zip(axes.flat, panels, strict=False):
        axis.plot([0, 1], [0, 1], color="gray", linewidth=0.8, linestyle="--")
        for kind, line in here.groupby("calibrator", sort=False):
            colour = COLOURS[KINDS["sl"].index(kind)]
            axis.plot(line["probability"], line["fakes"], "o-", color=colour, markersize=3, label=kind)
        axis.set_title(f"{name}, {TITLES[str(score)]}", fontsize=8)
        axis.legend(fontsize=6)
    figure.supxlabel("probability of fake, calibrated on validation", fontsize=9)
    figure.supylabel("share of fakes", fontsize=9)
    save(figure, path)

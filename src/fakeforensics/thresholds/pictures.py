"""The pictures of the threshold analysis: oracle thresholds and reliability diagrams."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, get_args

import matplotlib as mpl

mpl.use("Agg")  # a server has no screen

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib import ticker

if TYPE_CHECKING:
    from pathlib import Path

from fakeforensics.files import atomic_path
from fakeforensics.metrics.spec import FUSED, CalibratorKind, Scores

CALIBRATOR_KINDS = get_args(CalibratorKind)  # their order is that of the lines' colors
PANELS = 4  # reliability diagrams side by side
LABELS = {"f1": "max F1", "accuracy": "max accuracy", "youden": "max Youden's J", "eer": "equal error rate"}
# Okabe and Ito's colors stay apart for color-blind readers and in print.
COLORS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442", "#000000"]


def titles(scores: Scores) -> dict[str, str]:
    """Titles of pictures, by name of the score and for all scores fused."""
    found = {
        score.name: score.label if score.label == score.title else f"{score.label} ({score.title})"
        for score in scores
    }
    return found | {FUSED: "fused: " + " and ".join(score.label for score in scores)}


def draw_oracle(rows: list[dict[str, Any]], scores: Scores, path: Path, criterion: str = "accuracy") -> None:
    """Draw table 4.10: left the thresholds, right the accuracy at the oracle's and at validation's.

    Args:
        rows: From `oracle_table`.
        scores: What the scores are.
        path: The PNG to write.
        criterion: Whose accuracies are drawn at the right.
    """
    if not rows:
        draw_nothing("No test set holds both reals and fakes.", path)
        return
    sets = list(dict.fromkeys(row["test_set"] for row in rows))
    figure, axes = plt.subplots(
        len(scores),
        2,
        figsize=(11, (1.3 + 0.42 * len(sets)) * len(scores) + 0.4),
        squeeze=False,
        layout="constrained",
    )
    for (left, right), score in zip(axes, scores, strict=True):
        mine = [row for row in rows if row["score"] == score.name]
        _draw_thresholds(left, mine, sets, log_scale=score.scale == "positive")
        left.set_title(
            f"{titles(scores)[score.name]}\noracle thresholds (dots), validation's (lines)", fontsize=9
        )
        _draw_accuracies(right, mine, sets, criterion)
    save(figure, path)


def draw_nothing(why: str, path: Path) -> None:
    """Write a picture that says why there is nothing to draw."""
    figure, axis = plt.subplots(figsize=(6, 1.5))
    axis.text(0.5, 0.5, why, ha="center", va="center")
    axis.axis("off")
    save(figure, path)


def draw_reliability(points: pd.DataFrame, scores: Scores, path: Path) -> None:
    """Draw a reliability diagram for each score and test set, with a line for each calibrator.

    Args:
        points: From `calibration_table`.
        scores: What the scores are.
        path: The PNG to write.
    """
    if points.empty:
        draw_nothing("Nothing is calibrated: validation holds no fakes.", path)
        return
    panels = list(points.groupby(["score", "test_set"], sort=False))
    rows = math.ceil(len(panels) / PANELS)
    figure, axes = plt.subplots(
        rows,
        PANELS,
        figsize=(3 * PANELS, 2.9 * rows),
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
            color = COLORS[CALIBRATOR_KINDS.index(kind)]
            axis.plot(line["probability"], line["fakes"], "o-", color=color, markersize=3, label=kind)
        axis.set_title(f"{name}\n{titles(scores)[str(score)]}", fontsize=8)
        axis.legend(fontsize=6)
    figure.supxlabel("probability of fake, calibrated on validation", fontsize=9)
    figure.supylabel("share of fakes", fontsize=9)
    save(figure, path)


def _draw_thresholds(axis: Any, rows: list[dict[str, Any]], sets: list[str], *, log_scale: bool) -> None:
    for color, mark, (criterion, label) in zip(COLORS, "os^D", LABELS.items(), strict=False):
        chosen = [row for row in rows if row["criterion"] == criterion]
        oracle = {row["test_set"]: row["threshold"] for row in chosen if row["chosen_on"] == "oracle"}
        axis.plot(
            [oracle[name] for name in sets], range(len(sets)), mark, color=color, label=label, alpha=0.8
        )
        for row in [row for row in chosen if row["chosen_on"] == "validation"][:1]:
            axis.axvline(row["threshold"], color=color, linewidth=1, linestyle="--")
    if log_scale and all(row["threshold"] > 0 for row in rows):
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0), numticks=9))
        axis.xaxis.set_major_formatter(ticker.FormatStrFormatter("%.3g"))
        axis.xaxis.set_minor_formatter(ticker.NullFormatter())
    axis.set_xlabel("threshold")
    _name_sets(axis, sets)
    axis.legend(fontsize=7)


def _draw_accuracies(axis: Any, rows: list[dict[str, Any]], sets: list[str], criterion: str) -> None:
    height = 0.38
    for shift, color, choice in (
        (-height / 2, COLORS[2], "oracle"),
        (height / 2, COLORS[0], "validation"),
    ):
        value = {
            row["test_set"]: row["accuracy"]
            for row in rows
            if row["criterion"] == criterion and row["chosen_on"] == choice
        }
        if not value:  # no validation scores were given
            continue
        places = np.arange(len(sets)) + shift
        bars = axis.barh(places, [value[name] for name in sets], height, color=color, label=choice)
        axis.bar_label(bars, fmt="%.3f", fontsize=7, padding=2)
    axis.set_xlim(0, 1.12)
    axis.set_title(f"accuracy at the threshold of {LABELS[criterion]}", fontsize=9, loc="left")
    axis.set_xlabel("accuracy")
    _name_sets(axis, sets)
    axis.legend(fontsize=7, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False)


def _name_sets(axis: Any, sets: list[str]) -> None:
    axis.set_yticks(range(len(sets)), sets, fontsize=8)
    axis.set_ylim(len(sets) - 0.5, -0.5)
    axis.grid(axis="x", linewidth=0.4)
    axis.set_axisbelow(True)


def save(figure: Any, path: Path) -> None:
    """Write a figure atomically; without the software's version, so that equal pictures have equal bytes."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})
    plt.close(figure)

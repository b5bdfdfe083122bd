"""The pictures of the threshold analysis: thresholds, the accuracy gap, reliability and Tippett diagrams."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
from matplotlib import ticker
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fakeforensics.files import atomic_path
from fakeforensics.metrics.operating import CRITERIA, Criterion
from fakeforensics.metrics.spec import FUSED, CalibratorKind, Scores
from fakeforensics.palette import COLORS as BY_MEANING
from fakeforensics.palette import SERIES, series_color

Row = dict[str, Any]

CALIBRATOR_KINDS = get_args(CalibratorKind)  # in the order of the colors of their lines
LIKELIHOOD_STYLES: dict[str, Any] = {"logistic": "-", "isotonic": "--"}
PANELS = 4  # diagrams side by side
LONGEST = 60  # characters of a name that leave room for the axes
COLORS = {"oracle": SERIES[2], "validation": SERIES[3], "sensitive": SERIES[1]}
SELECTORS = {
    "oracle": "oracle (bound)",
    "validation": "validation",
    "universal_mean": "universal, mean",
    "universal_worst": "universal, worst case",
    "prior_shift": "unlabeled: prior-shift EM",
    "mixture": "unlabeled: two Gaussians",
    "valley": "unlabeled: histogram valley",
    "standardise": "unlabeled: z-score alignment",
}
PREVALENCES = {"own": "as it is", "0.01": "1%", "0.1": "10%", "0.5": "50%", "0.9": "90%"}
WORST = -2.0  # a lower recovered share of the gap is not printed as a number
_NO_SET = "No test set holds both reals and fakes."


def titles(scores: Scores) -> dict[str, str]:
    """The titles of pictures, by the score's name; `FUSED` is the combination of all scores."""
    found = {
        score.name: score.label if score.label == score.title else f"{score.label} ({score.title})"
        for score in scores
    }
    return found | {FUSED: "fused: " + " and ".join(score.label for score in scores)}


def draw_thresholds(rows: list[Row], scores: Scores, path: Path, criterion: Criterion = "accuracy") -> None:
    """Draw table 4.10 as a PNG, with the thresholds on the left and the accuracies on the right.

    Args:
        rows: The rows of `threshold_table` for sets with both classes.
        scores: The scores that they are about.
        path: The file to write.
        criterion: The criterion whose accuracies are drawn.
    """
    if not rows:
        _draw_nothing(_NO_SET, path)
        return
    sets = list(dict.fromkeys(row["test_set"] for row in rows))
    figure = Figure((11, (1.3 + 0.42 * len(sets)) * len(scores) + 0.4), layout="constrained")
    axes = figure.subplots(len(scores), 2, squeeze=False)
    for (left, right), score in zip(axes, scores, strict=True):
        mine = [row for row in rows if row["score"] == score.name]
        _draw_thresholds(left, mine, sets, log_scale=score.scale == "positive")
        left.set_title(
            f"{titles(scores)[score.name]}\noracle thresholds (dots), validation's (lines)", fontsize=9
        )
        _draw_accuracies(right, mine, sets, criterion)
    _save(figure, path)


def draw_gap(summary: list[Row], scores: Scores, path: Path) -> None:
    """Draw as a PNG the mean accuracy with its interval, and the recovered share of the gap by prevalence.

    Args:
        summary: The summary of `measure_selectors`.
        scores: The scores that it is about.
        path: The file to write.
    """
    names = list(dict.fromkeys(row["score"] for row in summary))
    if not names:
        _draw_nothing(_NO_SET, path)
        return
    selectors = list(dict.fromkeys(row["rule"] for row in summary))
    figure = Figure((12, (1.4 + 0.3 * len(selectors)) * len(names)), layout="constrained")
    for (left, right), name in zip(figure.subplots(len(names), 2, squeeze=False), names, strict=True):
        mine = [row for row in summary if row["score"] == name]
        _draw_mean_accuracy(left, [row for row in mine if row["fake_share"] == "own"], selectors)
        left.set_title(f"{titles(scores)[name]}\nmean accuracy over the sets as they are", fontsize=9)
        _draw_recovered(right, mine, selectors)
    _save(figure, path)


def draw_reliability(points: pd.DataFrame, scores: Scores, path: Path) -> None:
    """Draw as a PNG a reliability diagram for each score and test set, with a line for each calibrator.

    Args:
        points: The points of `calibration_table`.
        scores: The scores that they are about.
        path: The file to write.
    """
    if points.empty:
        _draw_nothing("Nothing is calibrated: validation holds no fakes.", path)
        return
    panels = list(points.groupby(["score", "test_set"], sort=False))
    rows = math.ceil(len(panels) / PANELS)
    figure = Figure((3 * PANELS, 2.9 * rows), layout="constrained")
    axes = figure.subplots(rows, PANELS, squeeze=False, sharex=True, sharey=True)
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    for axis, ((score, name), here) in zip(axes.flat, panels, strict=False):
        axis.plot([0, 1], [0, 1], color="gray", linewidth=0.8, linestyle="--")
        for kind, line in here.groupby("calibrator", sort=False):
            color = series_color(CALIBRATOR_KINDS.index(kind))
            axis.plot(line["probability"], line["fakes"], "o-", color=color, markersize=3, label=kind)
        axis.set_title(f"{_short(str(name))}\n{titles(scores)[str(score)]}", fontsize=8, parse_math=False)
        axis.legend(fontsize=6)
    figure.supxlabel("probability of fake, calibrated on validation", fontsize=9)
    figure.supylabel("share of fakes", fontsize=9)
    _save(figure, path)


def draw_tippett(curves: pd.DataFrame, scores: Scores, path: Path) -> None:
    """Draw as a PNG a Tippett plot for each score and set.

    It shows the share of each class whose log10 likelihood ratio is at least x.

    Args:
        curves: The curves of `analyze_likelihood`.
        scores: The scores that they are about.
        path: The file to write.
    """
    if curves.empty:
        _draw_nothing("There are no likelihood ratios: validation holds no fakes.", path)
        return
    panels = list(curves.groupby(["score", "test_set"], sort=False))
    rows = math.ceil(len(panels) / PANELS)
    figure = Figure((3 * PANELS, 2.5 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, PANELS, squeeze=False, sharex=True, sharey=True)
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    for axis, ((score, name), here) in zip(axes.flat, panels, strict=False):
        axis.axvline(0, color="gray", linewidth=0.8, linestyle=":")
        for (kind, label), line in here.groupby(["calibrator", "label"], sort=False):
            draw_tippett_curve(axis, line, int(str(label)), LIKELIHOOD_STYLES[str(kind)])
        axis.set_title(f"{_short(str(name))}\n{titles(scores)[str(score)]}", fontsize=8, parse_math=False)
    figure.supxlabel("x: log10 of the likelihood ratio, fitted on validation", fontsize=9)
    figure.supylabel("share of the images at or above x", fontsize=9)
    lines = {(label, kind): BY_MEANING[label] for label in ("real", "fake") for kind in LIKELIHOOD_STYLES}
    handles = [
        Line2D([], [], color=color, linestyle=LIKELIHOOD_STYLES[kind], label=f"{label}, {kind}")
        for (label, kind), color in lines.items()
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=4, fontsize=8, frameon=False)
    _save(figure, path)


def draw_tippett_curve(axis: Any, points: pd.DataFrame, label: int, style: str) -> None:
    """Draw the Tippett curve of one class.

    Args:
        axis: A matplotlib axis.
        points: The rows of the class in the curves of `analyze_likelihood`.
        label: 0 real, 1 fake.
        style: Style of the line, such as `--`.
    """
    # The share at or above x is constant down to the next lower value, and 0 above the highest one.
    x, share = points["log10_lr"].to_numpy(), points["share"].to_numpy()
    color = BY_MEANING["fake" if label else "real"]
    axis.plot(np.append(x, x[-1]), np.append(share, 0.0), style, color=color, drawstyle="steps-pre")


def _draw_nothing(why: str, path: Path) -> None:
    figure = Figure((6, 1.5))
    figure.text(0.5, 0.5, why, ha="center", va="center")
    _save(figure, path)


def _draw_thresholds(axis: Any, rows: list[Row], sets: list[str], *, log_scale: bool) -> None:
    for color, mark, (criterion, label) in zip(SERIES, "os^D", CRITERIA.items(), strict=False):
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
    _name_rows(axis, sets)
    axis.legend(fontsize=7)


def _draw_accuracies(axis: Any, rows: list[Row], sets: list[str], criterion: Criterion) -> None:
    height = 0.38
    for shift, choice in ((-height / 2, "oracle"), (height / 2, "validation")):
        value = {
            row["test_set"]: row["accuracy"]
            for row in rows
            if row["criterion"] == criterion and row["chosen_on"] == choice
        }
        if not value:  # no validation scores were given
            continue
        places = np.arange(len(sets)) + shift
        bars = axis.barh(places, [value[name] for name in sets], height, color=COLORS[choice], label=choice)
        axis.bar_label(bars, fmt="%.3f", fontsize=7, padding=2)
    axis.set_xlim(0, 1.12)
    axis.set_title(f"threshold with the {CRITERIA[criterion]}", fontsize=9, loc="left")
    axis.set_xlabel("accuracy")
    _name_rows(axis, sets)
    axis.legend(fontsize=7, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False)


def _draw_mean_accuracy(axis: Any, rows: list[Row], selectors: list[str]) -> None:
    place = {selector: number for number, selector in enumerate(selectors)}
    for row in rows:
        at, color = place[row["rule"]], COLORS["sensitive" if row["leans_on_fake_share"] else "validation"]
        fill = color if row["sets"] == row["of_sets"] else "white"
        axis.plot(row["accuracy_interval"], [at, at], color=color, linewidth=2)
        axis.plot(row["accuracy"], at, "o", color=color, markerfacecolor=fill)
        if row["rule"] in ("validation", "oracle"):
            axis.axvline(row["accuracy"], color="gray", linewidth=0.8, linestyle="--")
    axis.set_xlabel("accuracy (orange: prevalence-sensitive; hollow: not all sets)", fontsize=8)
    _name_rows(axis, [_selector_name(selector) for selector in selectors])


def _draw_recovered(axis: Any, rows: list[Row], selectors: list[str]) -> None:
    found = {(row["rule"], row["fake_share"]): row["gap_closed"] for row in rows}
    prevalences = list(dict.fromkeys(row["fake_share"] for row in rows))
    # None means that there is no gap or the selector does not apply; it becomes NaN.
    values = np.array([[found.get((one, at)) for at in prevalences] for one in selectors], dtype=np.float64)
    axis.imshow(np.clip(values, -1, 1), cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        text = "–" if np.isnan(value) else f"{100 * value:.0f}%" if value > WORST else f"< {100 * WORST:.0f}%"
        dark = abs(value) > 0.6  # False for NaN
        axis.text(column, row, text, ha="center", va="center", fontsize=7, color="white" if dark else "black")
    axis.set_xticks(range(len(prevalences)), [PREVALENCES.get(at, at) for at in prevalences], fontsize=8)
    axis.set_xlabel("prevalence (share of fakes)", fontsize=8)
    axis.set_yticks([])
    axis.set_title("recovered share of the gap (–: no gap beyond chance, or not applicable)", fontsize=9)


def _selector_name(selector: str) -> str:
    if selector.startswith("reals_k"):
        known, rate = selector.removeprefix("reals_k").split("_fpr")
        return f"{known} known reals, FPR ≤ {rate}%"
    if selector.startswith("any_share_k"):
        return f"{selector.removeprefix('any_share_k')} known reals and unlabeled"
    return SELECTORS[selector]


def _name_rows(axis: Any, names: list[str]) -> None:
    # A name may hold dollar signs, which matplotlib would read as mathematics.
    axis.set_yticks(range(len(names)), [*map(_short, names)], fontsize=8, parse_math=False)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.grid(axis="x", linewidth=0.4)
    axis.set_axisbelow(True)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _save(figure: Figure, path: Path) -> None:
    """Write a figure atomically, without matplotlib's version, so that equal pictures have equal bytes."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})

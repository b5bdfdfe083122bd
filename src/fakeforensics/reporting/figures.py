"""The figures of a protocol, and the style that all figures of the report share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from fakeforensics.palette import COLORS
from fakeforensics.reporting.blocks import SUBSCRIPT, Figure
from fakeforensics.reporting.columns import ScoreColumn
from fakeforensics.reporting.results import ProtocolResults
from fakeforensics.reporting.tables import (
    Corrupted,
    corrupted,
    corrupted_metrics,
    corruption_name,
    corruptions,
    metric_title,
    scale_of,
)
from fakeforensics.reporting.threshold_tables import thresholds_of

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.edgecolor": COLORS["rule"],
    "axes.labelcolor": COLORS["muted"],
    "axes.titlecolor": COLORS["ink"],
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": COLORS["rule"],
    "grid.linewidth": 0.6,
    **{f"{axis}tick.color": COLORS["muted"] for axis in "xy"},
    **{f"{axis}tick.{kind}.size": 0 for axis in "xy" for kind in ("major", "minor")},
    "text.color": COLORS["ink"],
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "figure.facecolor": COLORS["paper"],
    "savefig.facecolor": COLORS["paper"],
    "svg.fonttype": "none",
    "svg.hashsalt": "fake-forensics",
}
_FEW = 4  # average precision: the most columns for which a row has its least height
_STEP = 0.18  # distance of the dots of neighboring columns, if there are few; a row has the height 1
_INCHES = 0.155  # height of a row per column, in inches
_CURVES_PER_ROW = 4
_BINS = 48
_LINE = 34  # characters per line of text below a histogram
_MARK = "the file format alone tells"
_TAIL = 0.002  # share of the scores beyond either end of a histogram


def canvas(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Canvas, Any]:
    """An empty picture, and its axes as an array of shape (rows, columns).

    Args:
        width: Width in inches.
        height: Height in inches.
        rows: Rows of panels.
        columns: Columns of panels.
        options: Options of `Figure.subplots`.
    """
    with rc_context(STYLE):
        figure = Canvas(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns, squeeze=False, **options)


def add_legend(figure: Canvas, handles: list[Any]) -> None:
    """Put a legend above the panels."""
    style = {"ncols": 4, "fontsize": 9, "frameon": False, "labelcolor": COLORS["ink"]}
    figure.legend(handles=handles, loc="outside upper left", **style)


def column_title(column: ScoreColumn) -> str:
    """A column's heading for matplotlib, where the text after `S_` becomes a subscript."""
    return SUBSCRIPT.sub(r"\1$_{\2}$", column.name)


def _lines(columns: Iterable[ScoreColumn], marker: str | None = None) -> list[Line2D]:
    return [Line2D([], [], color=one.color, marker=marker, label=column_title(one)) for one in columns]


def _set_title(results: ProtocolResults, name: str, separator: str) -> str:
    return results.label(name) + (f"{separator}unseen" if name in results.protocol.unseen else "")


def ap_figure(results: ProtocolResults) -> list[Figure]:
    """Average precision per test set: a dot and its interval per score, a bar at chance."""
    if not results.ranked:
        return []
    published = any(results.published_ap(one, name) for one in results.columns for name in results.ranked)
    hollow = f" Hollow diamonds: {results.reference.owner}." if results.reference and published else ""
    return [
        Figure(
            name="average-precision",
            caption="Average precision with 95% intervals. Short bars mark chance: a score whose interval "
            "reaches its bar cannot be distinguished from a guess. The further the unseen sets lie to the "
            f"left of the seen sets, the less the detector generalizes to new methods.{hollow}",
            alt=f"Dots with intervals: the average precision of each score on {len(results.ranked)} test "
            "sets, with chance as a bar; the table above has the values",
            draw=partial(_draw_ap, results),
        )
    ]


def _draw_ap(results: ProtocolResults) -> Canvas:
    sets = results.ranked
    figure, grid = canvas(8.6, 0.9 + _INCHES * max(len(results.columns), _FEW) * len(sets))
    axes = grid[0, 0]
    lowest = 50.0
    step = _STEP * (_FEW - 1) / max(len(results.columns) - 1, _FEW - 1)
    for position, name in enumerate(sets):
        if chance := results.prevalence(name):
            bar = (position - 0.38, position + 0.38)
            axes.plot((chance, chance), bar, color=COLORS["muted"], linewidth=1)
        for place, column in enumerate(results.columns):
            y = position + step * (place - (len(results.columns) - 1) / 2)
            ours, theirs = results.ap(column, name), results.published_ap(column, name)
            bounds = results.ap_interval(column, name)
            if bounds is not None:
                axes.plot(bounds, (y, y), color=column.color, linewidth=1.8, alpha=0.45)
            if ours is not None:
                axes.plot(ours, y, "o", color=column.color, markersize=5.5)
            if theirs is not None:
                axes.plot(theirs, y, "D", markersize=5, markerfacecolor="none", markeredgecolor=column.color)
            drawn = (ours, theirs, bounds[0] if bounds else None)
            lowest = min([lowest, *(value for value in drawn if value is not None)])
    axes.set_yticks(range(len(sets)), [_set_title(results, name, "\n") for name in sets])
    axes.tick_params(axis="y", labelsize=9, labelcolor=COLORS["ink"])
    axes.set_ylim(len(sets) - 0.4, -0.6)
    axes.set_xlim(max(10 * math.floor((lowest - 2) / 10), 0) - 2, 102)
    axes.set_xlabel("average precision, %")
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    add_legend(figure, _lines(results.columns, "o"))
    return figure


class _Curve(NamedTuple):
    name: str
    title: str
    x: str
    y: str
    axes: tuple[str, str]
    look: str


_CURVES = (
    _Curve(
        *("pr", "Precision-recall curves", "recall", "precision", ("recall", "precision")),
        "The longer a curve stays at the top, the more fakes are found before the first false alarms. A "
        "curve on the dotted line is a guess.",
    ),
    _Curve(
        *("roc", "ROC curves", "fpr", "tpr", ("reals called fake", "fakes called fake")),
        "The height of a curve at the left edge is the share of fakes that is found while hardly any real is "
        "called fake. A curve on the diagonal is a guess.",
    ),
)


def curve_figures(results: ProtocolResults) -> list[Figure]:
    """Precision-recall and ROC curves: a panel per test set, a line per score; none without curves."""
    figures = []
    for kind in _CURVES:
        found = {
            (detector, name): curve
            for name in results.ranked
            for detector in results.metrics
            if (curve := results.curve(kind.name, detector, name)) is not None
        }
        if found:
            found_sets = list(dict.fromkeys(results.label(name) for _, name in found))
            telling = any(name in results.telling for _, name in found)
            marked = f" On marked test sets {_MARK} real from fake." if telling else ""
            figures.append(
                Figure(
                    name=kind.name,
                    caption=f"{kind.title} on each test set. Dotted line: chance. {kind.look}{marked}",
                    alt=f"{kind.title} of {len(results.columns)} scores on {len(found_sets)} test sets: "
                    f"{', '.join(found_sets)}",
                    draw=partial(_draw_curves, results, kind, found),
                )
            )
    return figures


def _draw_curves(
    results: ProtocolResults, kind: _Curve, found: dict[tuple[str, str], pd.DataFrame]
) -> Canvas:
    sets = list(dict.fromkeys(name for _, name in found))
    columns = 3 if len(sets) in (5, 6, 9) else min(_CURVES_PER_ROW, len(sets))
    rows = math.ceil(len(sets) / columns)
    figure, grid = canvas(max(4.6, 2.3 * columns), 2.35 * rows + 0.5, rows, columns, sharex=True, sharey=True)
    for axes in grid.flat[len(sets) :]:
        axes.set_axis_off()
    for axes, name in zip(grid.flat, sets, strict=False):
        for column in results.columns:
            if (column.detector, name) in found:
                curve = found[column.detector, name]
                mine = curve[curve["score"] == column.spec.name]
                axes.plot(mine[kind.x], mine[kind.y], color=column.color, linewidth=1.4)
        prevalence = results.prevalence(name)
        chance = (0, 1) if kind.name == "roc" else None if prevalence is None else (prevalence / 100,) * 2
        if chance is not None:
            axes.plot((0, 1), chance, color=COLORS["muted"], linewidth=1, linestyle=":")
        axes.set_title(_set_title(results, name, " · "), fontsize=8.5, color=COLORS["ink"], loc="left")
        if name in results.telling:
            style = {"fontsize": 7.5, "color": COLORS["fake"], "transform": axes.transAxes}
            axes.text(0.97, 0.05, "\u26a0 file format tells", ha="right", **style)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.03)
        axes.set_aspect("equal")
    figure.supxlabel(kind.axes[0], color=COLORS["muted"], fontsize=8.5)
    figure.supylabel(kind.axes[1], color=COLORS["muted"], fontsize=8.5)
    add_legend(figure, _lines(results.columns))
    return figure


def score_figure(results: ProtocolResults, criterion: str) -> list[Figure]:
    """Histograms of the scores of real and fake images with their thresholds; none without scores.

    Args:
        results: The protocol's results.
        criterion: The criterion by which the thresholds were chosen.
    """
    tables = {detector: results.scores(detector) for detector in results.metrics}
    known = {detector: table for detector, table in tables.items() if table is not None}
    shown = [column for column in results.columns if column.spec.column in known.get(column.detector, ())]
    if not shown:
        return []
    best = " Dashed line: the best threshold of each test set." if results.ranked else ""
    decades = [column.name for column in shown if column.spec.scale == "positive"]
    logarithmic = f" Logarithmic axis: {', '.join(decades)}." if decades else ""
    return [
        Figure(
            name="scores",
            caption="Scores of real and fake images; a higher score is more likely fake. Solid line: the "
            f"threshold chosen on validation images.{best} Check how far the two colors overlap, and whether "
            "each lies on its side of the solid line. If the colors of a test set are separate but on the "
            f"same side, it needs another threshold, not another detector.{logarithmic}",
            alt=f"Histograms of {len(shown)} scores of real and fake images on "
            f"{len(results.ranked) + len(results.fake_only)} test sets, with thresholds as lines",
            draw=partial(_draw_scores, results, known, shown, criterion),
        )
    ]


def _draw_scores(
    results: ProtocolResults,
    tables: dict[str, pd.DataFrame],
    columns: Sequence[ScoreColumn],
    criterion: str,
) -> Canvas:
    sets = (*results.ranked, *results.fake_only)
    figure, grid = canvas(
        2.5 * len(columns) + 1.0, 0.72 * len(sets) + 1.0, len(sets), len(columns), sharex="col"
    )
    for place, column in enumerate(columns):
        table = tables[column.detector]
        values = table[["test_set", "label"]].assign(value=_on_axis(table[column.spec.column], column))
        low, high = np.quantile(values["value"], [_TAIL, 1 - _TAIL])
        edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
        known = thresholds_of(results, column, criterion)
        for axes, name in zip(grid[:, place], sets, strict=True):
            _draw_histogram(axes, values[values["test_set"] == name], edges)
            for rows, style in ((known.validation, "-"), (known.oracle, "--")):
                if name in rows:
                    at = _on_axis([rows[name]["threshold"]], column)[0]
                    # A threshold beyond the axis is drawn at its end rather than stretching it.
                    axes.axvline(np.clip(at, edges[0], edges[-1]), color=COLORS["ink"], lw=1.1, ls=style)
        grid[0, place].set_title(column_title(column), fontsize=9, loc="left", color=column.color)
        unit = ", log10" if column.spec.scale == "positive" else ""
        grid[-1, place].set_xlabel(fill(column.spec.title + unit, _LINE))
    for axes, name in zip(grid[:, 0], sets, strict=True):
        text = _set_title(results, name, "\n")
        axes.set_ylabel(text, rotation=0, ha="right", va="center", color=COLORS["ink"])
    lines = {"threshold from validation": "-"}
    if results.ranked:
        lines["best threshold of the set"] = "--"
    add_legend(
        figure,
        [Patch(color=COLORS[name], alpha=0.55, label=name) for name in ("real", "fake")]
        + [
            Line2D([], [], color=COLORS["ink"], lw=1.1, ls=style, label=name) for name, style in lines.items()
        ],
    )
    return figure


def _on_axis(scores: Any, column: ScoreColumn) -> np.ndarray:
    """Scores on the axis of a picture. Those of scale `positive` span decades, so log10 is drawn."""
    values = np.asarray(scores, dtype=np.float64)
    if column.spec.scale != "positive":
        return values
    return np.asarray(np.log10(np.maximum(values, np.finfo(np.float32).tiny)))


def _draw_histogram(axes: Any, rows: pd.DataFrame, edges: np.ndarray) -> None:
    for label, name in ((0, "real"), (1, "fake")):
        values = rows.loc[rows["label"] == label, "value"].to_numpy()
        if values.size:
            shares = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / values.size
            axes.stairs(shares, edges, fill=True, color=COLORS[name], alpha=0.45)
            axes.stairs(shares, edges, color=COLORS[name], linewidth=1)
    axes.set_yticks([])
    axes.set_ylim(bottom=0)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False)


def robustness_figure(results: ProtocolResults) -> list[Figure]:
    """Mean metrics under corruptions: a panel per metric, a line per score; none without them."""
    found = corrupted(results)
    if not corrupted_metrics(found):
        return []
    hollow = " Hollow dots: over the unseen test sets." if results.protocol.unseen else ""
    return [
        Figure(
            name="robustness",
            caption="Means over all test sets, for each corruption of the test images. The further a dot "
            f"lies to the left of the dot in the first row, the more that corruption costs.{hollow}",
            alt="Dots: metrics under compression, blur, resizing, noise; the tables below have the values",
            draw=partial(_draw_robustness, found),
        )
    ]


def _draw_robustness(found: dict[ScoreColumn, Corrupted]) -> Canvas:
    metrics = corrupted_metrics(found)
    names = corruptions(found, metrics)
    figure, grid = canvas(4.3 * len(metrics), 0.9 + 0.3 * len(names), 1, len(metrics), sharey=True)
    shown = [column for column, by_metric in found.items() if by_metric]
    for axes, metric in zip(grid[0], metrics, strict=True):
        factor, _, unit = scale_of(metric)
        for column in shown:
            by_name = found[column].get(metric, {})
            for mean, line, fill_ in (("mean", "o-", column.color), ("mean_unseen", "o--", "none")):
                values = [by_name.get(name, {}).get(mean) for name in names]
                points = [(factor * value, y) for y, value in enumerate(values) if value is not None]
                if points:
                    style = {"color": column.color, "markerfacecolor": fill_, "markersize": 5}
                    axes.plot(*zip(*points, strict=True), line, linewidth=0.8, **style)
        axes.set_yticks(range(len(names)), [corruption_name(name) for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel(metric_title(metric) + unit)
    add_legend(figure, _lines(shown, "o"))
    return figure

"""Histograms of the scores of real and fake images, with the thresholds drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from fakeforensics.reporting.columns import ScoreColumn
from fakeforensics.reporting.contents import Figure
from fakeforensics.reporting.drawing import COLORS, canvas, legend, subscript
from fakeforensics.reporting.project import ProtocolResults
from fakeforensics.reporting.threshold_table import thresholds_of

_BINS = 48
_LINE = 34  # characters below a panel
_TAIL = 0.002  # share of the scores beyond each end of the axis


def score_figure(results: ProtocolResults, sets: Sequence[str], criterion: str) -> list[Figure]:
    """A grid of histograms, a row for each test set, a column for each score; none without scores.

    Args:
        results: The protocol.
        sets: Its test sets in the order of the table.
        criterion: By which the thresholds were chosen.
    """
    tables = {detector: results.scores(detector) for detector in results.metrics}
    known = {detector: table for detector, table in tables.items() if table is not None}
    shown = [column for column in results.columns if column.spec.column in known.get(column.detector, ())]
    if not shown:
        return []
    demo = "Demo data. " if results.protocol.is_demo else ""
    best = ", the dashed one the best of each test set" if results.has_ap else ""
    caption = (
        f"{demo}Scores of real and fake images: to the right is faker. The solid line is the threshold that "
        f"validation chose{best}. {_scales(shown)}".strip()
    )
    return [
        Figure(
            name=f"{results.name}/scores",
            caption=caption,
            alt="Histograms of the scores of real and fake images on each test set",
            draw=partial(_draw, results, known, shown, sets, criterion),
        )
    ]


def _draw(
    results: ProtocolResults,
    tables: dict[str, pd.DataFrame],
    columns: Sequence[ScoreColumn],
    sets: Sequence[str],
    criterion: str,
) -> Canvas:
    figure, grid = canvas(
        2.5 * len(columns) + 1.0, 0.72 * len(sets) + 1.0, len(sets), len(columns), sharex="col"
    )
    for place, column in enumerate(columns):
        table = tables[column.detector]
        values = table[["test_set", "label"]].assign(
            value=_axis_values(table[column.spec.column].to_numpy(), column)
        )
        low, high = np.quantile(values["value"], [_TAIL, 1 - _TAIL])
        edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
        known = thresholds_of(results, column, criterion)
        for axes, name in zip(grid[:, place], sets, strict=True):
            _draw_panel(axes, values[values["test_set"] == name], edges)
            for rows, style in ((known.validation, "-"), (known.oracle, "--")):
                if name in rows:
                    at = _axis_values(np.array([rows[name]["threshold"]]), column)[0]
                    # Beyond the axis the line stands at its end rather than stretching it.
                    axes.axvline(np.clip(at, edges[0], edges[-1]), color=COLORS["ink"], lw=1.1, ls=style)
        grid[0, place].set_title(subscript(column.name), fontsize=9, loc="left", color=column.color)
        grid[-1, place].set_xlabel(fill(_axis_title(column), _LINE))
    for axes, name in zip(grid[:, 0], sets, strict=True):
        unseen = "\nunseen" if name in results.protocol.unseen else ""
        axes.set_ylabel(
            results.label(name) + unseen, rotation=0, ha="right", va="center", color=COLORS["ink"]
        )
    handles = [
        Patch(color=COLORS["real"], alpha=0.55, label="real"),
        Patch(color=COLORS["fake"], alpha=0.55, label="fake"),
        Line2D([], [], color=COLORS["ink"], lw=1.1, label="threshold from validation"),
    ]
    if results.has_ap:
        handles.append(
            Line2D([], [], color=COLORS["ink"], lw=1.1, ls="--", label="best threshold of the set")
        )
    legend(figure, handles)
    return figure


def _scales(columns: Sequence[ScoreColumn]) -> str:
    """Which scores are drawn on a logarithmic axis; nothing if none is."""
    names = [column.name for column in columns if column.spec.scale == "positive"]
    return f"On a logarithmic axis: {', '.join(names)}." if names else ""


def _axis_title(column: ScoreColumn) -> str:
    return column.spec.title + (", log10" if column.spec.scale == "positive" else "")


def _axis_values(scores: np.ndarray, column: ScoreColumn) -> np.ndarray:
    """Scores as they are; those of scale `positive` by their logarithm, as they spread over decades."""
    if column.spec.scale != "positive":
        return scores.astype(np.float64)
    return np.log10(np.maximum(scores.astype(np.float64), np.finfo(np.float32).tiny))


def _draw_panel(axes: Any, rows: pd.DataFrame, edges: np.ndarray) -> None:
    for label_, name in ((0, "real"), (1, "fake")):
        values = rows.loc[rows["label"] == label_, "value"].to_numpy()
        if values.size:
            shares = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / values.size
            axes.stairs(shares, edges, fill=True, color=COLORS[name], alpha=0.45)
            axes.stairs(shares, edges, color=COLORS[name], linewidth=1)
    axes.set_yticks([])
    axes.set_ylim(bottom=0)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False)

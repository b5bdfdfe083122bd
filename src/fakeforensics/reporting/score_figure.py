"""Histograms of the scores of real and fake images, with the thresholds drawn in."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from fakeforensics.reporting.columns import COLUMNS, ScoreColumn
from fakeforensics.reporting.contents import Figure
from fakeforensics.reporting.drawing import COLOURS, canvas, legend, subscript
from fakeforensics.reporting.project import ProtocolResults
from fakeforensics.reporting.threshold_table import thresholds_of

RANKED_BY = {"sl": "logit", "cd": "score_cd"}  # the score table's columns
_BINS = 48
_TAIL = 0.002  # share of the scores beyond each end of the axis


def score_figure(results: ProtocolResults, sets: Sequence[str], criterion: str) -> list[Figure]:
    """A grid of histograms, a row for each test set, a column for each score; none without scores.

    Args:
        results: The protocol.
        sets: Its test sets in the order of the table.
        criterion: By which the thresholds were chosen.
    """
    tables = {objective: results.scores(objective) for objective in results.metrics}
    known = {objective: table for objective, table in tables.items() if table is not None}
    shown = [column for column in COLUMNS if RANKED_BY[column.score] in known.get(column.objective, ())]
    if not shown:
        return []
    demo = "Demo data. " if results.protocol.is_demo else ""
    best = ", the dashed one the best of each test set" if results.has_ap else ""
    caption = (
        f"{demo}Scores of real and fake images: to the right is faker. The solid line is the threshold that "
        f"validation chose{best}. S_SL is shown as a logit, S_CD on a logarithmic axis."
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
        values = tables[column.objective][["test_set", "label"]].assign(
            value=_axis_values(tables[column.objective][RANKED_BY[column.score]].to_numpy(), column)
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
                    axes.axvline(np.clip(at, edges[0], edges[-1]), color=COLOURS["ink"], lw=1.1, ls=style)
        grid[0, place].set_title(subscript(column.name), fontsize=9, loc="left", color=COLOURS[column.key])
        grid[-1, place].set_xlabel("logit" if column.score == "sl" else "log10 of the squared distance")
    for axes, name in zip(grid[:, 0], sets, strict=True):
        unseen = "\nunseen" if name in results.protocol.unseen else ""
        axes.set_ylabel(
            results.label(name) + unseen, rotation=0, ha="right", va="center", color=COLOURS["ink"]
        )
    handles = [
        Patch(color=COLOURS["real"], alpha=0.55, label="real"),
        Patch(color=COLOURS["fake"], alpha=0.55, label="fake"),
        Line2D([], [], color=COLOURS["ink"], lw=1.1, label="threshold from validation"),
    ]
    if results.has_ap:
        handles.append(
            Line2D([], [], color=COLOURS["ink"], lw=1.1, ls="--", label="best threshold of the set")
        )
    legend(figure, handles)
    return figure


def _axis_values(scores: np.ndarray, column: ScoreColumn) -> np.ndarray:
    """Logits as they are; distances by their logarithm, since the objective spreads them over decades."""
    if column.score == "sl":
        return scores.astype(np.float64)
    return np.log10(np.maximum(scores.astype(np.float64), np.finfo(np.float32).tiny))


def _draw_panel(axes: Any, rows: pd.DataFrame, edges: np.ndarray) -> None:
    for label_, name in ((0, "real"), (1, "fake")):
        values = rows.loc[rows["label"] == label_, "value"].to_numpy()
        if values.size:
            shares = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / values.size
            axes.stairs(shares, edges, fill=True, color=COLOURS[name], alpha=0.45)
            axes.stairs(shares, edges, color=COLOURS[name], linewidth=1)
    axes.set_yticks([])
    axes.set_ylim(bottom=0)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False)

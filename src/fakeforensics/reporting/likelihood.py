"""The quality of likelihood ratios on validation and on each test set: a table and a figure.

A likelihood ratio (LR) says how many times more probable a score is among fakes than among reals.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from fakeforensics.metrics.spec import VALIDATION
from fakeforensics.palette import COLORS
from fakeforensics.reporting.blocks import EMPTY, Block, Cell, Column, Figure, Row, Table, Text
from fakeforensics.reporting.columns import ScoreColumn
from fakeforensics.reporting.figures import add_legend, canvas, column_title
from fakeforensics.reporting.results import ProtocolResults
from fakeforensics.thresholds.pictures import draw_tippett_curve

_NOTES = (
    "Cllr: cost of the likelihood ratios, in bits per image: 0 is perfect, 1 is as good as always giving "
    "LR = 1 (likelihood ratio). Values above 1, in red, are worse than always giving LR = 1.",
    "Cllr_min: the cost after an ideal calibration, fitted on the labels of the same set. It is the cost of "
    "the ranking, and Cllr − Cllr_min is the cost of calibration.",
    "Below a value: its 95% interval, from resampling groups of test images.",
    "Misleading: the share of reals with LR above 1, and of fakes with LR below 1, in percent.",
    "Validation is measured by cross-fitting: no LR is measured on a group of images that it was fitted on.",
)
_COLUMNS = (
    *(Column(title, "Cllr") for title in ("logistic", "isotonic")),
    Column("Cllr_min"),
    *(Column(title, "Misleading, {}") for title in ("reals", "fakes")),
)


def likelihood_blocks(results: ProtocolResults) -> list[Block]:
    """A table per score and Tippett plots, or the reason why there are none; nothing without an analysis."""
    blocks: list[Block] = []
    reasons: dict[str, list[str]] = {}
    for detector, analysis in results.thresholds.items():
        if reason := analysis.get("likelihood_ratio", {}).get("missing"):
            reasons.setdefault(reason, []).append(results.detectors[detector].label)
    blocks += [
        Text(f"There are no likelihood ratios for {', '.join(labels)}: {reason}.", "note")
        for reason, labels in reasons.items()
    ]
    tables = [table for column in results.columns if (table := _table(results, column)) is not None]
    if tables:
        explanation = (
            "The likelihood ratio (LR) says how many times more probable a score is among fakes than among "
            "reals. It is fitted on validation, whose fakes are made by the methods of training, and limited "
            "to the range that the validation images support."
        )
        blocks += [Text(explanation), *tables, *_figure(results)]
    return blocks


def _analysis(results: ProtocolResults, column: ScoreColumn) -> tuple[str, list[dict[str, Any]]]:
    """The kind of likelihood ratio that the policy uses, and the rows of a score, if any."""
    analysis = results.thresholds.get(column.detector, {})
    rows = analysis.get("likelihood_ratio_by_set", ())
    kind = str(analysis.get("likelihood_ratio", {}).get("calibrator", ""))
    return kind, [row for row in rows if row["score"] == column.spec.name]


def _sets(results: ProtocolResults, names: Sequence[str]) -> list[str]:
    """Those of `names` that are validation or test sets, in the report's order."""
    return [name for name in (VALIDATION, *results.ranked, *results.fake_only) if name in names]


def _table(results: ProtocolResults, column: ScoreColumn) -> Table | None:
    kind, found = _analysis(results, column)
    if not found:
        return None
    by_set = {(row["test_set"], row["calibrator"]): row for row in found}
    rows = []
    for name in _sets(results, [row["test_set"] for row in found]):
        logistic, isotonic, chosen = (by_set[name, one] for one in ("logistic", "isotonic", kind))
        cells = [_cost(logistic), _cost(isotonic), Cell(_bits(chosen.get("cllr_min")))]
        cells += [_share(chosen.get(f"misleading_{one}")) for one in ("reals", "fakes")]
        label = "Validation" if name == VALIDATION else results.label(name)
        rows.append(Row(label, tuple(cells), unseen=name in results.protocol.unseen))
    columns = tuple(Column(one.title, one.group.format(kind)) for one in _COLUMNS)
    caption = f"{column.name}: what its likelihood ratios are worth. The policy uses the {kind} one."
    return Table(caption, "Set", columns, tuple(rows), _NOTES)


def _cost(row: dict[str, Any]) -> Cell:
    interval = " … ".join(f"{bound:.2f}" for bound in row.get("cllr_interval", ()))
    return Cell(_bits(row.get("cllr")), interval, alarm=row.get("cllr", 0) > 1)


def _bits(value: float | None) -> str:
    return EMPTY if value is None else f"{value:.3f}"


def _share(value: float | None) -> Cell:
    return Cell(EMPTY if value is None else f"{100 * value:.1f}")


def _figure(results: ProtocolResults) -> list[Figure]:
    """Tippett plots: a row per set, a column per score; nothing without curves."""
    found = {}
    for column in results.columns:
        kind, _ = _analysis(results, column)
        curves = results.tippett(column.detector)
        if curves is not None:
            mine = curves[(curves["score"] == column.spec.name) & (curves["calibrator"] == kind)]
            if not mine.empty:
                found[column] = mine
    if not found:
        return []
    return [
        Figure(
            name="tippett",
            caption="Tippett plots: the share of real and of fake images whose log10 likelihood ratio is at "
            "least x. If the ratio is useful, the curve of the fakes lies to the right of 0 and the curve of "
            "the reals to the left. Steps at the ends are ratios at their bounds.",
            alt="Tippett plots of the likelihood ratios on validation and on each test set",
            draw=partial(_draw, results, found),
        )
    ]


def _draw(results: ProtocolResults, found: dict[ScoreColumn, pd.DataFrame]) -> Canvas:
    names = {str(name) for curves in found.values() for name in curves["test_set"].unique()}
    sets = _sets(results, sorted(names))
    figure, grid = canvas(
        2.5 * len(found) + 1.0, 0.95 * len(sets) + 1.0, len(sets), len(found), sharex="col", sharey=True
    )
    for place, (column, curves) in enumerate(found.items()):
        for axes, name in zip(grid[:, place], sets, strict=True):
            axes.axvline(0, color=COLORS["muted"], linewidth=1, linestyle=":")
            for label, points in curves[curves["test_set"] == name].groupby("label"):
                draw_tippett_curve(axes, points, int(str(label)), "-")
            axes.set_ylim(-0.04, 1.04)
            axes.set_yticks((0, 1))
        grid[0, place].set_title(column_title(column), fontsize=9, loc="left", color=column.color)
        grid[-1, place].set_xlabel("log10 likelihood ratio")
    for axes, name in zip(grid[:, 0], sets, strict=True):
        text = "validation" if name == VALIDATION else results.label(name)
        text += "\nunseen" if name in results.protocol.unseen else ""
        axes.set_ylabel(text, rotation=0, ha="right", va="center", color=COLORS["ink"])
    add_legend(figure, [Line2D([], [], color=COLORS[one], label=one) for one in ("real", "fake")])
    return figure

"""Precision-recall and ROC curves: a panel for each test set, a line for each score of each detector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from fakeforensics.reporting.contents import Figure
from fakeforensics.reporting.drawing import COLORS, canvas, hide, legend, subscript
from fakeforensics.reporting.project import ProtocolResults

_PER_ROW = 4


class _Kind(NamedTuple):
    name: str
    title: str
    x: str
    y: str
    axes: tuple[str, str]


_KINDS = (
    _Kind("pr", "Precision-recall curves", "recall", "precision", ("recall", "precision")),
    _Kind("roc", "ROC curves", "fpr", "tpr", ("reals called fake", "fakes called fake")),
)


def curve_figures(results: ProtocolResults, sets: Sequence[str]) -> list[Figure]:
    """The two pictures of a protocol's curves; none where no curve is at hand.

    Args:
        results: The protocol.
        sets: Its test sets in the order of the table.
    """
    demo = "Demo data. " if results.protocol.is_demo else ""
    figures = []
    for kind in _KINDS:
        shown = [name for name in sets if _any_curve(results, kind, name)]
        if shown:
            figures.append(
                Figure(
                    name=f"{results.name}/{kind.name}",
                    caption=f"{demo}{kind.title} on each test set; the dotted line is chance.",
                    alt=f"{kind.title} of each detector on each test set",
                    draw=partial(_draw, results, kind, shown),
                )
            )
    return figures


def _any_curve(results: ProtocolResults, kind: _Kind, name: str) -> bool:
    return any(results.curve(kind.name, detector, name) is not None for detector in results.metrics)


def _draw(results: ProtocolResults, kind: _Kind, sets: Sequence[str]) -> Canvas:
    columns = 3 if len(sets) in (5, 6, 9) else min(_PER_ROW, len(sets))
    rows = math.ceil(len(sets) / columns)
    figure, grid = canvas(max(4.6, 2.3 * columns), 2.35 * rows + 0.5, rows, columns, sharex=True, sharey=True)
    panels = list(grid.flat)
    for axes, name in zip(panels, sets, strict=False):
        _draw_panel(axes, results, kind, name)
    for axes in panels[len(sets) :]:
        hide(axes)
    figure.supxlabel(kind.axes[0], color=COLORS["muted"], fontsize=8.5)
    figure.supylabel(kind.axes[1], color=COLORS["muted"], fontsize=8.5)
    handles = [Line2D([], [], color=column.color, label=subscript(column.name)) for column in results.columns]
    legend(figure, handles)
    return figure


def _draw_panel(axes: Any, results: ProtocolResults, kind: _Kind, name: str) -> None:
    for column in results.columns:
        curve = results.curve(kind.name, column.detector, name)
        if curve is not None:
            mine = curve[curve["score"] == column.spec.name]
            axes.plot(mine[kind.x], mine[kind.y], color=column.color, linewidth=1.4)
    chance = {"pr": _prevalence(results, name), "roc": (0, 1)}[kind.name]
    if chance is not None:
        axes.plot((0, 1), chance, color=COLORS["muted"], linewidth=1, linestyle=":")
    axes.set_title(
        results.label(name) + (" · unseen" if name in results.protocol.unseen else ""),
        fontsize=8.5,
        color=COLORS["ink"],
        loc="left",
    )
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.03)
    axes.set_aspect("equal")


def _prevalence(results: ProtocolResults, name: str) -> tuple[float, float] | None:
    count = (results.counts or {}).get("test", {}).get(name)
    if not count:
        return None
    share = count["fake"] / (count["real"] + count["fake"])
    return share, share

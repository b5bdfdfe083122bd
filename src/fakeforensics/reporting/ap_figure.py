"""A picture of the table of average precisions: ours with their intervals, the thesis's beside them."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from fakeforensics.reporting.ap_table import row_order
from fakeforensics.reporting.contents import Figure
from fakeforensics.reporting.drawing import COLORS, canvas, legend, subscript
from fakeforensics.reporting.project import ProtocolResults
from fakeforensics.reporting.thesis import ApReference

_FEW = 4  # columns that share a row of least height; more of them make it higher
_STEP = 0.18  # between the dots of neighboring columns, if there are few; a row has the height 1
_INCHES = 0.155  # of a row's height for each column


def ap_figure(results: ProtocolResults, reference: ApReference | None) -> Figure:
    """Average precision per test set as dots on lines, an interval through each, chance as a tick."""
    theirs = {key for row in reference.rows.values() for key in row} if reference else set()
    is_beside = any(column.key in theirs for column in results.columns)
    thesis = " Hollow diamonds are the thesis's figures." if is_beside else ""
    demo = "Demo data. " if results.protocol.is_demo else ""
    return Figure(
        name=f"{results.name}/average-precision",
        caption=f"{demo}Average precision with 95 % intervals; the short bar marks chance.{thesis}",
        alt="Average precision per test set and detector",
        draw=partial(_draw, results, reference),
    )


def _draw(results: ProtocolResults, reference: ApReference | None) -> Canvas:
    sets = row_order(results, reference)
    figure, grid = canvas(8.6, 0.9 + _INCHES * max(len(results.columns), _FEW) * len(sets))
    axes = grid[0, 0]
    for position, name in enumerate(sets):
        _draw_chance(axes, results, name, position)
        for column, offset in zip(results.columns, _offsets(len(results.columns)), strict=True):
            y = position + offset
            ours = results.ap(column, name)
            bounds = results.ap_interval(column, name)
            if bounds is not None:
                axes.plot(bounds, (y, y), color=column.color, linewidth=1.8, alpha=0.45)
            if ours is not None:
                axes.plot(ours, y, "o", color=column.color, markersize=5.5)
            theirs = reference.rows.get(name, {}).get(column.key) if reference else None
            if theirs is not None:
                axes.plot(theirs, y, "D", markersize=5, markerfacecolor="none", markeredgecolor=column.color)
    axes.set_yticks(range(len(sets)), [_tick(results, name) for name in sets])
    axes.tick_params(axis="y", labelsize=9, labelcolor=COLORS["ink"])
    axes.set_ylim(len(sets) - 0.4, -0.6)
    axes.set_xlim(_lowest(results, reference, sets), 102)
    axes.set_xlabel("average precision, %")
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    handles = [
        Line2D([], [], color=column.color, marker="o", label=subscript(column.name))
        for column in results.columns
    ]
    legend(figure, handles)
    return figure


def _offsets(columns: int) -> list[float]:
    """Where the dots of each column lie in a row that reaches from -0.5 to 0.5."""
    step = _STEP * (_FEW - 1) / max(columns - 1, _FEW - 1)
    return [step * (place - (columns - 1) / 2) for place in range(columns)]


def _draw_chance(axes: Any, results: ProtocolResults, name: str, position: int) -> None:
    count = (results.counts or {}).get("test", {}).get(name)
    if count and count["real"] and count["fake"]:
        share = 100 * count["fake"] / (count["real"] + count["fake"])
        axes.plot((share, share), (position - 0.38, position + 0.38), color=COLORS["muted"], linewidth=1)


def _tick(results: ProtocolResults, name: str) -> str:
    return results.label(name) + ("\nunseen" if name in results.protocol.unseen else "")


def _lowest(results: ProtocolResults, reference: ApReference | None, sets: list[str]) -> float:
    """Where the axis begins: a little below all that is drawn, chance included."""
    shown = [50.0]
    for name in sets:
        for column in results.columns:
            bounds = results.ap_interval(column, name) or (results.ap(column, name),)
            theirs = reference.rows.get(name, {}).get(column.key) if reference else None
            shown += [value for value in (bounds[0], theirs) if value is not None]
    return max(10 * math.floor((min(shown) - 2) / 10), 0) - 2

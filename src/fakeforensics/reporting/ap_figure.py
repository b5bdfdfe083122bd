"""A picture of the table of average precisions: ours with their intervals, the thesis's beside them."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from fakeforensics.reporting.ap_table import row_order
from fakeforensics.reporting.columns import COLUMNS
from fakeforensics.reporting.contents import Figure
from fakeforensics.reporting.drawing import COLOURS, canvas, legend, subscript
from fakeforensics.reporting.project import ProtocolResults
from fakeforensics.reporting.thesis import ApReference

_OFFSETS = (-0.27, -0.09, 0.09, 0.27)


def ap_figure(results: ProtocolResults, reference: ApReference | None) -> Figure:
    """Average precision per test set as dots on lines, an interval through each, chance as a tick."""
    thesis = " Hollow diamonds are the thesis's figures." if reference else ""
    demo = "Demo data. " if results.protocol.is_demo else ""
    return Figure(
        name=f"{results.name}/average-precision",
        caption=f"{demo}Average precision with 95 % intervals; the short bar marks chance.{thesis}",
        alt="Average precision per test set and objective",
        draw=partial(_draw, results, reference),
    )


def _draw(results: ProtocolResults, reference: ApReference | None) -> Canvas:
    sets = row_order(results, reference)
    figure, grid = canvas(8.6, 0.9 + 0.62 * len(sets))
    axes = grid[0, 0]
    for position, name in enumerate(sets):
        _draw_chance(axes, results, name, position)
        for column, offset in zip(COLUMNS, _OFFSETS, strict=True):
            y = position + offset
            ours = results.ap(column, name)
            bounds = results.ap_interval(column, name)
            if bounds is not None:
                axes.plot(bounds, (y, y), color=COLOURS[column.key], linewidth=1.8, alpha=0.45)
            if ours is not None:
                axes.plot(ours, y, "o", color=COLOURS[column.key], markersize=5.5)
            theirs = reference.rows.get(name, {}).get(column.key) if reference else None
            if theirs is not None:
                axes.plot(
                    theirs, y, "D", markersize=5, markerfacecolor="none", markeredgecolor=COLOURS[column.key]
                )
    axes.set_yticks(range(len(sets)), [_tick(results, name) for name in sets])
    axes.tick_params(axis="y", labelsize=9, labelcolor=COLOURS["ink"])
    axes.set_ylim(len(sets) - 0.4, -0.6)
    axes.set_xlim(_lowest(results, reference, sets), 102)
    axes.set_xlabel("average precision, %")
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    handles = [
        Line2D([], [], color=COLOURS[column.key], marker="o", label=subscript(column.name))
        for column in COLUMNS
    ]
    legend(figure, handles)
    return figure


def _draw_chance(axes: Any, results: ProtocolResults, name: str, position: int) -> None:
    count = (results.counts or {}).get("test", {}).get(name)
    if count and count["real"] and count["fake"]:
        share = 100 * count["fake"] / (count["real"] + count["fake"])
        axes.plot((share, share), (position - 0.38, position + 0.38), color=COLOURS["muted"], linewidth=1)


def _tick(results: ProtocolResults, name: str) -> str:
    return results.label(name) + ("\nunseen" if name in results.protocol.unseen else "")


def _lowest(results: ProtocolResults, reference: ApReference | None, sets: list[str]) -> float:
    """Where the axis begins: a little below all that is drawn, chance included."""
    shown = [50.0]
    for name in sets:
        for column in COLUMNS:
            bounds = results.ap_interval(column, name) or (results.ap(column, name),)
            theirs = reference.rows.get(name, {}).get(column.key) if reference else None
            shown += [value for value in (bounds[0], theirs) if value is not None]
    return max(10 * math.floor((min(shown) - 2) / 10), 0) - 2

"""A picture of tables 3.1 to 3.6: accuracy as more instances of a generator are seen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from fakeforensics.reporting.columns import ScoreColumn
from fakeforensics.reporting.contents import Figure
from fakeforensics.reporting.drawing import COLORS, canvas, legend, subscript
from fakeforensics.reporting.project import ProtocolResults
from fakeforensics.reporting.thesis import PilotReference

_TEST_SETS = ("series-3", "series-1", "series-2", "fake", "series-0")  # roles whose colors test sets borrow


def pilot_figure(results: ProtocolResults, reference: PilotReference | None) -> list[Figure]:
    """A panel for each score, a line for each test set; none where the number of instances is not varied."""
    shown = [column for column in results.columns if results.accuracies(column)]
    if results.protocol.instances is None or not shown:
        return []
    demo = "Demo data. " if results.protocol.is_demo else ""
    theirs = [column.name for column in shown if reference and column.key == reference.column]
    thesis = f" Dashed lines are the thesis's, whose models are {theirs[0]}'s." if theirs else ""
    return [
        Figure(
            name=f"{results.name}/accuracy",
            caption=f"{demo}Share of fakes recognised, by the number of seen instances.{thesis}",
            alt="Accuracy by number of seen instances",
            draw=partial(_draw, results, shown, reference),
        )
    ]


def _draw(
    results: ProtocolResults, columns: Sequence[ScoreColumn], reference: PilotReference | None
) -> Canvas:
    figure, grid = canvas(2.6 * len(columns) + 0.6, 3.0, 1, len(columns), sharey=True)
    colors = {
        name: COLORS[_TEST_SETS[place % len(_TEST_SETS)]] for place, name in enumerate(results.protocol.test)
    }
    for axes, column in zip(grid[0], columns, strict=True):
        theirs = reference.accuracy if reference and column.key == reference.column else {}
        numbers: set[int] = set()
        for name, values in results.accuracies(column).items():
            ours = sorted((int(number), value) for number, value in values.items())
            axes.plot(*zip(*ours, strict=True), "o-", color=colors[name], markersize=4)
            numbers |= {number for number, _ in ours}
        for name, printed in theirs.items():
            axes.plot(
                *zip(*sorted(printed.items()), strict=True),
                "D--",
                color=colors.get(name, COLORS["thesis"]),
                markersize=3.5,
                markerfacecolor="none",
                linewidth=1,
            )
            numbers |= set(printed)
        axes.set_xticks(sorted(numbers))
        axes.set_ylim(-3, 103)
        axes.set_xlabel("seen instances")
        axes.set_title(subscript(column.name), fontsize=9, loc="left", color=column.color)
    grid[0, 0].set_ylabel("accuracy, %")
    legend(
        figure,
        [
            Line2D([], [], color=color, marker="o", label=results.label(name))
            for name, color in colors.items()
        ],
    )
    return figure

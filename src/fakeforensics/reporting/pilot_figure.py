"""A picture of tables 3.1 to 3.6: accuracy as more instances of a generator are seen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from fakeforensics.reporting.columns import COLUMNS, ScoreColumn
from fakeforensics.reporting.contents import Figure
from fakeforensics.reporting.drawing import COLOURS, canvas, legend, subscript
from fakeforensics.reporting.project import ProtocolResults
from fakeforensics.reporting.thesis import PilotReference

_TEST_SETS = ("joint_cd", "sad", "joint_sl", "fake", "bce")  # roles whose colours test sets borrow


def pilot_figure(results: ProtocolResults, reference: PilotReference | None) -> list[Figure]:
    """A panel for each score, a line for each test set; none where the number of instances is not varied."""
    shown = [column for column in COLUMNS if results.accuracies(column)]
    if results.protocol.instances is None or not shown:
        return []
    demo = "Demo data. " if results.protocol.is_demo else ""
    thesis = " Dashed lines are the thesis's, whose models are BCE's." if reference else ""
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
    colours = {
        name: COLOURS[_TEST_SETS[place % len(_TEST_SETS)]] for place, name in enumerate(results.protocol.test)
    }
    for axes, column in zip(grid[0], columns, strict=True):
        theirs = reference.accuracy if reference and column.key == "bce" else {}
        numbers: set[int] = set()
        for name, values in results.accuracies(column).items():
            ours = sorted((int(number), value) for number, value in values.items())
            axes.plot(*zip(*ours, strict=True), "o-", color=colours[name], markersize=4)
            numbers |= {number for number, _ in ours}
        for name, printed in theirs.items():
            axes.plot(
                *zip(*sorted(printed.items()), strict=True),
                "D--",
                color=colours.get(name, COLOURS["thesis"]),
                markersize=3.5,
                markerfacecolor="none",
                linewidth=1,
            )
            numbers |= set(printed)
        axes.set_xticks(sorted(numbers))
        axes.set_ylim(-3, 103)
        axes.set_xlabel("seen instances")
        axes.set_title(subscript(column.name), fontsize=9, loc="left", color=COLOURS[column.key])
    grid[0, 0].set_ylabel("accuracy, %")
    legend(
        figure,
        [
            Line2D([], [], color=colour, marker="o", label=results.label(name))
            for name, colour in colours.items()
        ],
    )
    return figure

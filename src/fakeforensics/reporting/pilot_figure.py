"""A picture of tables 3.1 to 3.6: accuracy as more instances of a generator are seen."""

from __future__ import annotations

from functools import partial

from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from fakeforensics.reporting.contents import Figure
from fakeforensics.reporting.drawing import COLOURS, canvas, legend
from fakeforensics.reporting.project import ProtocolResults
from fakeforensics.reporting.thesis import PilotReference

_COLOURS = ("joint_cd", "sad", "joint_sl", "fake", "bce")


def pilot_figure(results: ProtocolResults, reference: PilotReference | None) -> list[Figure]:
    """A line for each test set, the thesis's dashed; none where no accuracy was measured."""
    accuracy = results.metrics.get("bce", {}).get("accuracy")
    if results.has_ap or not accuracy:
        return []
    demo = "Demo data. " if results.protocol.is_demo else ""
    thesis = " Dashed lines are the thesis's." if reference else ""
    return [
        Figure(
            name=f"{results.name}/accuracy",
            caption=f"{demo}Share of fakes recognised, by the number of seen instances.{thesis}",
            alt="Accuracy by number of seen instances",
            draw=partial(_draw, results, accuracy, reference),
        )
    ]


def _draw(
    results: ProtocolResults, accuracy: dict[str, dict[str, float]], reference: PilotReference | None
) -> Canvas:
    figure, grid = canvas(6.5, 3.6)
    axes = grid[0, 0]
    handles = []
    numbers: set[int] = set()
    for place, (name, values) in enumerate(accuracy.items()):
        colour = COLOURS[_COLOURS[place % len(_COLOURS)]]
        ours = sorted((int(n), 100 * value) for n, value in values.items())
        axes.plot(*zip(*ours, strict=True), "o-", color=colour, markersize=4.5)
        theirs = sorted(reference.accuracy.get(name, {}).items()) if reference else []
        if theirs:
            axes.plot(
                *zip(*theirs, strict=True), "D--", color=colour, markersize=4, markerfacecolor="none", lw=1
            )
        numbers |= {n for n, _ in ours} | {n for n, _ in theirs}
        handles.append(Line2D([], [], color=colour, marker="o", label=results.label(name)))
    axes.set_xticks(sorted(numbers))
    axes.set_ylim(-3, 103)
    axes.set_xlabel("seen instances")
    axes.set_ylabel("accuracy, %")
    legend(figure, handles)
    return figure

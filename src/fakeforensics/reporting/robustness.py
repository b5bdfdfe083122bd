"""What corruptions cost: mean AP and accuracy over the test sets as a table and a picture."""

from __future__ import annotations

from functools import partial
from typing import Any

from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from fakeforensics.reporting.columns import ScoreColumn, headings
from fakeforensics.reporting.contents import EMPTY, Block, Cell, Figure, Row, Table, Text
from fakeforensics.reporting.drawing import canvas, legend, subscript
from fakeforensics.reporting.project import ProtocolResults

# Measure → corruption → test set, `mean` and `mean_unseen` among them → fraction.
Tried = dict[str, dict[str, dict[str, Any]]]

_MEASURES = {"ap": "average precision", "accuracy": "accuracy at validation's threshold"}
_MEANS = {"mean": "all test sets", "mean_unseen": "the unseen test sets"}
_PAIRED = (
    "Beside or below a value: what is lost against clean images, as a 95 % interval of a paired bootstrap."
)
_UNITS = {
    "jpeg": "JPEG, quality {}",
    "blur": "blur, σ {} px",
    "resize": "resized by {}",
    "noise": "noise, σ {}",
}


def robustness_blocks(results: ProtocolResults) -> list[Block]:
    """A table for each measure and mean, and a picture; nothing where the robustness stage has not run."""
    found = {column: _tried(results, column) for column in results.columns}
    tables = [
        table
        for measure in _MEASURES
        for mean in _MEANS
        if (table := _table(results, found, measure, mean)) is not None
    ]
    if not tables:
        return []
    explanation = (
        "The test images again under compression, blur, resizing and noise; training and validation stay as "
        "they are, and so does the threshold. The single test sets are in `robustness.png` of each detector "
        f"below `plots/{results.name}`."
    )
    return [Text(explanation), *tables, _figure(results, found)]


def _tried(results: ProtocolResults, column: ScoreColumn) -> Tried:
    return {
        measure: {row["corruption"]: row["by_set"] for row in rows if row["score"] == column.spec.name}
        for measure, rows in results.robustness(column.detector).items()
    }


def _table(
    results: ProtocolResults, found: dict[ScoreColumn, Tried], measure: str, mean: str
) -> Table | None:
    corruptions = _corruptions(found, measure)
    rows = tuple(
        Row(
            _name(corruption),
            tuple(_cell(found[column], measure, corruption, mean) for column in results.columns),
        )
        for corruption in corruptions
    )
    if not any(cell.text != EMPTY for row in rows for cell in row.cells):
        return None
    demo = "Demo data: mean" if results.protocol.is_demo else "Mean"
    notes = (_PAIRED,) if measure == "ap" else ()
    return Table(
        caption=f"{demo} {_MEASURES[measure]} over {_MEANS[mean]} in percent, by what is done to the images.",
        stub="Images",
        columns=headings(found),
        rows=rows,
        notes=notes,
    )


def _corruptions(found: dict[ScoreColumn, Tried], measure: str) -> list[str]:
    """All that any model was tried on, in the order of the settings."""
    return list(dict.fromkeys(name for tried in found.values() for name in tried.get(measure, {})))


def _cell(tried: Tried, measure: str, corruption: str, mean: str) -> Cell:
    value = _value(tried, measure, corruption, mean)
    if value is None:
        return Cell(EMPTY)
    lost = tried.get("ap_lost", {}).get(corruption, {}).get(mean)
    if measure != "ap" or lost is None:
        return Cell(f"{value:.1f}")
    return Cell(f"{value:.1f}", f"lost {100 * lost[1]:.1f} … {100 * lost[2]:.1f}")


def _value(tried: Tried, measure: str, corruption: str, mean: str) -> float | None:
    value = tried.get(measure, {}).get(corruption, {}).get(mean)
    return None if value is None else 100 * float(value)


def _name(corruption: str) -> str:
    kind, _, strength = corruption.partition("_")
    return _UNITS[kind].format(strength) if kind in _UNITS else corruption


def _figure(results: ProtocolResults, found: dict[ScoreColumn, Tried]) -> Figure:
    demo = "Demo data. " if results.protocol.is_demo else ""
    hollow = " Hollow: the unseen ones." if results.protocol.unseen else ""
    return Figure(
        name=f"{results.name}/robustness",
        caption=f"{demo}Means over the test sets by what is done to the images.{hollow}",
        alt="Average precision and accuracy under compression, blur, resizing and noise",
        draw=partial(_draw, found),
    )


def _draw(found: dict[ScoreColumn, Tried]) -> Canvas:
    measures = [measure for measure in _MEASURES if _corruptions(found, measure)]
    corruptions = _corruptions(found, "accuracy")
    figure, grid = canvas(4.3 * len(measures), 0.9 + 0.3 * len(corruptions), 1, len(measures), sharey=True)
    shown = [column for column, tried in found.items() if tried]
    for axes, measure in zip(grid[0], measures, strict=True):
        for column in shown:
            for mean, fill in {"mean": column.color, "mean_unseen": "none"}.items():
                values = [_value(found[column], measure, name, mean) for name in corruptions]
                points = [(value, place) for place, value in enumerate(values) if value is not None]
                if points:
                    axes.plot(
                        *zip(*points, strict=True),
                        "o-" if mean == "mean" else "o--",
                        color=column.color,
                        markerfacecolor=fill,
                        markersize=5,
                        linewidth=0.8,
                    )
        axes.set_yticks(range(len(corruptions)), [_name(name) for name in corruptions])
        axes.set_ylim(len(corruptions) - 0.5, -0.5)
        axes.set_xlabel(f"{_MEASURES[measure]}, %")
    legend(
        figure,
        [Line2D([], [], color=one.color, marker="o", label=subscript(one.name)) for one in shown],
    )
    return figure

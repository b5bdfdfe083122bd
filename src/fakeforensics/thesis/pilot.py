"""The report's chapter about the pilot study: tables 3.1 to 3.6, each from several protocols' results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from fakeforensics.palette import COLORS
from fakeforensics.reporting.blocks import (
    Block,
    Chapter,
    Figure,
    Row,
    Section,
    Table,
    Text,
    mark_best,
    percent,
)
from fakeforensics.reporting.columns import ScoreColumn, headings, union
from fakeforensics.reporting.figures import add_legend, canvas, column_title
from fakeforensics.reporting.results import ProtocolResults
from fakeforensics.reporting.tables import cut_notes
from fakeforensics.splits.protocol import Protocol
from fakeforensics.thesis.tables import OWNER, PilotTable, label, pilot_tables

_TEST_SETS = ("series-3", "series-1", "series-2", "fake", "series-0")  # roles whose colors test sets borrow
_LEAD = (
    "Accuracy on test sets of fakes alone, for detectors trained on more and more instances of a generator "
    "(the same architecture, trained from other seeds). The number of fakes in training does not depend on "
    "the number of instances, and the instances in the test sets are never trained on. Below a value: its "
    "95% interval from a bootstrap over groups of images."
)

# Number of seen instances → results of the protocol with that number.
Runs = Mapping[int, ProtocolResults]


def pilot_chapters(everything: Sequence[ProtocolResults]) -> list[Chapter]:
    """The chapter `Pilot study`; none if no protocol of the pilot study is among the results."""
    by_name = {results.name: results for results in everything}
    sections, covered = [], set()
    for table in pilot_tables():
        runs = {n: by_name[name] for n, name in table.protocols.items() if name in by_name}
        if runs:
            sections.append(Section(f"Table {table.number}: trained on {table.train}", _blocks(table, runs)))
            covered |= {results.name for results in runs.values()}
    if not sections:
        return []
    columns = union(by_name[name].columns for name in covered)
    texts = (Text(_LEAD), *(Text(note, "note") for note in cut_notes(columns)))
    return [
        Chapter(
            anchor="pilot-study",
            title="Pilot study: do detectors recognize unseen instances and generators?",
            short="Pilot study",
            sections=(Section("What is measured", texts), *sections),
            tags=("thesis, chapter 3",),
            covers=tuple(sorted(covered)),
        )
    ]


def _blocks(table: PilotTable, runs: Runs) -> list[Block]:
    """A warning about missing results, the table, and its figure."""
    columns = union(results.columns for results in runs.values())
    shown = [column for column in columns if _measured(table, runs, column)]
    absent = [name for n, name in table.protocols.items() if n not in runs or not runs[n].metrics]
    blocks: list[Block] = []
    if absent:
        names = ", ".join(f"`{name}`" for name in absent)
        blocks.append(Text(f"Not in params.yaml, or not run yet: {names}.", "warning"))
    if shown:
        blocks.append(_table(table, runs, shown))
        theirs = [column.name for column in shown if column.key == table.key]
        dashed = f" Dashed lines: the thesis, whose classifier is {theirs[0]}." if theirs else ""
        blocks.append(
            Figure(
                name=f"table-{table.number.replace('.', '-')}",
                caption=f"Percentage of fakes recognized, by the number of seen instances.{dashed}",
                alt="Accuracy by number of seen instances",
                draw=partial(_draw, table, runs, shown),
            )
        )
    return blocks


def _measured(table: PilotTable, runs: Runs, column: ScoreColumn) -> dict[str, dict[int, float]]:
    """Our accuracy in percent, by test set and number of seen instances."""
    found: dict[str, dict[int, float]] = {}
    for name in table.accuracy:
        for n, results in sorted(runs.items()):
            if (value := results.fake_accuracy(column, name)) is not None:
                found.setdefault(name, {})[n] = value
    return found


def _table(table: PilotTable, runs: Runs, columns: Sequence[ScoreColumn]) -> Table:
    """The table: a heading per test set, a row per number of seen instances, a column per score."""
    rows = []
    for name, printed in table.accuracy.items():
        rows.append(Row(f"Tested on {label(name)}"))
        for n in sorted(table.protocols):
            results = runs.get(n)
            cells = [
                percent(
                    results.fake_accuracy(column, name) if results else None,
                    printed.get(n) if column.key == table.key else None,
                    results.fake_accuracy_interval(column, name) if results else None,
                )
                for column in columns
            ]
            rows.append(Row(str(n), mark_best(cells)))
    several = "+" in table.train
    caption = f"Accuracy in percent, next to table {table.number} of the thesis."
    return Table(
        caption=f"{caption} {_numbers_note(runs)}".strip(),
        stub="Seen instances per generator" if several else f"Seen {table.train} instances",
        columns=headings(columns),
        rows=tuple(rows),
        owner=OWNER,
    )


def _numbers_note(runs: Runs) -> str:
    """A sentence about the numbers that the thesis does not state."""
    stated = dict.fromkeys(text for results in runs.values() if (text := _numbers(results.protocol)))
    return f"The thesis states no number or size of images; ours: {'; or '.join(stated)}." if stated else ""


def _numbers(protocol: Protocol) -> str:
    """The numbers of fakes and the size of images that a protocol asks for, in words."""
    asked = protocol.sampling.settings() if protocol.sampling else {}
    numbers = {
        "at most {:,} fakes and as many reals in training": asked.get("fakes"),
        "{:,} in validation": asked.get("val_fakes"),
        "{:,} per test set": next((limit.test for limit in protocol.limits.values() if limit.test), None),
        "crops of {:,} pixels": protocol.params.train.get("crop_size"),
    }
    return ", ".join(text.format(number) for text, number in numbers.items() if number is not None)


def _draw(table: PilotTable, runs: Runs, columns: Sequence[ScoreColumn]) -> Canvas:
    """The figure: a panel per score, a line per test set."""
    figure, grid = canvas(2.6 * len(columns) + 0.6, 3.0, 1, len(columns), sharey=True)
    colors = {name: COLORS[role] for name, role in zip(table.accuracy, _TEST_SETS, strict=False)}
    for axes, column in zip(grid[0], columns, strict=True):
        for name, values in _measured(table, runs, column).items():
            axes.plot(list(values), list(values.values()), "o-", color=colors[name], markersize=4)
        for name, printed in (table.accuracy if column.key == table.key else {}).items():
            axes.plot(
                list(printed),
                list(printed.values()),
                "D--",
                color=colors[name],
                markersize=3.5,
                markerfacecolor="none",
                linewidth=1,
            )
        axes.set_xticks(sorted(table.protocols))
        axes.set_ylim(-3, 103)
        axes.set_xlabel("seen instances")
        axes.set_title(column_title(column), fontsize=9, loc="left", color=column.color)
    grid[0, 0].set_ylabel("accuracy, %")
    handles = [Line2D([], [], color=color, marker="o", label=label(name)) for name, color in colors.items()]
    add_legend(figure, handles)
    return figure

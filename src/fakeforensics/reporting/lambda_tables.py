"""Tables for a grid of lambdas: the lambda that validation picks, and the one that is best by test.

λ (lambda) weighs one loss of a detector against the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from fakeforensics.lambda_grid import JUDGED_BY, at_lambda, in_percent
from fakeforensics.reporting.blocks import Block, Cell, Column, Row, Table, Text, mark_best, percent
from fakeforensics.reporting.columns import ScoreColumn, union
from fakeforensics.reporting.results import ProtocolResults
from fakeforensics.reporting.tables import MEANS, ap_table, fake_only_table, mean, published_mean

_SAME = 1e-6  # figures have six digits
_PICKED, _BEST = "λ picked by validation", "best λ by test: an oracle"
Choice = Mapping[ScoreColumn, float]


def lambda_blocks(results: ProtocolResults) -> list[Block]:
    """The results at the best lambdas, and the results at each lambda; without a grid, how to train one.

    Each score has its own best lambdas. The best by test is chosen by the mean that the publication prints
    for this protocol, else by the mean over the unseen test sets, or over all sets if none is unseen.
    """
    weighted = [column for column in results.columns if column.lambda_ is not None]
    picked, best = _choices(results)
    if picked:
        columns = list(picked)
        return [
            *_warnings(results, columns),
            _best_table(results, picked, best),
            _grid_table(results, columns),
        ]
    return [Text(_no_grid(results, weighted[0]), "note")] if weighted else []


def best_overview(everything: Sequence[ProtocolResults]) -> list[Table]:
    """The mean average precision of each protocol at the best lambdas; nothing if no grid was trained."""
    trained = [(results, *_choices(results)) for results in everything if results.ranked]
    trained = [(results, picked, best) for results, picked, best in trained if picked]
    if not trained:
        return []
    columns = union(results.columns for results, _, _ in trained)
    of_grids = {column.key for _, picked, _ in trained for column in picked}
    weighted = [column for column in columns if column.key in of_grids]
    others = [column for column in columns if column.key not in of_grids]
    rows = []
    for results, picked, best in trained:
        kind = judged_by(results, next(iter(picked)))
        cells = mark_best(
            [_mean_cell(results, column, picked, kind) for column in (*others, *weighted)],
            results.chance(_averaged(results, kind)),
        )
        cells += tuple(_mean_cell(results, column, best, kind) for column in weighted)
        rows.append(Row(results.name, cells, f"Mean over {MEANS[kind]}.", link=results.page))
    owners = {results.reference.owner for results, _, _ in trained if results.reference}
    owner = " or ".join(sorted(owners))
    twice = [
        Column(column.title, f"{column.group or column.title}, {how}")
        for how in (_PICKED, f"{_BEST}{_as_published(*(results for results, _, _ in trained))}")
        for column in weighted
    ]
    headings = (*(Column(column.title, column.group) for column in others), *twice)
    caption = "Mean average precision at the best λ of each protocol's grid, in percent."
    return [Table(caption, "Protocol", headings, tuple(rows), owner=owner)]


def _mean_cell(results: ProtocolResults, column: ScoreColumn, choice: Choice, kind: str) -> Cell:
    """The mean of a score over test sets, at the λ that `choice` holds for it, if any."""
    at = _at(results, choice, "", alone=False)
    sets = _averaged(results, kind)
    cell = percent(mean(at.ap(column, name) for name in sets), published_mean(results, column, kind, sets))
    chosen = next((lambda_ for one, lambda_ in choice.items() if one.key == column.key), None)
    return cell if chosen is None else replace(cell, interval=f"λ = {chosen:g}")


def _averaged(results: ProtocolResults, kind: str) -> list[str]:
    return [name for name in results.ranked if kind == "mean" or name in results.protocol.unseen]


def _as_published(*everything: ProtocolResults) -> str:
    """The publications that choose λ by test, as the end of a heading; empty if none does."""
    owners = {one.reference.owner for one in everything if one.reference and one.reference.lambdas}
    return f", as {' and '.join(sorted(owners))} did" if owners else ""


def _choices(results: ProtocolResults) -> tuple[Choice, Choice]:
    """For each score in the grid, the λ that validation picks; and for each, the best λ by test."""
    columns = [column for column in results.columns if column.lambda_ is not None and _found(results, column)]
    picked = {column: float(_found(results, column)["picked"]) for column in columns}
    best = {
        column: float(_found(results, column)["best_by_test"][judged_by(results, column)])
        for column in columns
    }
    return picked, best


def judged_by(results: ProtocolResults, column: ScoreColumn) -> str:
    """The mean by which the best λ by test is chosen, `mean` or `mean_unseen`."""
    known = _found(results, column)["best_by_test"]
    printed = results.reference.ap.means if results.reference and results.reference.ap else {}
    return next(str(name) for name in (*printed, *JUDGED_BY) if name in known)


def _found(results: ProtocolResults, column: ScoreColumn) -> dict[str, Any]:
    """The grid's entry about a score; empty if it has none."""
    detectors = (results.grid or {}).get("detectors", {})
    found: dict[str, Any] = detectors.get(column.detector, {}).get(column.spec.name, {})
    return found


def _no_grid(results: ProtocolResults, column: ScoreColumn) -> str:
    text = f"All figures are for λ = {column.lambda_:g}."
    if results.reference and (grid := results.reference.lambdas):
        values, owner = ", ".join(f"{one:g}" for one in grid), results.reference.owner
        text += f" {owner[0].upper()}{owner[1:]} reports the best of {values} on the test sets."
    return (
        f"{text} `make lambda-grid PROTOCOL={results.name}` trains a grid; the report then shows the λ that "
        "validation picks and the best by test."
    )


def _warnings(results: ProtocolResults, columns: Sequence[ScoreColumn]) -> list[Block]:
    """A warning if the grid's run with the settings of this report has other figures than the report."""
    stale = [column.name for column in columns if _is_stale(results, column)]
    if not stale:
        return []
    text = (
        f"The grid and this report have different figures for the same settings, at "
        f"λ = {columns[0].lambda_:g} ({', '.join(stale)}): the grid was trained with other settings, data or "
        f"code, or on another machine. Run `make lambda-grid PROTOCOL={results.name}` again."
    )
    return [Text(text, "warning")]


def _is_stale(results: ProtocolResults, column: ScoreColumn) -> bool:
    found = _found(results, column)
    seed = results.cards[column.detector].get("settings", {}).get("seed")
    same = [run for run in found["runs"] if (run["lambda"], run["seed"]) == (column.lambda_, seed)]
    return any(
        _differ(results.value(found["measure"], column, name), run["test"].get(name))
        for run in same
        for name in results.protocol.test
    )


def _differ(ours: float | None, grid: float | None) -> bool:
    if ours is None or grid is None:
        return ours is not grid
    return abs(ours - grid) > _SAME


def _best_table(results: ProtocolResults, picked: Choice, best: Choice) -> Table:
    """The table of results with two columns for each score of the grid: at validation's and at the best λ."""
    build = ap_table if any(_found(results, one)["measure"] == "ap" for one in best) else fake_only_table
    owner = results.reference.owner if results.reference and results.reference.lambdas else ""
    (left,) = build(_at(results, picked, _PICKED, alone=False))
    (right,) = build(_at(results, best, f"{_BEST}{_as_published(results)}", alone=True))
    rows = tuple(
        # An oracle does not compete for the best value of a row.
        replace(row, cells=row.cells + tuple(replace(cell, best=False) for cell in oracle.cells))
        for row, oracle in zip(left.rows, right.rows, strict=True)
    )
    means = " or ".join(dict.fromkeys(MEANS[judged_by(results, column)] for column in best))
    grid = results.grid or {}
    values = ", ".join(f"{one:g}" for one in grid["lambdas"])
    notes = [
        f"Each score has its own λ, one of {values}. Picked by validation: highest average precision on "
        "validation images, whose fakes are made by the training methods only.",
        f"Best by test: highest mean over {means}. This choice needs their labels, so it cannot be made in "
        f"use: it is an upper bound{f', and what {owner} prints' if owner else ''}.",
    ]
    if len(grid["seeds"]) > 1:
        notes.append("Values at a λ of the grid are means over seeds; the table below has their spread.")
    caption = f"At the best λ: {left.caption[0].lower()}{left.caption[1:]}"
    return replace(left, caption=caption, columns=left.columns + right.columns, rows=rows, notes=tuple(notes))


def _at(results: ProtocolResults, choice: Choice, how: str, *, alone: bool) -> ProtocolResults:
    """The results with the grid's figures, where each score has its own λ.

    Args:
        results: The protocol's results.
        choice: The λ of each score.
        how: How λ was chosen, for the heading.
        alone: Whether to leave out the columns of other scores.
    """
    metrics = {name: dict(found) for name, found in results.metrics.items()}
    for column, lambda_ in choice.items():
        found = _found(results, column)
        test = at_lambda(found["runs"], lambda_, "test")
        mine = metrics[column.detector]
        # Other metrics stay: they are about the λ of params.yaml. Intervals are removed below.
        mine[found["measure"]] = mine.get(found["measure"], {}) | {
            column.spec.name: {name: fmean(values) for name, values in test.items()}
        }
    columns = tuple(
        column._replace(
            title=f"{column.title}, λ = {choice[column]:g}",
            group=f"{column.group or column.title}, {how}",
            lambda_=None,
        )
        if column in choice
        else column
        for column in results.columns
        if column in choice or not alone
    )
    changed = {column.detector for column in choice}
    details = {name: found for name, found in results.details.items() if name not in changed}
    return replace(results, columns=columns, metrics=metrics, details=details)


def _grid_table(results: ProtocolResults, columns: Sequence[ScoreColumn]) -> Table:
    """A row per λ, and two columns per score: its values on validation and on the test sets."""
    grid = results.grid or {}
    rows = tuple(
        Row(
            f"{lambda_:g}",
            tuple(cell for column in columns for cell in _grid_cells(results, column, lambda_)),
        )
        for lambda_ in grid["lambdas"]
    )
    headings = tuple(
        Column(title, column.name)
        for column in columns
        for title in (
            "Validation",
            "Test, unseen" if judged_by(results, column) == "mean_unseen" else "Test, all",
        )
    )
    kinds = {_found(results, column)["measure"] == "ap" for column in columns}
    test = "mean average precision" if kinds == {True} else "mean accuracy on sets of fakes alone"
    seeds = ", ".join(map(str, grid["seeds"]))
    notes = [f"Seeds: {seeds}{'; mean and standard deviation' if len(grid['seeds']) > 1 else ''}."]
    notes += [f"Trained on: {'; '.join(grid['trained_on'])}."]
    caption = f"Results by λ, in percent: average precision on validation, and {test} of the test sets."
    return Table(caption, "λ", headings, rows, tuple(notes))


def _grid_cells(results: ProtocolResults, column: ScoreColumn, lambda_: float) -> list[Cell]:
    found, kind = _found(results, column), judged_by(results, column)
    validation, test = (at_lambda(found["runs"], lambda_, images) for images in ("validation", "test"))
    picked, best = lambda_ == found["picked"], lambda_ == found["best_by_test"][kind]
    return [
        Cell(in_percent(validation["ap"]), "picked" if picked else "", best=picked),
        Cell(in_percent(test[kind]), "best: oracle" if best else ""),
    ]

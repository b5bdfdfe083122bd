"""The index: every protocol at a glance, and the pages of studies over several protocols."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakeforensics.files import write_text
from fakeforensics.models.card import REFERENCE, seen
from fakeforensics.params import Params
from fakeforensics.reporting.blocks import (
    EMPTY,
    Block,
    Cell,
    Chapter,
    Column,
    Facts,
    Report,
    Row,
    Section,
    Table,
    Text,
    mark_best,
    percent,
)
from fakeforensics.reporting.brief import Brief
from fakeforensics.reporting.columns import ScoreColumn, headings, union
from fakeforensics.reporting.lambda_tables import best_overview
from fakeforensics.reporting.page import PAGE, render, write_page
from fakeforensics.reporting.protocol_page import left_out, missing_files
from fakeforensics.reporting.provenance import leak_table
from fakeforensics.reporting.results import ProtocolResults
from fakeforensics.reporting.tables import mean, published_mean

VIEWS = "views"
_LEAD = "How well detectors trained on a few forgery methods recognize methods that they have never seen."
_IN_FULL = 3  # the most protocols whose answers the index repeats


@dataclass(frozen=True)
class Entry:
    """A protocol in the index: its brief, and the results that the brief holds."""

    brief: Brief
    results: ProtocolResults


def index_page(
    entries: Sequence[Entry], params: Params, views: Sequence[Chapter] = (), absent: Sequence[str] = ()
) -> Report:
    """The index of all protocols.

    Args:
        entries: The protocols that have a page, in the order of params.yaml.
        params: The project's settings.
        views: Chapters that combine several protocols; each has a page.
        absent: Names of protocols in params.yaml that have no page yet.
    """
    everything = [entry.results for entry in entries]
    covered = {name for view in views for name in view.covers}
    columns = union(results.columns for results in everything)
    incomplete: list[Block] = [
        *([Text(_absent(absent), "warning")] if absent else []),
        *(note for results in everything for note in missing_files(results)),
        *(note for results in everything for note in left_out(results)),
    ]
    sections = [
        *_in_full(entries),
        Section("Protocols", _protocol_table(entries)),
        Section("Studies over several protocols", _view_table(views)),
        Section("Detectors on unseen methods", _precision_table(everything, columns)),
        Section("Best λ", best_overview(everything)),
        Section("Test sets of fakes alone", _fakes_table(everything, columns, covered)),
        Section("Not complete", incomplete, folded=len(incomplete) > _IN_FULL),
        Section("Detectors", _detectors_table(everything), folded=len(entries) > 1),
        Section("What training shares with the test videos", leak_table(everything), folded=True),
    ]
    demos = ", ".join(f"`{results.name}`" for results in everything if results.protocol.demo)
    banner = f"Demo data, which says nothing about real forgeries: {demos}." if demos else ""
    citations = dict.fromkeys(results.reference.citation for results in everything if results.reference)
    chapter = Chapter("overview", "At a glance", "Overview", tuple(sections), banner=banner)
    return Report(params.report.title, " ".join([_LEAD, *citations]), (chapter,), is_sortable=True)


def view_page(view: Chapter) -> Report:
    """The page of a study over several protocols."""
    covered = ", ".join(f"`{name}`" for name in view.covers)
    return Report(
        view.title, f"From the protocols {covered}.", (view,), home=f"../../{PAGE}", is_sortable=True
    )


def write_index(report: Report, views: Sequence[Chapter], folder: Path) -> Path:
    """Write `index.html` and the pages in `views/`; files that would not change are left as they are.

    Args:
        report: The index.
        views: The chapters with a page in `views/`; all other folders there are removed.
        folder: Folder of the report, which also holds the protocols' pages.

    Returns:
        The path of the index.
    """
    studies = folder / VIEWS
    studies.mkdir(parents=True, exist_ok=True)
    for old in studies.iterdir():
        if old.name not in {view.anchor for view in views}:
            shutil.rmtree(old)
    for view in views:
        write_page(view_page(view), studies / view.anchor)
    html, path = render(report), folder / PAGE
    if not path.is_file() or path.read_text(encoding="utf-8") != html:
        write_text(path, html)
    return path


def _absent(names: Sequence[str]) -> str:
    listed = ", ".join(f"`{name}`" for name in names)
    return f"No page yet: {listed}. `dvc repro` makes the pages of all protocols in params.yaml."


def _in_full(entries: Sequence[Entry]) -> list[Section]:
    """The answers of each protocol, if there are few protocols."""
    if len(entries) > _IN_FULL:
        return []
    return [
        Section(
            "In short" if len(entries) == 1 else f"In short: {entry.brief.name}",
            [Facts(entry.brief.facts), *(Text(warning, "warning") for warning in entry.brief.warnings)],
        )
        for entry in entries
        if entry.brief.facts
    ]


def _protocol_table(entries: Sequence[Entry]) -> list[Block]:
    """The recommendation of each protocol and how well it does."""
    rows = tuple(_protocol_row(entry) for entry in entries)
    columns = (
        Column("Use", numeric=False),
        Column("AP, unseen"),
        Column("Chance"),
        Column("AP, seen"),
        Column("Threshold"),
        Column("Reals called fake, worst set"),
    )
    notes = (
        "Use: the detector with the highest average precision on validation. AP: its mean average precision "
        "over the unseen and over the seen test sets, in percent, with the 95% interval. Chance: the AP of "
        "a random guess on the unseen sets. Threshold: chosen on validation. The last column is the largest "
        "share of a test set's reals that the threshold calls fake, in percent, and that set.",
        "In doubt: training or validation gives reasons to doubt the detector; its page states them. File "
        "format tells: in at least one set, the coding of the files alone separates real from fake.",
    )
    return [
        Table("Every protocol, with the detector and threshold to use.", "Protocol", columns, rows, notes)
    ]


def _protocol_row(entry: Entry) -> Row:
    results, chosen = entry.results, entry.brief.chosen
    unseen = [name for name in results.ranked if name in results.protocol.unseen]
    seen_sets = [name for name in results.ranked if name not in unseen]
    marks = ["in doubt"] if chosen is not None and chosen.is_doubted else []
    marks += ["file format tells"] if results.telling else []
    column = next(
        (one for one in results.columns if chosen and one.key == (chosen.detector, chosen.score)), None
    )
    if column is None or chosen is None:
        cells = (Cell(EMPTY),) * 6
    else:
        chance = results.chance(unseen)
        worst = chosen.worst_fpr
        cells = (
            Cell(column.name),
            _mean_cell(results, column, unseen, "mean_unseen"),
            Cell(EMPTY if chance is None else f"{chance:.1f}"),
            _mean_cell(results, column, seen_sets, "" if unseen else "mean"),
            Cell(chosen.threshold or EMPTY, chosen.sigmoid),
            Cell(EMPTY) if worst is None else Cell(f"{100 * worst[0]:.1f}", results.label(worst[1])),
        )
    return Row(results.name, cells, f"{results.protocol.title}.", link=results.page, mark=", ".join(marks))


def _mean_cell(results: ProtocolResults, column: ScoreColumn, sets: Sequence[str], kind: str) -> Cell:
    """A mean over test sets, with its interval if it is stored: of the mean, or of the only set."""
    interval = results.ap_interval(column, kind if len(sets) > 1 else sets[0]) if sets else None
    return percent(mean(results.ap(column, name) for name in sets), interval=interval)


def _view_table(views: Sequence[Chapter]) -> list[Block]:
    rows = tuple(
        Row(view.short, (Cell(str(len(view.covers))),), f"{view.title}", link=f"{VIEWS}/{view.anchor}/{PAGE}")
        for view in views
    )
    caption = "Pages that combine several protocols."
    return [Table(caption, "Study", (Column("Protocols"),), rows)] if rows else []


def _precision_table(everything: Sequence[ProtocolResults], columns: Sequence[ScoreColumn]) -> list[Block]:
    ranked = tuple(_precision_row(results, columns) for results in everything if results.ranked)
    if not ranked:
        return []
    caption = "Mean average precision over each protocol's unseen test sets, in percent."
    owners = {results.reference.owner for results in everything if results.reference}
    note = "Bold: the highest value, unless its interval reaches down to chance."
    return [Table(caption, "Protocol", headings(columns), ranked, (note,), owner=" or ".join(sorted(owners)))]


def _precision_row(results: ProtocolResults, columns: Sequence[ScoreColumn]) -> Row:
    sets = results.ranked
    unseen = [name for name in sets if name in results.protocol.unseen]
    kind, averaged = ("mean_unseen", unseen) if 0 < len(unseen) < len(sets) else ("mean", sets)
    complete = set(sets) <= set(results.protocol.test)
    cells = [
        percent(
            mean(results.ap(column, name) for name in averaged),
            published_mean(results, column, kind, averaged),
            results.ap_interval(column, kind) if complete else None,
        )
        for column in columns
    ]
    size = (
        f"{len(unseen)} of {len(sets)} test sets are unseen"
        if unseen
        else f"{len(sets)} test sets, none unseen"
    )
    chance = results.chance(averaged)
    guess = "" if chance is None else f"; chance {chance:.1f}"
    return Row(
        results.name,
        mark_best(cells, chance),
        f"{size}{guess}.",
        link=results.page,
        mark="file format tells" if set(averaged) & set(results.telling) else "",
    )


def _fakes_table(
    everything: Sequence[ProtocolResults], columns: Sequence[ScoreColumn], covered: set[str]
) -> list[Block]:
    """A row per set of fakes alone. There is no average, because such sets differ too much."""
    rows = tuple(
        Row(
            f"{results.name}: {results.label(name)}",
            mark_best([percent(results.fake_accuracy(column, name)) for column in columns]),
            f"{results.protocol.title}.",
            link=results.page,
        )
        for results in everything
        if results.name not in covered
        for name in results.fake_only
    )
    caption = "Accuracy on test sets of fakes alone, in percent."
    return [Table(caption, "Protocol", headings(columns), rows)] if rows else []


def _detectors_table(everything: Sequence[ProtocolResults]) -> list[Block]:
    """The scores of each detector, its training data, and the numbers of training images."""
    known: dict[str, list[ProtocolResults]] = {}
    for results in everything:
        for name in results.detectors:
            known.setdefault(name, []).append(results)
    rows = []
    for name, where in known.items():
        card = where[-1].detectors[name]
        cells = (
            Cell("; ".join(f"{score.label}: {score.title}" for score in card.scores)),
            Cell("; ".join(dict.fromkeys(seen(results.cards[name]) for results in where))),
            Cell(_range([_training_images(results.cards[name]) for results in where])),
        )
        rows.append(Row(card.label, cells, card.title))
    titles = ("Scores", "Trained on", "Training images")
    columns = tuple(Column(title, numeric=False) for title in titles)
    return [Table("The detectors and their training data.", "Detector", columns, tuple(rows))]


def _range(found: Sequence[str]) -> str:
    """All different values, or their number if there are many."""
    different = list(dict.fromkeys(found))
    return "; ".join(different) if len(different) <= _IN_FULL else f"{len(different)} different sets"


def _training_images(card: dict[str, Any]) -> str:
    """The numbers of training images by kind, such as `260 real, 130 fake`."""
    kinds: dict[str, int] = {}
    for methods in card.get("counts", {}).get("train", {}).values():
        for method, count in methods.items():
            kind = method if method in ("real", REFERENCE) else "fake"
            kinds[kind] = kinds.get(kind, 0) + count
    return ", ".join(f"{count:,} {kind}" for kind, count in kinds.items()) or EMPTY

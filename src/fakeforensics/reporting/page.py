"""Puts the report together and writes it: one HTML file that needs nothing else, and its figures."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.figure import Figure as Canvas

from fakeforensics.files import atomic_directory
from fakeforensics.models.card import REFERENCE, seen
from fakeforensics.palette import COLORS
from fakeforensics.params import Params, ThresholdsParams
from fakeforensics.reporting.blocks import (
    EMPTY,
    SUBSCRIPT,
    Block,
    Cell,
    Chapter,
    Column,
    Figure,
    Report,
    Row,
    Section,
    Table,
    Text,
    mark_best,
    percent,
)
from fakeforensics.reporting.figures import STYLE, ap_figure, curve_figures, robustness_figure, score_figure
from fakeforensics.reporting.gallery import contact_sheet, worst_gallery
from fakeforensics.reporting.lambda_tables import best_overview, lambda_blocks
from fakeforensics.reporting.likelihood import likelihood_blocks
from fakeforensics.reporting.provenance import audit_blocks, count_blocks, leak_table, settings_table
from fakeforensics.reporting.results import ProtocolResults, ScoreColumn, headings, union
from fakeforensics.reporting.seed_tables import seed_blocks
from fakeforensics.reporting.tables import (
    ap_table,
    fake_only_table,
    mean,
    metric_table,
    published_mean,
    robustness_blocks,
    video_table,
)
from fakeforensics.reporting.threshold_tables import rule_blocks, threshold_blocks, verdict_blocks

PAGE, FIGURES = "report.html", "figures"
_LEAD = "How well detectors trained on a few forgery methods recognize methods that they have never seen."
_DEMO = (
    "Demo data: one portrait warped into artificial identities and forged by small generators. The results "
    "show that the pipeline works; they say nothing about real forgeries."
)
_DEEPEST = 10.0  # percentage points at which a difference has its full color
_PALEST, _FULL = 8, 55  # percent of color


def build_report(
    everything: Sequence[ProtocolResults], params: Params, views: Sequence[Chapter] = ()
) -> Report:
    """The report on all protocols.

    Args:
        everything: From `read_project`.
        params: The project's settings.
        views: Chapters that bring several protocols together. They follow the overview.
    """
    covered = {name for view in views for name in view.covers}
    chapters = [_chapter(results, params.thresholds, results.name not in covered) for results in everything]
    illustrated = [
        replace(view, sections=(*view.sections, Section("Samples", contact_sheet(mine))))
        for view in views
        for mine in ([results for results in everything if results.name in view.covers],)
    ]
    return Report(
        title=params.report.title,
        lead=_lead(everything, params.detectors),
        chapters=(_overview(everything, views), *illustrated, *chapters),
    )


def _lead(everything: Sequence[ProtocolResults], names: Sequence[str]) -> str:
    """What the report is about: each detector with its scores."""
    known = {name: card for results in everything for name, card in results.detectors.items()}
    cards = [known[name] for name in names if name in known]
    detectors = []
    for card in cards:
        scores = " or ".join(f"{score.label} ({score.title})" for score in card.scores)
        detectors.append(f"{card.label}: {card.title}, scored by {scores}.")
    citations = dict.fromkeys(results.reference.citation for results in everything if results.reference)
    return " ".join([_LEAD, *detectors, *citations])


def _detectors_table(everything: Sequence[ProtocolResults]) -> list[Block]:
    """What each detector is, what it was trained on, and how many images that were."""
    known: dict[str, list[ProtocolResults]] = {}
    for results in everything:
        for name in results.detectors:
            known.setdefault(name, []).append(results)
    rows = [
        Row(
            where[-1].detectors[name].label,
            (
                Cell("; ".join(dict.fromkeys(seen(results.cards[name]) for results in where))),
                Cell("; ".join(dict.fromkeys(_training_images(results.cards[name]) for results in where))),
            ),
            where[-1].detectors[name].title,
        )
        for name, where in known.items()
    ]
    columns = (Column("Trained on", numeric=False), Column("Training images", numeric=False))
    return [Table("The detectors, and what each of them saw.", "Detector", columns, tuple(rows))]


def _training_images(card: dict[str, Any]) -> str:
    """Training images by kind, such as `260 real, 130 fake`."""
    kinds: dict[str, int] = {}
    for methods in card.get("counts", {}).get("train", {}).values():
        for method, count in methods.items():
            kind = method if method in ("real", REFERENCE) else "fake"
            kinds[kind] = kinds.get(kind, 0) + count
    return ", ".join(f"{count:,} {kind}" for kind, count in kinds.items()) or EMPTY


def _chapter(results: ProtocolResults, chosen: ThresholdsParams, has_samples: bool) -> Chapter:
    criterion = chosen.criterion
    precision: list[Block] = [*ap_table(results), *ap_figure(results), *video_table(results)]
    alone: list[Block] = [*fake_only_table(results)]
    thresholds = [*threshold_blocks(results, criterion), *rule_blocks(results)]
    sections = (
        Section("Detectors left out", _left_out(results)),
        Section("Average precision", precision),
        Section("Test sets of fakes alone", alone),
        Section("Machine and seeds", seed_blocks(results)),
        Section("Choice of λ", lambda_blocks(results)),
        Section("Other metrics", metric_table(results), folded=True),
        Section("Curves", curve_figures(results)),
        Section("Scores and thresholds", [*score_figure(results, criterion), *thresholds]),
        Section("Likelihood ratios", likelihood_blocks(results)),
        Section("Inconclusive verdicts", verdict_blocks(results, chosen.inconclusive)),
        Section("Worst errors", worst_gallery(results, criterion)),
        Section("Robustness", [*robustness_blocks(results), *robustness_figure(results)]),
        Section("Class counts", count_blocks(results)),
        Section("Samples", contact_sheet([results]) if has_samples else []),
        Section("Audit of the images", audit_blocks(results)),
        Section("Settings and versions", settings_table(results), folded=True),
    )
    return Chapter(
        anchor=results.name,
        title=results.protocol.title,
        short=results.name,
        sections=sections,
        tags=(results.reference.tag,) if results.reference else (),
        banner=_DEMO if results.protocol.demo else "",
    )


def _overview(everything: Sequence[ProtocolResults], views: Sequence[Chapter]) -> Chapter:
    """Every protocol at a glance, apart from those that a view brings together, and what is missing."""
    covered = {name for view in views for name in view.covers}
    columns = union(results.columns for results in everything)
    ranked = [_overview_row(results, columns) for results in everything if results.ranked]
    fakes = [
        row
        for results in everything
        if results.name not in covered
        for row in _fake_only_rows(results, columns)
    ]
    blocks: list[Block] = []
    if ranked:
        caption = "Mean average precision over each protocol's unseen test sets, in percent."
        owners = {results.reference.owner for results in everything if results.reference}
        blocks.append(
            Table(caption, "Protocol", headings(columns), tuple(ranked), owner=" or ".join(sorted(owners)))
        )
    blocks += best_overview(everything)
    if fakes:
        caption = "Accuracy on test sets of fakes alone, in percent."
        blocks.append(Table(caption, "Protocol", headings(columns), tuple(fakes)))
    blocks += [
        Text(f'The chapter "{view.short}" brings together {len(view.covers)} protocols.', "note")
        for view in views
    ]
    blocks += [
        Text(
            f"{results.name}: these files were missing when this report was made, and what they hold is left "
            f"out: {', '.join(f'`{name}`' for name in results.missing)}. Run `dvc repro` to make them.",
            "warning",
        )
        for results in everything
        if results.missing
    ]
    blocks += [note for results in everything for note in _left_out(results)]
    section = Section("Unseen test sets" if ranked else "Protocols", blocks)
    leaks = Section("What training shares with the test videos", leak_table(everything))
    demos = ", ".join(f"`{results.name}`" for results in everything if results.protocol.demo)
    banner = f"Demo data, which says nothing about real forgeries: {demos}." if demos else ""
    detectors = Section("Detectors", _detectors_table(everything))
    return Chapter("overview", "At a glance", "Overview", (section, detectors, leaks), banner=banner)


def _left_out(results: ProtocolResults) -> list[Text]:
    return [
        Text(f"`{results.name}` does not run the detector `{detector}`: {reason}", "note")
        for detector, reason in results.left_out.items()
    ]


def _overview_row(results: ProtocolResults, columns: Sequence[ScoreColumn]) -> Row:
    sets = results.ranked
    unseen = [name for name in sets if name in results.protocol.unseen]
    kind, averaged = ("mean_unseen", unseen) if 0 < len(unseen) < len(sets) else ("mean", sets)
    cells = [
        percent(
            mean(results.ap(column, name) for name in averaged),
            published_mean(results, column, kind, averaged),
        )
        for column in columns
    ]
    size = (
        f"{len(unseen)} of {len(sets)} test sets are unseen"
        if unseen
        else f"{len(sets)} test sets, none unseen"
    )
    return Row(results.name, mark_best(cells), f"{results.protocol.title}. {size}.", link=results.name)


def _fake_only_rows(results: ProtocolResults, columns: Sequence[ScoreColumn]) -> list[Row]:
    """A row per set of fakes alone: they are not averaged, as they differ too much."""
    return [
        Row(
            f"{results.name}: {results.label(name)}",
            mark_best([percent(results.fake_accuracy(column, name)) for column in columns]),
            f"{results.protocol.title}.",
            link=results.name,
        )
        for name in results.fake_only
    ]


def write_report(report: Report, folder: Path) -> Path:
    """Write `report.html` and `figures/` into a folder, replacing what it held; returns the page's path."""
    with atomic_directory(folder) as temporary:
        for chapter in report.chapters:
            for section in chapter.sections:
                for block in section.blocks:
                    if isinstance(block, Figure):
                        _save_png(block.canvas, temporary / FIGURES / f"{block.name}.png")
        (temporary / PAGE).write_text(render(report), encoding="utf-8")
    return folder / PAGE


def render(report: Report) -> str:
    """The report as an HTML page without links to the outside: no network, no script, no font."""
    environment = Environment(
        loader=PackageLoader("fakeforensics.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "inline": inline,
        "pill": pill,
        "svg": _inline_svg,
        "data_uri": _data_uri,
        "column_groups": column_groups,
        "kind": lambda block: type(block).__name__,
    }
    css = files("fakeforensics.reporting").joinpath("templates/report.css").read_text(encoding="utf-8")
    page = environment.get_template("report.html.j2").render(
        report=report,
        colors=COLORS,
        css=Markup(css),  # noqa: S704
    )
    return page.lstrip()


def inline(text: str) -> Markup:
    """Escape text; what is in backticks becomes code, and elsewhere `S_XY` gets its subscript."""
    parts = re.split(r"`([^`]+)`", str(escape(text)))  # every second one was in backticks
    html = "".join(
        f"<code>{part}</code>" if place % 2 else SUBSCRIPT.sub(r"\1<sub>\2</sub>", part)
        for place, part in enumerate(parts)
    )
    return Markup(html)  # noqa: S704 (escaped above)


def pill(difference: float) -> Markup:
    """A difference in percentage points, the more colored the larger; a real minus sign aligns columns."""
    weight = _PALEST + (_FULL - _PALEST) * min(abs(difference) / _DEEPEST, 1)
    shown = f"{abs(difference):.2f}"
    sign, tone = ("+", "better") if difference > 0 else ("−", "worse")
    if float(shown) == 0:
        sign, tone = "±", "same"
    html = Markup('<span class="difference {}" style="--weight: {:.0f}%">{}</span>')
    return html.format(tone, weight, sign + shown)


def column_groups(table: Table) -> list[tuple[str, int]]:
    """The headings above the headings, each with the number of columns that it spans."""
    return [
        (group, len(list(columns)))
        for group, columns in groupby(table.columns, key=lambda column: column.group)
    ]


def _data_uri(picture: bytes) -> str:
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64," + base64.b64encode(picture).decode()


def _save_png(figure: Canvas, path: Path) -> None:
    """Write a picture as PNG, without the version that matplotlib puts in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context(STYLE):
        figure.savefig(path, dpi=150, metadata={"Software": None})


def _inline_svg(figure: Figure) -> Markup:
    svg = to_svg(figure.canvas, prefix=re.sub(r"\W+", "-", figure.name))
    width = 6.6 * figure.canvas.get_figwidth()  # rem: a picture's text is then as large as a note's
    start = Markup('<svg role="img" aria-label="{}" style="--natural: {:.1f}rem" ').format(figure.alt, width)
    return start + Markup(svg.removeprefix("<svg "))  # noqa: S704 (matplotlib escapes what it draws)


def to_svg(figure: Canvas, prefix: str) -> str:
    """A picture as an SVG element whose colors are CSS variables, so that it follows a light or dark theme.

    The prefix is put in front of each id, so that one page can hold several pictures.
    """
    buffer = io.StringIO()
    with rc_context(STYLE):
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    for role, color in COLORS.items():
        svg = svg.replace(color, f"var(--{role})")
    svg = svg.replace("'DejaVu Sans'", "var(--sans)")
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\1{prefix}-", svg)
    # Inside a page the namespaces are known, and no address is left in it.
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href", "href")
    return re.sub(r'<svg ([^>]*?)width="[^"]*"([^>]*?)height="[^"]*"', r"<svg \1\2", svg, count=1)

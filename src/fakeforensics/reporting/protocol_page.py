"""The page of one protocol."""

from __future__ import annotations

from dataclasses import replace

from fakeforensics.params import ThresholdsParams
from fakeforensics.reporting.blocks import Block, Chapter, Report, Section, Table, Text
from fakeforensics.reporting.figures import ap_figure, curve_figures, robustness_figure, score_figure
from fakeforensics.reporting.gallery import contact_sheet, worst_gallery
from fakeforensics.reporting.lambda_tables import lambda_blocks
from fakeforensics.reporting.likelihood import likelihood_blocks
from fakeforensics.reporting.page import PAGE
from fakeforensics.reporting.provenance import audit_blocks, count_blocks, settings_table
from fakeforensics.reporting.results import ProtocolResults
from fakeforensics.reporting.seed_tables import seed_blocks
from fakeforensics.reporting.summary import pick, rate_table, short_blocks
from fakeforensics.reporting.tables import (
    ap_table,
    fake_only_table,
    metric_table,
    robustness_blocks,
    video_table,
)
from fakeforensics.reporting.threshold_tables import rule_blocks, threshold_blocks, verdict_blocks

DEMO = (
    "Demo data: one portrait warped into artificial identities and forged by small generators. The results "
    "show that the pipeline works; they say nothing about real forgeries."
)


def protocol_page(results: ProtocolResults, thresholds: ThresholdsParams) -> Report:
    """The page of one protocol: the answers first, then the results behind them; long sections start closed.

    Args:
        results: The protocol's results.
        thresholds: The settings of the group `thresholds`.
    """
    criterion, chosen = thresholds.criterion, pick(results)
    precision: list[Block] = [*ap_table(results), *ap_figure(results), *folded(video_table(results))]
    more_rules = [*threshold_blocks(results, criterion), *rule_blocks(results)]
    audit = audit_blocks(results)
    sections = (
        Section("In short", [*missing_files(results), *short_blocks(results, chosen)]),
        Section("Detectors left out", left_out(results)),
        Section("Average precision", precision),
        Section("Test sets of fakes alone", fake_only_table(results)),
        Section("Machine and seeds", seed_blocks(results)),
        Section("Which threshold to use", [*rate_table(results, chosen), *folded(more_rules)]),
        Section("Scores and thresholds in pictures", score_figure(results, criterion), folded=True),
        Section("Curves", curve_figures(results), folded=True),
        Section("Choice of λ", lambda_blocks(results)),
        Section("Other metrics", metric_table(results), folded=True),
        Section("Likelihood ratios", likelihood_blocks(results), folded=True),
        Section("Inconclusive verdicts", verdict_blocks(results, thresholds.inconclusive), folded=True),
        Section(
            "Robustness", [*robustness_figure(results), *folded(robustness_blocks(results))], folded=True
        ),
        Section("Samples", contact_sheet([results])),
        Section("Worst errors", worst_gallery(results, criterion), folded=True),
        Section("Class counts", count_blocks(results), folded=True),
        Section("Audit of the images", audit, folded=not results.telling),
        Section("Settings and versions", settings_table(results), folded=True),
    )
    chapter = Chapter(
        anchor=results.name,
        title=results.protocol.title,
        short=results.name,
        sections=sections,
        tags=(results.reference.tag,) if results.reference else (),
        banner=DEMO if results.protocol.demo else "",
    )
    lead = f"Protocol `{results.name}`."
    if results.reference:
        lead += f" {results.reference.citation}"
    return Report(results.protocol.title, lead, (chapter,), home=f"../{PAGE}", is_sortable=True)


def folded(blocks: list[Block] | list[Table]) -> list[Block]:
    """The blocks, with tables that start closed."""
    return [replace(block, folded=True) if isinstance(block, Table) else block for block in blocks]


def missing_files(results: ProtocolResults) -> list[Text]:
    """A warning that lists the missing result files, if any."""
    if not results.missing:
        return []
    names = ", ".join(f"`{name}`" for name in results.missing)
    return [
        Text(
            f"{results.name}: these files were missing when this page was made, so the page does not show "
            f"their content: {names}. Run `dvc repro` to make them.",
            "warning",
        )
    ]


def left_out(results: ProtocolResults) -> list[Text]:
    """Notes on the detectors that the protocol does not run, with the reasons."""
    return [
        Text(f"`{results.name}` does not run the detector `{detector}`: {reason}", "note")
        for detector, reason in results.left_out.items()
    ]

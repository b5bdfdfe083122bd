"""Puts the report together: an overview, then a chapter for each protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fakeforensics.errors import UserError
from fakeforensics.params import Params
from fakeforensics.reporting.ap_figure import ap_figure
from fakeforensics.reporting.ap_table import ap_table, row_order
from fakeforensics.reporting.audit import audit_blocks
from fakeforensics.reporting.columns import share_places
from fakeforensics.reporting.contents import Block, Chapter, Report, Section
from fakeforensics.reporting.count_table import count_blocks
from fakeforensics.reporting.curve_figures import curve_figures
from fakeforensics.reporting.facts import fact_blocks
from fakeforensics.reporting.overview import Reference, left_out_notes, overview
from fakeforensics.reporting.pilot_figure import pilot_figure
from fakeforensics.reporting.pilot_table import pilot_blocks
from fakeforensics.reporting.project import ProtocolResults, read_results
from fakeforensics.reporting.robustness import robustness_blocks
from fakeforensics.reporting.rule_table import rule_blocks
from fakeforensics.reporting.score_figure import score_figure
from fakeforensics.reporting.thesis import ApReference, PilotReference, load_reference
from fakeforensics.reporting.threshold_table import threshold_blocks
from fakeforensics.reporting.video_table import video_blocks
from fakeforensics.reporting.worst import worst_gallery

_LEAD = "How well detectors trained on a few forgery methods recognize methods that they have never seen."
_THESIS = (
    "The thesis is Liou, Generalized Fake Image Forensics via Semi-Supervised Anomaly Detection, National "
    "Taiwan University, 2020."
)
_DEMO = (
    "{} on the embedded demo: one portrait warped into made-up identities and forged by small generators. "
    "The results show that the pipeline works; they say nothing about real forgeries."
)


def build_report(root: Path, params: Params) -> Report:
    """Everything known about the protocols of params.yaml.

    Args:
        root: The project's folder.
        params: Its settings.

    Raises:
        UserError: If no detector has been evaluated on any protocol, or a file is faulty.
    """
    everything = [read_results(root, name, params.detectors) for name in params.protocols]
    if not any(results.metrics for results in everything):
        raise UserError(
            "there is nothing to report: no detector in params.yaml has metrics and the card of its model",
            found="not there: " + ", ".join(file for results in everything for file in results.missing),
            fix="run `dvc repro`",
        )
    shared = share_places([results.columns for results in everything], params.detectors)
    everything = [
        replace(results, columns=columns) for results, columns in zip(everything, shared, strict=True)
    ]
    known = [(results, _reference(results)) for results in everything]
    demos = [f"`{results.name}`" for results in everything if results.protocol.is_demo]
    banner = _DEMO.format(f"{' and '.join(demos)} {'runs' if len(demos) == 1 else 'run'}") if demos else ""
    criterion = params.thresholds.criterion
    chapters = (overview(known), *(_chapter(results, reference, criterion) for results, reference in known))
    return Report(params.report.title, _lead(everything, params.detectors), banner, chapters)


def _lead(everything: Sequence[ProtocolResults], names: Sequence[str]) -> str:
    """What the report is about: each detector with its scores, and which of them learn from reals alone."""
    known = {name: card for results in everything for name, card in results.detectors.items()}
    cards = [known[name] for name in names if name in known]
    detectors = []
    for card in cards:
        scores = " or ".join(f"{score.label} ({score.title})" for score in card.scores)
        detectors.append(f"{card.label}: {card.title}, scored by {scores}.")
    one_class = [card.label for card in cards if card.sees == "reals"]
    sees = [f"Trained on real images alone: {', '.join(one_class)}."] if one_class else []
    return " ".join([_LEAD, *detectors, *sees, _THESIS])


def _reference(results: ProtocolResults) -> Reference:
    name = results.protocol.reference
    return None if name is None else load_reference(name)


def _chapter(results: ProtocolResults, reference: Reference, criterion: str) -> Chapter:
    tags = ("demo, not real forgeries",) if results.protocol.is_demo else ()
    if reference is not None:
        tags = (*tags, f"thesis, table {reference.number}")
    pilot = reference if isinstance(reference, PilotReference) else None
    accuracies: list[Block] = [*pilot_blocks(results, pilot), *pilot_figure(results, pilot)]
    sections = [
        Section("Detectors left out", tuple(left_out_notes(results))),
        Section("Accuracy on fakes alone", tuple(accuracies)),
    ]
    if results.has_ap:
        sections += _ranked(results, reference if isinstance(reference, ApReference) else None, criterion)
    elif accuracies:
        sections += _fakes_alone(results, criterion)
    sections += [
        Section("Robustness", tuple(robustness_blocks(results))),
        Section("Class counts", tuple(count_blocks(results))),
        Section("Audit of the images", tuple(audit_blocks(results))),
        Section("Settings and versions", tuple(fact_blocks(results)), folded=True),
    ]
    return Chapter(
        anchor=results.name,
        title=results.protocol.title,
        short=results.name,
        tags=tags,
        sections=tuple(section for section in sections if section.blocks),
    )


def _ranked(results: ProtocolResults, reference: ApReference | None, criterion: str) -> list[Section]:
    """What needs test sets with both classes."""
    sets = row_order(results, reference)
    every = [*sets, *(name for name in results.protocol.test if name in results.fakes_alone)]
    curves = curve_figures(results, sets)
    thresholds = [*threshold_blocks(results, reference, criterion), *rule_blocks(results)]
    return [
        Section("Average precision", _precision(results, reference)),
        Section("Curves", tuple(curves)),
        Section("Scores and thresholds", (*score_figure(results, every, criterion), *thresholds)),
        Section("Worst errors", tuple(worst_gallery(results, every, criterion))),
    ]


def _precision(results: ProtocolResults, reference: ApReference | None) -> tuple[Block, ...]:
    return (ap_table(results, reference), ap_figure(results, reference), *video_blocks(results))


def _fakes_alone(results: ProtocolResults, criterion: str) -> list[Section]:
    """What sets of fakes alone can show besides accuracies."""
    sets = list(results.protocol.test)
    return [
        Section("Scores", tuple(score_figure(results, sets, criterion))),
        Section("Worst errors", tuple(worst_gallery(results, sets, criterion))),
    ]

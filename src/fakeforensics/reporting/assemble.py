"""Puts the report together: an overview, then a chapter for each protocol."""

from __future__ import annotations

from pathlib import Path

from fakeforensics.errors import UserError
from fakeforensics.params import Params
from fakeforensics.reporting.ap_figure import ap_figure
from fakeforensics.reporting.ap_table import ap_table
from fakeforensics.reporting.contents import Block, Chapter, Report, Section
from fakeforensics.reporting.count_table import count_blocks
from fakeforensics.reporting.overview import Reference, overview
from fakeforensics.reporting.pilot_table import pilot_tables
from fakeforensics.reporting.project import ProtocolResults, read_results
from fakeforensics.reporting.thesis import ApReference, PilotReference, load_reference

_LEAD = (
    "How well detectors trained on a few forgery methods recognise methods that they have never seen. BCE is "
    "an ordinary binary classifier; SAD a semi-supervised anomaly detector, which measures the distance to "
    "the centre of the real images; BCE+SAD one model trained with both objectives and read either way: S_SL is "
    "its classifier, S_CD its distance. The thesis is Liou, Target Domain Agnostic Fake Image Forensics, "
    "National Taiwan University, 2020."
)
_DEMO = (
    "This report holds results on the embedded demo: one portrait warped into made-up identities and forged "
    "by small generators. They show that the pipeline works; they say nothing about real forgeries."
)


def build_report(root: Path, params: Params) -> Report:
    """Everything known about the protocols of params.yaml.

    Args:
        root: The project's folder.
        params: Its settings.

    Raises:
        UserError: If no protocol has been evaluated, or a file is faulty.
    """
    everything = [read_results(root, name) for name in params.protocols]
    if not any(results.metrics for results in everything):
        raise UserError(
            "there is nothing to report: no protocol in params.yaml has metrics",
            expected=", ".join(f"metrics/{name}/bce.json" for name in params.protocols),
            fix="run `dvc repro`",
        )
    known = [(results, _reference(results)) for results in everything]
    demo = any(results.protocol.is_demo for results in everything)
    chapters = (overview(known), *(_chapter(results, reference) for results, reference in known))
    return Report(params.report.title, _LEAD, _DEMO if demo else "", chapters)


def _reference(results: ProtocolResults) -> Reference:
    name = results.protocol.reference
    return None if name is None else load_reference(name)


def _chapter(results: ProtocolResults, reference: Reference) -> Chapter:
    tags = ("demo, not real forgeries",) if results.protocol.is_demo else ()
    if reference is not None:
        tags = (*tags, f"thesis, table {reference.number}")
    sections = [_results(results, reference), Section("Class counts", tuple(count_blocks(results)))]
    return Chapter(
        anchor=results.name,
        title=results.protocol.title,
        short=results.name,
        tags=tags,
        sections=tuple(section for section in sections if section.blocks),
    )


def _results(results: ProtocolResults, reference: Reference) -> Section:
    blocks: list[Block] = []
    if results.has_ap:
        table = reference if isinstance(reference, ApReference) else None
        blocks += [ap_table(results, table), ap_figure(results, table)]
    pilot = reference if isinstance(reference, PilotReference) else None
    blocks += pilot_tables(results, pilot)
    return Section("Results", tuple(blocks))

"""The page of a case folder: one printable HTML file for people who must explain the result."""

from __future__ import annotations

import shlex
from pathlib import Path

from fakeforensics.files import sha256_file
from fakeforensics.inference.app.page import ratio_text
from fakeforensics.inference.evidence.case import CASE, Case
from fakeforensics.inference.evidence.file_chapter import (
    ASSESSMENT,
    assessment_cells,
    code,
    error_table,
    facts,
    file_anchor,
    file_chapter,
    plain,
)
from fakeforensics.inference.model_card import LIMITS, SUMMARIES, decision_text, training_text
from fakeforensics.inference.package import Package
from fakeforensics.reporting.blocks import (
    EMPTY,
    Block,
    Cell,
    Chapter,
    Column,
    Report,
    Row,
    Section,
    Table,
    Text,
)
from fakeforensics.reporting.page import render
from fakeforensics.reporting.provenance import flatten
from fakeforensics.sums import SUMS
from fakeforensics.thresholds.errors import CLEAN
from fakeforensics.thresholds.policy import DECISION
from fakeforensics.wording import counted


def case_page(case: Case, package: Package, folder: Path) -> str:
    """The page as HTML without links to other addresses.

    Args:
        case: The record. `case.json` and the pictures must already be in `folder`.
        package: The detector, for its training, error rates and limits.
        folder: The case folder.
    """
    files = [file_chapter(number, file, case, package, folder) for number, file in enumerate(case.files, 1)]
    return render(
        Report(
            title="Evidence: is it real or fake?",
            lead=f"The verdict of the detector {case.model.name} on {counted(len(case.files), 'file')}, and "
            f"everything that is needed to check it. Scored from {case.started} to {case.finished} (UTC). "
            f"The record of this page is `{CASE}`, SHA-256 `{sha256_file(folder / CASE)}`.",
            chapters=(_result(case, package), *files, _detector(package), _making(case)),
        )
    )


def _result(case: Case, package: Package) -> Chapter:
    rows = []
    for number, file in enumerate(case.files, 1):
        one = file.decisive
        cells = (
            (Cell(file.reason or "not scored", alarm=True), *[Cell(EMPTY)] * 3)
            if one is None
            else assessment_cells(one.assessment)
        )
        listed = "; ".join(map(str, file.outside or ()))
        detail = f"outside the training data: {listed}" if listed else ""
        rows.append(Row(plain(file.name), cells, detail=plain(detail), link=f"#{file_anchor(number)}"))
    notes = (
        "A higher score is more likely fake. Probability: the probability that the file is fake. LR: the "
        "likelihood ratio, how many times more often fakes than reals have such a score; its log10 is 0 if "
        "the score says nothing.",
        "If a file has several faces, the one with the highest score counts for the file.",
    )
    ratio = ratio_text(package.decision)
    decided: list[Block] = [Text(text) for text in (decision_text(package), ratio) if text]
    if case.known_reals:
        decided.append(
            facts(
                "Files known to be real, from which this policy was derived: deciding score, SHA-256.",
                [(plain(one.name), f"{one.score:.6g}, {code(one.sha256)}") for one in case.known_reals],
            )
        )
    doubts = [Text(doubt, "warning") for doubt in package.doubts]
    verdicts = Table("The verdict on each file.", "File", ASSESSMENT, tuple(rows), notes)
    sections = (
        Section("Result", [*doubts, verdicts]),
        Section("What the verdict is based on", decided),
        Section("What a verdict does not mean", [Text(limit) for limit in LIMITS]),
    )
    return Chapter("overview", "At a glance", "Result", sections, banner=package.demo_warning)


def _detector(package: Package) -> Chapter:
    title = package.title if package.knows_training else f"Threshold and tests: {package.title}"
    blocks: list[Block] = [Text(f"{title}."), Text(training_text(package))]
    if (training := package.training) is not None and training.images:
        blocks.append(
            facts(
                "Properties of the training files: 1st to 99th percentile; number of files by format.",
                flatten(training.model_dump(mode="json", exclude={"manifests"})),
            )
        )
    tested: list[Block] = []
    if package.errors:
        seen = sorted({rate.name for rate in package.errors if rate.label == "fake" and rate.seen})
        never = sorted({rate.name for rate in package.errors if rate.label == "fake" and rate.seen is False})
        if package.knows_training:
            tested.append(Text(f"Tested methods that training saw: {', '.join(seen) or 'none'}."))
            tested.append(Text(f"Tested methods that training never saw: {', '.join(never) or 'none'}."))
        else:
            tested.append(
                Text("The detector was trained elsewhere: which of these methods it saw is not known.")
            )
        tested.append(error_table(package.errors, [CLEAN], "frame"))
    sections = (
        Section("Training", blocks),
        Section("Errors by method", tested),
        Section("What the likelihood ratio is worth", _likelihood_costs(package)),
    )
    return Chapter("detector", f"The detector {package.name}", "The detector", sections)


def _likelihood_costs(package: Package) -> list[Block]:
    """Cllr of each test set, for the deciding score; none without a likelihood ratio."""
    decision = package.decision
    if decision is None or decision.likelihood_ratio is None:
        return []
    costs, least = (package.metrics.get(name, {}).get(decision.score, {}) for name in ("cllr", "cllr_min"))
    unseen = package.about.unseen if package.about is not None and package.knows_training else ()
    rows = tuple(
        Row(
            SUMMARIES.get(name, name),
            (Cell(f"{cost:.3f}"), Cell(f"{least[name]:.3f}")),
            unseen=name in unseen,
            summary=name in SUMMARIES,
        )
        for name, cost in costs.items()
    )
    note = (
        "Cllr: cost in bits per image; 0 is perfect, 1 is as good as no answer, above 1 the answers do harm. "
        "Cllr_min: the cost that would remain after calibration on the same set."
    )
    columns = (Column("Cllr"), Column("Cllr_min"))
    return (
        [Table("The cost of the likelihood ratio by test set.", "Set", columns, rows, (note,))]
        if rows
        else []
    )


def _making(case: Case) -> Chapter:
    model = case.model
    names = {"model.safetensors": "weights", "model.json": "card", DECISION: "decision policy"}
    hashes = [(names.get(name, name), code(digest)) for name, digest in model.files.items()]
    hashes += [(f"training list {name}", code(digest)) for name, digest in model.manifests.items()]
    program = case.program
    listed = [
        ("fakeforensics", f"{program.version}, SHA-256 {code(program.sha256)}"),
        ("python", program.python),
    ]
    listed += [
        (name, f"{one.version}, SHA-256 of its list of files {code(one.record_sha256 or 'unknown')}")
        for name, one in program.libraries.items()
    ]
    settings = [("command", code(shlex.join(case.command))), *flatten(case.settings.model_dump(mode="json"))]
    settings += [
        ("package", code(model.folder)),
        ("started (UTC)", case.started),
        ("finished (UTC)", case.finished),
    ]
    check = (
        f"`fakeforensics verify` with this folder's path compares every hash, scores the files again and "
        f"compares the scores. They may differ by at most {case.bound:g} times their absolute value, or by "
        f"{case.bound:g} if that value is below 1. `sha256sum -c {SUMS}` in the folder checks its files "
        "without this program. Hashes show a change only if someone keeps a copy of them elsewhere: print "
        "this page, or store the hash that the command printed."
    )
    sections = (
        Section("How to check it", [Text(check)]),
        Section("Settings", [facts("The command and its settings.", settings)]),
        Section(
            "Machine",
            [facts("The machine that scored the files.", flatten(case.machine.model_dump(mode="json")))],
        ),
        Section("The detector's files", [facts("SHA-256 of each file of the package.", hashes)]),
        Section("Program and libraries", [facts("The program that scored the files.", listed)]),
    )
    return Chapter("making", "How this was made, and how to check it", "How to check it", sections)

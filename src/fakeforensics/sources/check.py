"""Checking raw data against what the data sets are known to hold, before hours of computing start."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from fakeforensics.errors import UserError
from fakeforensics.params import SourceParams
from fakeforensics.sources.copies import Located, find_copies
from fakeforensics.sources.known_counts import LABEL_NAMES, CountCheck, compare_counts
from fakeforensics.sources.layouts import LAYOUTS
from fakeforensics.sources.open import open_source, read_records
from fakeforensics.sources.probe import probe

SHOWN = 5


@dataclass
class SourceReport:
    """What was found of one source.

    Args:
        name: The source.
        layout: Its layout's name.
        is_subset: Whether params.yaml says that only a part of the data set is here.
        counts: Counts beside the published ones; empty for a part of a data set.
        files: Every file with what a quick look showed.
        errors: What must be mended.
        warnings: What should be known.
    """

    name: str
    layout: str
    is_subset: bool = False
    counts: list[CountCheck] = field(default_factory=list)
    files: list[Located] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether computing can start."""
        return not self.errors and all(count.is_met for count in self.counts)


def check_sources(
    sources: Mapping[str, SourceParams], *, is_deep: bool = False, workers: int = 0
) -> list[SourceReport]:
    """Check sources: their counts, formats, sizes, unreadable files, and copies within and across them.

    Args:
        sources: The sources by name.
        is_deep: Decode every image and every frame instead of headers, ends and first frames.
        workers: Threads; 0 takes one per core.

    Returns:
        One report a source, in their order. A source that is missing or wrongly laid out is an error in its
        report.
    """
    reports = [_check(name, source, is_deep, workers) for name, source in sources.items()]
    _report_copies({report.name: report for report in reports})
    return reports


def _check(name: str, source: SourceParams, is_deep: bool, workers: int) -> SourceReport:
    report = SourceReport(name, source.layout, source.options.get("subset") is True)
    try:
        layout = open_source(name, source)
        records = read_records(layout)
    except UserError as error:
        report.errors.append(str(error))
        return report
    if not report.is_subset:
        report.counts = compare_counts(source.layout, records)
    files = [layout.root / record.path for record in records]
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        probes = list(
            pool.map(lambda file, record: probe(file, record.kind, is_deep=is_deep), files, records)
        )
    report.files = [Located(name, *parts) for parts in zip(files, records, probes, strict=True)]
    unreadable = [file for file in report.files if file.probe.problem]
    if unreadable:
        shown = [f"{file.record.path}: {file.probe.problem}" for file in unreadable]
        report.errors.append(_listed(f"{len(unreadable)} files cannot be read", shown))
    _report_formats(report)
    return report


def _report_formats(report: SourceReport) -> None:
    """Warn where real and fake files of a domain differ in format: a detector would learn that instead."""
    kinds: dict[str, tuple[set[str], set[str]]] = {}
    for file in report.files:
        sides = kinds.setdefault(file.record.domain, (set(), set()))
        sides[file.record.label].add(file.probe.format)
    for domain, (real, fake) in kinds.items():
        if real and fake and not real & fake:
            report.warnings.append(
                f"{domain}: real files are {', '.join(sorted(real))}, fakes {', '.join(sorted(fake))}: "
                "the format alone tells them apart"
            )


def _report_copies(reports: Mapping[str, SourceReport]) -> None:
    findings: dict[tuple[str, str, bool], list[str]] = {}
    for group in find_copies(file for report in reports.values() for file in report.files):
        what, is_error = _judge_copies(group)
        for source in dict.fromkeys(file.source for file in group):
            line = " = ".join(str(file) for file in group[:3]) + (" = …" if len(group) > 3 else "")
            findings.setdefault((source, what, is_error), []).append(line)
    for (source, what, is_error), lines in findings.items():
        target = reports[source].errors if is_error else reports[source].warnings
        times = f"{len(lines)} time{'s' * (len(lines) > 1)}"
        target.append(_listed(f"the same bytes {what}, {times}", lines))


def _judge_copies(group: Sequence[Located]) -> tuple[str, bool]:
    if len({file.record.label for file in group}) > 1:
        return "among real and among fake files", True
    by_source = Counter(file.source for file in group)
    splits = {(file.source, file.record.own_split) for file in group}
    if len(splits) > len(by_source):
        return "in two splits", True
    if len(by_source) > 1:
        return "in two sources", False
    return "under several names", False


def _listed(headline: str, lines: Sequence[str]) -> str:
    more = [f"… and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n  ".join([f"{headline}:", *lines[:SHOWN], *more])


def render(report: SourceReport) -> str:
    """A report as text for people."""
    size = sum(file.probe.size for file in report.files)
    lines = [f"{report.name} ({report.layout}): {len(report.files):,} files, {size / 1e9:.2f} GB"]
    for label, name in enumerate(LABEL_NAMES):
        some = [file.probe for file in report.files if file.record.label == label]
        if some:
            formats = Counter(look.format or "unknown" for look in some).most_common()
            sizes = Counter(f"{look.width}x{look.height}" for look in some).most_common()
            lines.append(f"  {name}: {len(some):,}; {_shares(formats)}; {_shares(sizes)}")
    lines += [
        f"  {'ok     ' if count.is_met else 'MISSING' if count.found < count.expected else 'TOO MANY'} "
        f"{count.what}: {count.found:,}, expected {count.rule} {count.expected:,} ({count.origin})"
        for count in report.counts
    ]
    lines += [f"  warning: {text}".replace("\n", "\n  ") for text in report.warnings]
    lines += [f"  ERROR: {text}".replace("\n", "\n  ") for text in report.errors]
    if not (report.is_good or report.is_subset) and report.layout in LAYOUTS:
        lines.append(f"  how to get it: {LAYOUTS[report.layout].obtain}")
    return "\n".join(lines)


def _shares(counts: list[tuple[str, int]]) -> str:
    rest = sum(count for _, count in counts[3:])
    shown = [f"{name} {count:,}" for name, count in counts[:3]]
    return ", ".join([*shown, f"others {rest:,}"] if rest else shown)

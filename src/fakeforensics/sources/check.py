"""Checks raw data before a long computation starts: counts, unreadable files, duplicates and formats."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file
from fakeforensics.params import SourceParams
from fakeforensics.reading import DAMAGED_IMAGE
from fakeforensics.sources.base import (
    IMAGE_SUFFIXES,
    LABEL_NAMES,
    VIDEO_SUFFIXES,
    CountCheck,
    DatasetAdapter,
    RawFile,
    SharedNumbers,
    decisions,
    read_records,
)
from fakeforensics.sources.hashing import map_in_order
from fakeforensics.sources.registry import adapter_class, adapter_names, open_source
from fakeforensics.wording import counted

SHOWN = 5
SAMPLE_BYTES = 4096
_CHROMA = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}  # as Pillow numbers them
END_MARKS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}
# Suffixes of files that are no images or videos. Any other unknown suffix may be an image that is not read.
COMPANIONS = frozenset(
    [
        *(".txt", ".md", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".html", ".pdf", ".yaml", ".yml", ".log"),
        *(".npy", ".npz", ".pkl", ".pt", ".pth", ".mat", ".h5", ".py", ".sh", ".wav", ".mp3", ".m4a", ".db"),
    ]
)


@dataclass(frozen=True)
class ProbedFile:
    """A file of a source and its properties, found without reading all of it.

    Args:
        source: The source's name.
        path: The file.
        record: The data set's information about the file.
        size: Size in bytes.
        sample: Hash of 4,096 bytes in the middle of the file. Files with different samples are no duplicates.
        format: JPEG, PNG, H264, …; "" if not recognized.
        shape: Stored width and height in pixels, such as `640x480`.
        problem: Why the file cannot be read; "" if it can.
        quantization: Sum of a JPEG's first quantization table, which falls as the quality rises; -1 for other
            formats.
        chroma: Chroma sampling of a JPEG, such as `4:2:0`; "" for other formats.
    """

    source: str
    path: Path
    record: RawFile
    size: int
    sample: str
    format: str = ""
    shape: str = ""
    problem: str = ""
    quantization: int = -1
    chroma: str = ""

    def __str__(self) -> str:
        return f"{self.source}: {self.record.path}"


@dataclass
class SourceReport:
    """The findings about one source.

    Attributes:
        name: The source's name.
        layout: The name of its adapter.
        is_subset: Whether only a part of the data set is on disk, so that counts are not compared.
        counts: The numbers of files compared with the published ones.
        files: The files.
        decided: By `split`, `group` and `label`, the number of files by the rule that decided.
        doubts: For which files the split, the group or the label may be wrong.
        left_out: The number of files that are not read, by suffix.
        shared: Folders whose files have the same numbers in their names.
        remarks: Lines about the images of these folders.
        errors: Problems that must be fixed.
        warnings: Problems that the user should know about.
    """

    name: str
    layout: str
    is_subset: bool = False
    counts: list[CountCheck] = field(default_factory=list)
    files: list[ProbedFile] = field(default_factory=list)
    decided: dict[str, dict[str, int]] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    shared: list[SharedNumbers] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether computing can start."""
        return not self.errors and all(count.is_met for count in self.counts)


def check_sources(
    sources: Mapping[str, SourceParams], *, deep: bool = False, workers: int = 0
) -> list[SourceReport]:
    """Check sources for counts, formats, unreadable files, and duplicates within and across sources.

    Args:
        sources: Settings of the sources by name. If a source is missing or has another tree than expected,
            its report has an error.
        deep: Whether to decode every image and every frame. Otherwise only an image's header and end, and the
            first frame of a video are read.
        workers: Number of threads; 0 uses one per core.
    """
    reports = [_check(name, source, deep, workers) for name, source in sources.items()]
    _report_duplicates({report.name: report for report in reports})
    return reports


def _check(name: str, source: SourceParams, deep: bool, workers: int) -> SourceReport:
    report = SourceReport(name, source.layout, source.options.get("subset") is True)
    try:
        adapter = open_source(name, source)
        records = read_records(adapter)
    except UserError as error:
        report.errors.append(str(error))
        return report
    _report_decisions(report, records)
    report.shared = adapter.shared_numbers(records)
    _report_left_out(report, adapter, records)
    if not report.is_subset:
        report.counts = list(adapter.expected_counts(records))
    probe = partial(_probe, name, adapter.root, deep)
    report.files = list(map_in_order(probe, records, workers))
    unreadable = [f"{file.record.path}: {file.problem}" for file in report.files if file.problem]
    if unreadable:
        report.errors.append(_listed(f"{counted(len(unreadable), 'file')} cannot be read", unreadable))
    _report_formats(report)
    return report


def _report_decisions(report: SourceReport, records: Sequence[RawFile]) -> None:
    report.decided = decisions(records)
    for doubt, count in report.decided.pop("doubts").items():
        examples = [record.path for record in records if doubt in record.rules.doubts]
        report.doubts.append(_listed(f"{doubt}, {count:,} of {len(records):,} files", examples))


def _report_left_out(report: SourceReport, adapter: DatasetAdapter, records: Sequence[RawFile]) -> None:
    """Count the files that are not read. In a subfolder, files with an unknown suffix are an error.

    They may be images of a class that would then be missing.
    """
    read = {record.path for record in records} | set(map(str, adapter.tables()))
    paths = [path for path in adapter.all_files() if str(path) not in read]
    report.left_out = dict(Counter(path.suffix.lower() or "no suffix" for path in paths).most_common())
    known = {*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, *COMPANIONS, *adapter.options.leave_out}
    lost = [str(path) for path in paths if len(path.parts) > 1 and path.suffix.lower() not in known]
    if lost:
        headline = (
            f"{counted(len(lost), 'file is', 'files are')} left out because of the suffix; convert them, or "
            f"list the suffix in sources.{report.name}.options.leave_out"
        )
        report.errors.append(_listed(headline, lost))


def _report_formats(report: SourceReport) -> None:
    """Warn about methods that share no file format with the real files; a detector could learn the format."""
    reals: dict[str, set[str]] = defaultdict(set)
    fakes: dict[tuple[str, str], set[str]] = defaultdict(set)
    for file in report.files:
        record = file.record
        formats = fakes[record.domain, record.method] if record.label else reals[record.domain]
        formats.add(file.format)
    for (domain, method), found in fakes.items():
        if reals[domain] and not reals[domain] & found:
            report.warnings.append(
                f"{domain}: real files are {', '.join(sorted(reals[domain]))}, those of {method} "
                f"{', '.join(sorted(found))}: the format alone reveals the label"
            )


def _report_duplicates(reports: Mapping[str, SourceReport]) -> None:
    findings: dict[tuple[str, str, bool], list[str]] = defaultdict(list)
    for group in _find_duplicates(file for report in reports.values() for file in report.files):
        where, is_error = _judge_duplicates(group)
        line = " = ".join(str(file) for file in group[:3]) + (" = …" if len(group) > 3 else "")
        for source in dict.fromkeys(file.source for file in group):
            findings[source, where, is_error].append(line)
    for (source, where, is_error), lines in findings.items():
        target = reports[source].errors if is_error else reports[source].warnings
        target.append(_listed(f"identical files {where}, {counted(len(lines), 'time')}", lines))


def _judge_duplicates(group: Sequence[ProbedFile]) -> tuple[str, bool]:
    """Where the files with the same bytes are, in words, and whether that is an error."""
    if len({file.record.label for file in group}) > 1:
        return "among the real and the fake files", True
    sources = {file.source for file in group}
    if len({(file.source, file.record.own_split) for file in group}) > len(sources):
        return "in two splits", True
    return ("in two sources" if len(sources) > 1 else "under several names"), False


def _find_duplicates(files: Iterable[ProbedFile]) -> list[list[ProbedFile]]:
    """Sets of two or more files with the same bytes. Only files of equal size and sample are fully read."""
    candidates = _grouped((file for file in files if file.size), lambda file: (file.size, file.sample))
    return [same for alike in candidates for same in _grouped(alike, lambda file: sha256_file(file.path))]


def _grouped(files: Iterable[ProbedFile], key: Callable[[ProbedFile], object]) -> list[list[ProbedFile]]:
    """Sets of two or more files with the same key, in the order of their first files."""
    found: dict[object, list[ProbedFile]] = defaultdict(list)
    for file in files:
        found[key(file)].append(file)
    return [group for group in found.values() if len(group) > 1]


def _listed(headline: str, lines: Sequence[str]) -> str:
    more = [f"… and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n  ".join([f"{headline}:", *lines[:SHOWN], *more])


def render(report: SourceReport) -> str:
    """A report as text."""
    size = sum(file.size for file in report.files)
    lines = [f"{report.name} ({report.layout}): {counted(len(report.files), 'file')}, {size / 1e9:.2f} GB"]
    for label, name in enumerate(LABEL_NAMES):
        some = [file for file in report.files if file.record.label == label]
        if some:
            formats, shapes = _shares(file.format for file in some), _shares(file.shape for file in some)
            lines.append(f"  {name}: {len(some):,}; {formats}; {shapes}")
    for name, rules in report.decided.items():
        lines.append(f"  {name}: " + ", ".join(f"{rule} {count:,}" for rule, count in rules.items()))
    if report.left_out:
        lines.append("  left out: " + ", ".join(f"{name} {n:,}" for name, n in report.left_out.items()))
    lines += [
        f"  {'ok     ' if count.is_met else 'MISSING' if count.found < count.expected else 'TOO MANY'} "
        f"{count.name}: {count.found:,}, expected {count.rule} {count.expected:,} ({count.origin})"
        for count in report.counts
    ]
    lines += [f"  {text}" for text in report.remarks]
    lines += [f"  warning: {text}".replace("\n", "\n  ") for text in (*report.warnings, *report.doubts)]
    lines += [f"  ERROR: {text}".replace("\n", "\n  ") for text in report.errors]
    if not (report.is_good or report.is_subset) and report.layout in adapter_names():
        lines.append(f"  how to get it: {adapter_class(report.layout).instructions.obtain}")
    return "\n".join(lines)


def _shares(values: Iterable[str]) -> str:
    counts = Counter(value or "unknown" for value in values).most_common()
    rest = sum(count for _, count in counts[3:])
    shown = [f"{name} {count:,}" for name, count in counts[:3]]
    return ", ".join([*shown, f"others {rest:,}"] if rest else shown)


def _probe(source: str, root: Path, deep: bool, record: RawFile) -> ProbedFile:
    """Read the properties of a file, and check whether it can be read.

    This reads the header of an image and looks for its end mark. It decodes the image only if the end mark is
    missing or `deep` is set. Of a video it decodes the first frame, or all frames if `deep` is set.
    """
    path = root / record.path
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size // 2 - SAMPLE_BYTES // 2))
            sample = hashlib.sha256(file.read(SAMPLE_BYTES)).hexdigest()
    except OSError as error:
        return ProbedFile(source, path, record, 0, "", problem=error.strerror or str(error))
    if size == 0:
        return ProbedFile(source, path, record, 0, sample, problem="empty file")
    look = _look_at_image if record.kind == "image" else _look_at_video
    return ProbedFile(source, path, record, size, sample, *look(path, deep))


_Look = tuple[str, str, str, int, str]  # format, shape, problem, quantization, chroma


def _look_at_image(path: Path, deep: bool) -> _Look:
    from PIL import Image, JpegImagePlugin, UnidentifiedImageError

    name = shape = problem = chroma = ""
    quantization = -1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about odd EXIF, which does not matter here
        try:
            with Image.open(path) as image:
                name, shape = image.format or "", f"{image.width}x{image.height}"
                if isinstance(image, JpegImagePlugin.JpegImageFile) and image.quantization:
                    quantization = sum(image.quantization[min(image.quantization)])
                    chroma = _CHROMA.get(JpegImagePlugin.get_sampling(image), "other")
                if deep or not _has_end(path, name):
                    image.load()
        except UnidentifiedImageError:
            problem = "not an image"
        except (*DAMAGED_IMAGE, Image.DecompressionBombError) as error:
            problem = f"damaged: {error}"
    return name, shape, problem, quantization, chroma


def _has_end(path: Path, name: str) -> bool:
    if name not in END_MARKS:
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 64))
        return END_MARKS[name] in file.read()


def _look_at_video(path: Path, deep: bool) -> _Look:
    import av

    name = shape = problem = ""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                return "", "", "no picture in it", -1, ""
            stream = container.streams.video[0]
            name, shape = stream.codec_context.name.upper(), f"{stream.width}x{stream.height}"
            frames = container.decode(stream)
            if next(frames, None) is None:
                problem = "no frame can be decoded"
            elif deep:
                deque(frames, maxlen=0)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        problem = f"damaged: {error}"
    return name, shape, problem, -1, ""

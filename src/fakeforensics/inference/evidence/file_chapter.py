"""The page's chapter about one file: the verdict, the evidence for it, and its reliability."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fakeforensics.inference.evidence.case import (
    AssessmentRecord,
    Case,
    FaceRecord,
    FileRecord,
    PersonRecord,
    Reencoding,
)
from fakeforensics.inference.evidence.quality import nearest_corruptions
from fakeforensics.inference.package import Package
from fakeforensics.reporting.blocks import (
    EMPTY,
    Block,
    Cell,
    Chapter,
    Column,
    Picture,
    Pictures,
    Row,
    Section,
    Table,
    Text,
)
from fakeforensics.reporting.provenance import flatten
from fakeforensics.reporting.tables import corruption_name
from fakeforensics.thresholds.errors import CLEAN, ErrorRate
from fakeforensics.wording import counted, likely

ASSESSMENT = (Column("Verdict", numeric=False), Column("Score"), Column("Probability"), Column("log10 LR"))
_SHOWN_FRAMES = 12  # how many crops of a video the page shows; the folder has all of them
_NOT_STATED = ("", -1, 0.0)  # values in a file's metadata that mean "unknown"
_FACT = (Column("", numeric=False),)
_INTERVAL = (
    "Below each rate: its 95% interval (Clopper-Pearson), as if each video or photograph with its edits "
    "counted once."
)


def file_chapter(number: int, file: FileRecord, case: Case, package: Package, folder: Path) -> Chapter:
    """The chapter about one file.

    Args:
        number: Its number, from 1.
        file: Its record.
        case: The record of the case.
        package: The detector.
        folder: The case folder, which holds the pictures.
    """
    sections = (
        Section("Verdict", [*_verdict(file), *_outside(file)]),
        Section("The file", [facts("The file and its coding.", _coding(file))]),
        Section("What was found", [*_pictures(file, case, folder), *_face_tables(file)]),
        Section("After saving or sending it again", _reencodings(file)),
        Section("Quality", _quality(file)),
        Section("Errors on images like this one", _errors(file, package)),
    )
    name = f"{number}. {plain(Path(file.name).name)}"
    return Chapter(file_anchor(number), code(file.name), name, sections)


def _verdict(file: FileRecord) -> list[Block]:
    one = file.decisive
    if one is None:
        return [Text(f"Not scored: {plain(file.reason or 'no reason')}.", "warning")]
    verdict = {
        "fake": "The detector calls it fake.",
        "real": "The detector found no forgery that it knows.",
        "inconclusive": "The result is inconclusive.",
    }.get(str(one.assessment.verdict), "There is no verdict, because the package has no decision policy.")
    others = f" This is the highest score of {len(file.people)} faces." if len(file.people) > 1 else ""
    return [Text(f"{verdict} Score {one.assessment.score:.4g}.{others}")]


def _outside(file: FileRecord) -> list[Block]:
    if file.coding is None:  # nothing was read that could resemble anything
        return []
    if file.outside is None:
        return [Text("The properties of the detector's training files are not known.", "note")]
    if not file.outside:
        return [
            Text("Format, size, JPEG quality and face width resemble those of the training files.", "plain")
        ]
    listed = "; ".join(map(str, file.outside))
    return [
        Text(
            f"This file is unlike the files that the detector was trained on: {plain(listed)}. The error "
            "rates below were not measured on such files.",
            "warning",
        )
    ]


def _coding(file: FileRecord) -> Iterator[tuple[str, str]]:
    yield "name", code(file.name)
    yield "path", code(file.path)
    yield "read as", file.kind
    yield "size", "unknown" if file.size is None else f"{file.size:,} bytes"
    yield "SHA-256 before scoring", code(file.sha256 or "the file could not be opened")
    yield "SHA-256 after scoring", code(file.sha256_after or "the file could not be opened")
    yield "SHA-256 of the decoded pixels", code(file.pixels_sha256 or "not scored")
    yield "copy in this folder", code(file.stored or "none")
    known = {name: value for name, value in (file.coding or {}).items() if value not in _NOT_STATED}
    for name, value in flatten(known):
        yield name.replace("_", " "), plain(value)
    if file.lost_frames:
        yield "sampled frames without a face", str(file.lost_frames)


def _pictures(file: FileRecord, case: Case, folder: Path) -> Iterator[Block]:
    if file.boxes is not None:
        marked = Picture((folder / file.boxes).read_bytes(), "what was scored")
        yield Pictures("The picture with the faces marked, shrunk for this page.", (marked,))
    shown = [face for face in file.faces if face.heat is not None] or list(file.faces)
    tiles = []
    for face in shown[:_SHOWN_FRAMES]:
        verdict = face.assessment.verdict or "no verdict"
        title = f"{_place(face)}: {verdict}, score {face.assessment.score:.4g}"
        tiles.append(Picture((folder / face.crop).read_bytes(), title))
        if face.heat is not None:
            tiles.append(Picture((folder / face.heat).read_bytes(), "heat map"))
    if tiles:
        heat = (
            "Next to each is its heat map (Grad-CAM): brighter regions contribute more to the score. It is "
            "scaled to its own maximum, so it does not show how high the score is."
            if case.heat is None
            else f"There are no heat maps: {case.heat}."
        )
        yield Pictures(f"What the detector saw. {heat}", tuple(tiles))


def _face_tables(file: FileRecord) -> Iterator[Block]:
    if file.kind == "video":
        frames = Counter(one.face for one in file.faces)
        rows = tuple(
            Row(
                f"person {one.face}",
                assessment_cells(one.assessment),
                f"mean over {counted(frames[one.face], 'frame')}",
            )
            for one in file.people
        )
        if rows:
            yield Table("Each person of the video.", "Person", ASSESSMENT, rows)
    faces = file.faces[: 10 * _SHOWN_FRAMES]
    rows = tuple(
        Row(
            _place(face),
            (
                *assessment_cells(face.assessment),
                Cell(", ".join(f"{side:.0f}" for side in face.box) or "whole image"),
                Cell(", ".join(f"{name} {value:.4g}" for name, value in face.scores.items())),
            ),
        )
        for face in faces
    )
    if rows:
        more = (Column("Left, top, right, bottom", numeric=False), Column("All scores", numeric=False))
        yield Table("Each crop; boxes in pixels of the upright picture.", "Crop", (*ASSESSMENT, *more), rows)


def _reencodings(file: FileRecord) -> list[Block]:
    if not file.reencodings or file.decisive is None:
        return []
    before = {one.face: one for one in file.people}
    columns = [Column("Unchanged", numeric=False)]
    columns += [Column(corruption_name(one.name), numeric=False) for one in file.reencodings]
    rows = tuple(
        Row(
            f"{'person' if file.kind == 'video' else 'face'} {face}" if file.faces[0].box else "whole image",
            (_short_cell(one, one), *(_short_cell(_of_face(coded, face), one) for coded in file.reencodings)),
        )
        for face, one in before.items()
    )
    held = sum(
        all(_verdict_of(one) == _verdict_of(before[one.face]) for one in coded.people)
        for coded in file.reencodings
    )
    text = (
        f"All verdicts stay the same under {held} of {len(file.reencodings)} changes. Each change applies "
        "to the whole picture; the faces are then cropped at the same places."
    )
    frames = " The sampled frames of a video are changed one by one, as pictures." * (file.kind == "video")
    return [
        Text(text + frames),
        Table(
            "The verdict and, below it, the score; marked where the verdict differs.",
            "",
            tuple(columns),
            rows,
        ),
    ]


def _of_face(coded: Reencoding, face: int) -> PersonRecord:
    return next(one for one in coded.people if one.face == face)


def _short_cell(one: PersonRecord, original: PersonRecord) -> Cell:
    verdict = _verdict_of(one)
    return Cell(verdict, f"{one.assessment.score:.4g}", alarm=verdict != _verdict_of(original))


def _quality(file: FileRecord) -> list[Block]:
    listed: list[tuple[str, str]] = []
    if (quality := file.quality) is not None:
        own = quality.jpeg_quality
        listed += [
            ("JPEG quality", "not a JPEG" if own is None else f"{own} (from its quantization table)"),
            (
                "earlier JPEG compression",
                "no trace found"
                if quality.earlier_jpeg is None
                else f"trace of quality {quality.earlier_jpeg} (JPEG ghosts)",
            ),
            (
                "resampling",
                "no trace found"
                if not quality.resampled
                else "periodic trace, as left by shrinking, or by an enlargement by "
                + " or ".join(f"{one:g}" for one in quality.resampled),
            ),
        ]
    for face in [one for one in file.faces if one.box][:_SHOWN_FRAMES]:
        listed.append((f"{_place(face)}: width", f"{face.box[2] - face.box[0]:.0f} pixels"))
    for face in file.faces[:_SHOWN_FRAMES]:
        blur = (
            "no edge found" if face.blur is None else f"{face.blur:g} pixels of the crop (standard deviation)"
        )
        listed.append((f"{_place(face)}: blur at its steepest edges", blur))
    if not listed:
        return []
    note = "These are estimates. If no trace is found, the file may still have been changed."
    return [facts("Earlier changes of the file, and the resolution of the faces.", listed, note)]


def _errors(file: FileRecord, package: Package) -> list[Block]:
    one = file.decisive
    if one is None:
        return []
    if not package.errors:
        return [Text("The error rates of this decision policy were not measured.", "warning")]
    face = max(file.faces, key=lambda face: (face.face == one.face, face.assessment.score))
    coding = file.coding or {}
    jpeg = coding.get("jpeg_quality", -1)
    near = nearest_corruptions(
        dict.fromkeys(rate.corruption for rate in package.errors),
        package.training,
        jpeg if jpeg > 0 else None,
        face.blur,
        face.box[2] - face.box[0] if face.box else None,
    )
    shown = [CLEAN, *dict.fromkeys(near.values())]
    has_videos = any(rate.level == "video" for rate in package.errors)
    level = "video" if file.kind == "video" and has_videos else "frame"
    reasons = "; ".join(f"{corruption_name(name)} because of its {aspect}" for aspect, name in near.items())
    text = (
        f"The tested corruptions that are nearest to this file's own quality: {reasons}."
        if near
        else "In JPEG quality, blur and face width this file is nearest to the unchanged test images."
    )
    table = error_table(package.errors, shown, level)
    return [Text(text), table]


def error_table(rates: Iterable[ErrorRate], corruptions: Sequence[str], level: str) -> Table:
    """The error rates of each method and of the reals of each domain, with a column per corruption."""
    rows: dict[tuple[str, str], dict[str, ErrorRate]] = {}
    for rate in rates:
        if rate.level == level and rate.corruption in corruptions:
            rows.setdefault((rate.label, rate.name), {})[rate.corruption] = rate
    titles = tuple(
        Column("unchanged test images" if name == CLEAN else corruption_name(name)) for name in corruptions
    )
    made = tuple(
        Row(
            f"reals of {name} called fake" if label == "real" else f"{name} called real",
            (*(_rate_cell(by.get(corruption)) for corruption in corruptions), *_count_cells(by)),
            unseen=next(iter(by.values())).seen is False,
        )
        for (label, name), by in rows.items()
    )
    counted = "Videos" if level == "video" else "Images"
    return Table(
        "Share of test images that get the wrong verdict from this decision policy, in percent.",
        "Images",
        (*titles, Column(counted), Column("Groups")),
        made,
        (
            _INTERVAL,
            "Unseen: training saw no fake of this method, or no real of this domain. A method that is not "
            "listed was not tested.",
        ),
    )


def _rate_cell(rate: ErrorRate | None) -> Cell:
    if rate is None:
        return Cell(EMPTY)
    interval = f"{100 * rate.low:.1f} … {100 * rate.high:.1f}"
    if rate.asked is not None:
        interval += f"\n{100 * rate.inconclusive:.1f} inconclusive"
    return Cell(f"{100 * rate.rate:.1f}", interval)


def _count_cells(by: dict[str, ErrorRate]) -> tuple[Cell, Cell]:
    first = next(iter(by.values()))
    return Cell(f"{first.count:,}"), Cell(f"{first.groups:,}")


def facts(caption: str, listed: Iterable[tuple[str, str]], *notes: str) -> Table:
    """A table of names and values."""
    rows = tuple(Row(plain(name), (Cell(value),)) for name, value in listed)
    return Table(caption, "", _FACT, rows, notes)


def assessment_cells(one: AssessmentRecord) -> tuple[Cell, ...]:
    """Verdict, score, probability and likelihood ratio."""
    return (
        Cell(_verdict_word(one), best=True),
        Cell(f"{one.score:.4g}"),
        Cell(EMPTY if one.probability is None else likely(one.probability)),
        Cell(EMPTY if one.log10_lr is None else f"{one.log10_lr:+.2f}"),
    )


def _verdict_of(one: PersonRecord) -> str:
    return _verdict_word(one.assessment)


def _verdict_word(one: AssessmentRecord) -> str:
    return one.verdict or "none"


def _place(face: FaceRecord) -> str:
    if not face.box:
        return "whole image" if face.frame is None else f"frame {face.frame}"
    return f"face {face.face}" if face.frame is None else f"frame {face.frame}, face {face.face}"


def file_anchor(number: int) -> str:
    """The name of a file's chapter in links."""
    return f"file-{number}"


def code(text: str) -> str:
    """Text from outside, or a hash, as code that is shown literally."""
    return f"`{plain(text)}`"


def plain(text: str) -> str:
    """Text from outside, without backticks, which mark code on the page."""
    return text.replace("`", "ˋ")

"""Writes shards, an index and a list of rejections from finished extractions, in a fixed order."""

from __future__ import annotations

import csv
import errno
import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from fakeforensics.errors import UserError
from fakeforensics.faces.results import ArchiveReader, Crop, Extraction
from fakeforensics.files import UNFINISHED, atomic_directory, printable_path, write_json
from fakeforensics.images.index import (
    DECISIONS_FILE,
    IN_PLACE_FILE,
    INDEX_FILE,
    INDEX_SCHEMA,
    REJECTED_COLUMNS,
    REJECTED_FILE,
    UNDETECTED_COLUMNS,
    UNDETECTED_FILE,
    frame_key,
)
from fakeforensics.images.shards import Location, ShardWriter
from fakeforensics.lookahead import look_ahead
from fakeforensics.params import FacesParams
from fakeforensics.progress import Progress
from fakeforensics.sources.base import RawFile, decisions
from fakeforensics.sums import write_sums

_ROWS_PER_GROUP = 10_000
_REASONS_SHOWN = 5
_READ_AHEAD = 16  # raw files


class SourceFile(NamedTuple):
    """A raw file, and its key, from which the keys of its images are made."""

    record: RawFile
    key: str


class Part(NamedTuple):
    """Some raw files, and the archive that holds their results until the source is finished."""

    files: Sequence[SourceFile]
    archive: Path


class _Image(NamedTuple):
    """An image to store.

    Args:
        row: Its row of the index, without the columns of its place.
        suffix: Suffix of its name in a shard.
        size: Size in bytes of a raw file that is read in place; 0 for any other image.
        data: Its bytes; None if they are the bytes of the raw file.
        raw: The raw file.
    """

    row: dict[str, Any]
    suffix: str
    size: int
    data: bytes | None
    raw: Path


@dataclass
class Totals:
    """Counts of a source's results."""

    files: int = 0
    images: int = 0
    rejected: int = 0  # files without an image
    frames: int = 0  # rejected frames of other files
    reasons: Counter[str] = field(default_factory=Counter)  # why files were rejected

    def summary(self) -> str:
        """One line for the terminal."""
        return (
            f"{self.images} images from {self.files - self.rejected} of {self.files} files, "
            f"{self.rejected} files and {self.frames} single frames rejected"
        )

    def common_reasons(self) -> str:
        """The most frequent reasons for rejected files, with their counts."""
        return "; ".join(f"{count} x {reason}" for reason, count in self.reasons.most_common(_REASONS_SHOWN))


def assemble(
    source: str,
    root: Path,
    parts: Sequence[Part],
    params: FacesParams,
    building: Path,
    out: Path,
    in_place: str | None = None,
) -> Totals:
    """Write `out` from the finished extractions.

    Args:
        source: The source's name.
        root: The source's folder.
        parts: The parts, in the order in which their images are stored.
        params: The group `faces` of the settings.
        building: A folder for the unfinished result.
        out: The output folder, which is created or replaced as a whole.
        in_place: The source's folder as written in params.yaml, to read images in place that are whole raw
            files; None stores these in shards too.

    Raises:
        UserError: If nothing is readable, more than `params.max_rejected` of the files are rejected, or a raw
            file has changed since it was read.
    """
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    totals = _write_rejected(parts, building)
    _check(source, totals, params, building / REJECTED_FILE)
    with (
        ShardWriter(building, params.shard_mb * 2**20) as shards,
        pq.ParquetWriter(
            building / INDEX_FILE, INDEX_SCHEMA, compression="zstd", write_page_checksum=True
        ) as index,
        # Raw files may be on a slow disk or a network.
        ThreadPoolExecutor(_READ_AHEAD) as pool,
        Progress(f"storing {source}", "images", totals.images) as progress,
    ):
        rows: list[dict[str, Any]] = []
        images = _images(source, root, parts, is_in_place=in_place is not None)
        for image, data in look_ahead(
            lambda one: pool.submit(_bytes, one), images, _READ_AHEAD, ordered=True
        ):
            # All images of a raw file must be in one row group.
            if len(rows) >= _ROWS_PER_GROUP and rows[-1]["raw_path"] != image.row["raw_path"]:
                index.write_table(pa.Table.from_pylist(rows, INDEX_SCHEMA))
                rows = []
            stored = data.result()
            if stored is None:
                location = Location("", 0, image.size)
            else:
                location = shards.add(image.row["key"] + image.suffix, stored)
            rows.append(image.row | location._asdict())
            progress.advance()
        if rows:
            index.write_table(pa.Table.from_pylist(rows, INDEX_SCHEMA))
    # The shards are not listed, because the index has the SHA-256 of each image.
    listed = [INDEX_FILE, DECISIONS_FILE, REJECTED_FILE, UNDETECTED_FILE]
    if in_place is not None:
        write_json(building / IN_PLACE_FILE, {"root": in_place})
        listed.append(IN_PLACE_FILE)
    records = (file.record for part in parts for file in part.files)
    write_json(building / DECISIONS_FILE, decisions(records))
    write_sums(building, listed)
    _publish(building, out)
    return totals


def _images(source: str, root: Path, parts: Sequence[Part], *, is_in_place: bool) -> Iterator[_Image]:
    """All images, in the order of the parts."""
    for part in parts:
        with ArchiveReader(part.archive) as archive:
            for file, extraction in zip(part.files, archive.extractions, strict=True):
                for crop in extraction.crops:
                    stored = crop.stored
                    row = _row(source, file, extraction, crop)
                    # The index names raw files in UTF-8, so a file whose name is not UTF-8 is copied.
                    is_named = printable_path(file.record.path) == file.record.path
                    keep = stored.is_raw and is_in_place and is_named
                    data = None if stored.is_raw else archive.read(stored)
                    raw = root / file.record.path
                    yield _Image(row, crop.suffix, stored.size if keep else 0, data, raw)


def _bytes(image: _Image) -> bytes | None:
    """The bytes to store; None for an image that is read in place.

    Raises:
        UserError: If the raw file has changed since it was examined.
    """
    if image.data is not None or image.size:
        return image.data
    again = "run the stage again, which examines it again"
    try:
        data = image.raw.read_bytes()
    except OSError as error:
        raise UserError(f"{image.raw}: cannot be read again: {error.strerror}", fix=again) from None
    if (found := hashlib.sha256(data).hexdigest()) != image.row["sha256"]:
        raise UserError(
            f"{image.raw}: the file has changed since the stage examined it",
            expected=f"SHA-256 {image.row['sha256']}",
            found=f"SHA-256 {found}",
            fix=again,
        )
    return data


def _write_rejected(parts: Sequence[Part], folder: Path) -> Totals:
    """Write the list of rejections with their reasons, and the list of files without an image."""
    totals = Totals(files=sum(len(part.files) for part in parts))
    with (
        (folder / REJECTED_FILE).open("w", encoding="utf-8", newline="") as rejected,
        (folder / UNDETECTED_FILE).open("w", encoding="utf-8", newline="") as undetected,
    ):
        rejected_rows = csv.writer(rejected, lineterminator="\n")
        undetected_rows = csv.writer(undetected, lineterminator="\n")
        rejected_rows.writerow(REJECTED_COLUMNS)
        undetected_rows.writerow(UNDETECTED_COLUMNS)
        for record, extraction in _extractions(parts):
            totals.images += len(extraction.crops)
            if not extraction.crops:
                totals.rejected += 1
                totals.reasons.update(rejection.reason for rejection in extraction.rejections)
                values = [getattr(record, name) for name in UNDETECTED_COLUMNS]
                undetected_rows.writerow([printable_path(str(value)) for value in values])
            else:
                totals.frames += len(extraction.rejections)
            for rejection in extraction.rejections:
                frame = "" if rejection.frame < 0 else rejection.frame
                rejected_rows.writerow([printable_path(record.path), frame, rejection.reason])
    return totals


def _extractions(parts: Sequence[Part]) -> Iterator[tuple[RawFile, Extraction]]:
    for part in parts:
        with ArchiveReader(part.archive) as archive:
            for file, extraction in zip(part.files, archive.extractions, strict=True):
                yield file.record, extraction


def _check(source: str, totals: Totals, params: FacesParams, rejected: Path) -> None:
    if totals.images and totals.rejected <= params.max_rejected * totals.files:
        return
    problem = (
        f"{totals.rejected} of {totals.files} files are rejected"
        if totals.images
        else "no file gave an image"
    )
    raise UserError(
        f"source {source!r}: {problem}",
        expected=f"at most {params.max_rejected:.0%} (faces.max_rejected)" if totals.images else None,
        found=totals.common_reasons(),
        fix=f"{rejected} lists every file with its reason: fix or remove the files, or "
        + (
            "raise faces.max_rejected; finished files are not processed again"
            if totals.images
            else f"set `crop: whole` for {source!r} in params.yaml if its pictures show no faces"
        ),
    )


def _row(source: str, file: SourceFile, extraction: Extraction, crop: Crop) -> dict[str, Any]:
    """An image's row of the index, without the columns of its place."""
    record, metadata = file.record, extraction.metadata
    return {
        "key": frame_key(file.key, crop.frame, crop.track),
        "sha256": crop.stored.sha256,
        "source": source,
        "method": record.method,
        "domain": record.domain,
        "label": record.label,
        "group": printable_path(record.group),
        "own_split": record.own_split,
        "identities": ";".join(record.identities),
        "video": printable_path(record.video),
        "frame": crop.frame,
        "track": crop.track,
        "bridged": crop.interpolated,
        "box": list(crop.box),
        "landmarks": list(crop.landmarks),
        "detector_score": float("nan") if crop.score is None else crop.score,
        "raw_path": printable_path(record.path),
        "raw_sha256": metadata.sha256,
        "raw_format": metadata.format,
        "raw_width": metadata.width,
        "raw_height": metadata.height,
        "jpeg_quality": metadata.jpeg_quality,
        "chroma_sampling": metadata.chroma_sampling,
        "raw_profile": metadata.profile,
        "raw_transfer": metadata.transfer,
        "raw_primaries": metadata.primaries,
        "raw_pixel_aspect": metadata.pixel_aspect,
        "raw_frame_rate": metadata.frame_rate,
        "raw_frames": metadata.frames,
        "instance": record.instance,
    }


def _publish(building: Path, out: Path) -> None:
    """Move the finished folder to its place as a whole, so that an incomplete folder is never used."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.exists():  # moved away first, so that a kill during the deletion leaves no part of it here
        old = out.with_name(f"{UNFINISHED}{out.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        out.rename(old)
    try:
        building.rename(out)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with atomic_directory(out) as folder:
            shutil.copytree(building, folder, dirs_exist_ok=True)
    shutil.rmtree(out.with_name(f"{UNFINISHED}{out.name}.old"), ignore_errors=True)

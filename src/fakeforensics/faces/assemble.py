"""Finished extractions become shards, an index and a list of rejections, in a fixed order."""

from __future__ import annotations

import csv
import errno
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from fakeforensics.errors import UserError
from fakeforensics.faces.results import Crop, Extraction, read_crops, read_extraction
from fakeforensics.files import UNFINISHED, atomic_directory, printable_path, write_json
from fakeforensics.images.index import (
    DECISIONS_FILE,
    INDEX_FILE,
    INDEX_SCHEMA,
    REJECTED_COLUMNS,
    REJECTED_FILE,
    UNDETECTED_COLUMNS,
    UNDETECTED_FILE,
    frame_key,
)
from fakeforensics.images.shards import Location, ShardWriter
from fakeforensics.params import FacesParams
from fakeforensics.progress import track
from fakeforensics.sources.base import RawFile, decisions
from fakeforensics.sums import write_sums

_ROWS_PER_GROUP = 10_000
_REASONS_SHOWN = 5


class SourceFile(NamedTuple):
    """A raw file, the key of its images, and where its extraction is kept until the source is finished."""

    record: RawFile
    key: str
    archive: Path


@dataclass
class Totals:
    """What a source gave."""

    files: int = 0
    images: int = 0
    rejected: int = 0  # files without an image
    frames: int = 0  # rejected frames of other files
    reasons: Counter[str] = field(default_factory=Counter)  # of rejected files

    def summary(self) -> str:
        """One line for the terminal."""
        return (
            f"{self.images} images from {self.files - self.rejected} of {self.files} files, "
            f"{self.rejected} files and {self.frames} single frames rejected"
        )

    def common_reasons(self) -> str:
        """What rejected files most often, with how often."""
        return "; ".join(f"{count} x {reason}" for reason, count in self.reasons.most_common(_REASONS_SHOWN))


def assemble(
    source: str, files: Sequence[SourceFile], params: FacesParams, building: Path, out: Path
) -> Totals:
    """Write `out` from the finished extractions of `files`.

    Args:
        source: The source's name.
        files: In the order in which images are to be stored.
        params: The `faces` group.
        building: A folder for the unfinished result.
        out: The folder to write; it appears, or is replaced, as a whole.

    Raises:
        UserError: If nothing is readable or more than `params.max_rejected` of the files are rejected.
    """
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    totals = _write_rejected(files, building)
    _check(source, totals, params, building / REJECTED_FILE)
    with (
        ShardWriter(building, params.shard_mb * 2**20) as shards,
        pq.ParquetWriter(
            building / INDEX_FILE, INDEX_SCHEMA, compression="zstd", write_page_checksum=True
        ) as index,
    ):
        rows: list[dict[str, Any]] = []
        for file in track(files, f"storing {source}", "files", len(files)):
            extraction = read_extraction(file.archive)
            crops = extraction.crops
            for crop, data in zip(crops, read_crops(file.archive, crops), strict=True):
                key = frame_key(file.key, crop.frame, crop.track)
                location = shards.add(key + crop.suffix, data)
                rows.append(_row(source, file.record, extraction, crop, key, location))
            if len(rows) >= _ROWS_PER_GROUP:
                index.write_table(pa.Table.from_pylist(rows, INDEX_SCHEMA))
                rows = []
        if rows:
            index.write_table(pa.Table.from_pylist(rows, INDEX_SCHEMA))
    write_json(building / DECISIONS_FILE, decisions(file.record for file in files))
    # The shards' images have their digests in the index.
    write_sums(building, (INDEX_FILE, DECISIONS_FILE, REJECTED_FILE, UNDETECTED_FILE))
    _publish(building, out)
    return totals


def _write_rejected(files: Sequence[SourceFile], folder: Path) -> Totals:
    """List what was rejected and why, and the files that gave no image at all."""
    totals = Totals(files=len(files))
    with (
        (folder / REJECTED_FILE).open("w", encoding="utf-8", newline="") as rejected,
        (folder / UNDETECTED_FILE).open("w", encoding="utf-8", newline="") as undetected,
    ):
        rejected_rows = csv.writer(rejected, lineterminator="\n")
        undetected_rows = csv.writer(undetected, lineterminator="\n")
        rejected_rows.writerow(REJECTED_COLUMNS)
        undetected_rows.writerow(UNDETECTED_COLUMNS)
        for file in files:
            extraction = read_extraction(file.archive)
            totals.images += len(extraction.crops)
            if not extraction.crops:
                totals.rejected += 1
                totals.reasons.update(rejection.reason for rejection in extraction.rejections)
                values = [getattr(file.record, name) for name in UNDETECTED_COLUMNS]
                undetected_rows.writerow([printable_path(str(value)) for value in values])
            else:
                totals.frames += len(extraction.rejections)
            for rejection in extraction.rejections:
                frame = "" if rejection.frame < 0 else rejection.frame
                rejected_rows.writerow([printable_path(file.record.path), frame, rejection.reason])
    return totals


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
        fix=f"{rejected} lists every file with its reason: fix or remove the files, or raise "
        "faces.max_rejected; finished files are not processed again",
    )


def _row(
    source: str, record: RawFile, extraction: Extraction, crop: Crop, key: str, location: Location
) -> dict[str, Any]:
    metadata = extraction.metadata
    return {
        "key": key,
        **location._asdict(),
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
    """Move the finished folder to its place as a whole, so that no half of it is ever used."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.exists():  # moved away first: a kill while it is being deleted must not leave a part of it
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

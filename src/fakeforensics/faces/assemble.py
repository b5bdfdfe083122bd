"""Finished parts become shards, an index and a list of rejections, in an order that nothing disturbs."""

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
from fakeforensics.faces.part import Contents, Crop, Part
from fakeforensics.faces.scratch import Scratch
from fakeforensics.images.index import (
    INDEX_FILE,
    INDEX_SCHEMA,
    REJECTED_COLUMNS,
    REJECTED_FILE,
    UNDETECTED_COLUMNS,
    UNDETECTED_FILE,
    frame_key,
    printable_path,
)
from fakeforensics.images.shards import Location, ShardWriter
from fakeforensics.params import FacesParams

_ROWS_A_GROUP = 10_000
_REASONS_SHOWN = 5


class Item(NamedTuple):
    """A raw file and the key of what it gives.

    Args:
        key: From `storage.keys.image_keys`.
        record: Its record.
    """

    key: str
    record: Any


@dataclass
class Totals:
    """What a source gave.

    Args:
        files: Raw files.
        images: Stored images.
        rejected: Files that gave none.
        frames: Single frames without a face in files that gave some.
        reasons: How often each reason rejected a file.
    """

    files: int = 0
    images: int = 0
    rejected: int = 0
    frames: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def summary(self) -> str:
        """One line for the terminal."""
        return (
            f"{self.images} images from {self.files - self.rejected} of {self.files} files, "
            f"{self.rejected} files and {self.frames} single frames rejected"
        )

    def common_reasons(self) -> str:
        """What rejected files most often, with how often."""
        return "; ".join(f"{count} x {reason}" for reason, count in self.reasons.most_common(_REASONS_SHOWN))


def assemble(source: str, items: Sequence[Item], scratch: Scratch, params: FacesParams, out: Path) -> Totals:
    """Write `out` from the finished parts of `items`.

    Args:
        source: The source's name.
        items: In the order in which images are to be stored.
        scratch: Where the parts are.
        params: The `faces` group.
        out: The folder to write; it appears, or is replaced, as a whole.

    Raises:
        UserError: If nothing is readable or more than `params.max_rejected` of the files are rejected.
    """
    building = scratch.folder / "out"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    totals = Totals(files=len(items))
    undetected = _write_rejected(items, scratch, building / REJECTED_FILE, totals)
    _write_undetected(undetected, building / UNDETECTED_FILE)
    _check(source, totals, params, building / REJECTED_FILE)
    with (
        ShardWriter(building, params.shard_mb * 2**20) as shards,
        pq.ParquetWriter(building / INDEX_FILE, INDEX_SCHEMA, compression="zstd") as index,
    ):
        rows: list[dict[str, Any]] = []
        for item in items:
            part = Part(scratch.part(item.record.path))
            contents = part.contents()
            for crop, data in zip(contents.crops, part.images(contents.crops), strict=True):
                key = frame_key(item.key, crop.frame, crop.track)
                location = shards.add(key + crop.suffix, data)
                rows.append(_row(source, item.record, contents, crop, key, location))
            if len(rows) >= _ROWS_A_GROUP:
                index.write_table(pa.Table.from_pylist(rows, INDEX_SCHEMA))
                rows = []
        if rows:
            index.write_table(pa.Table.from_pylist(rows, INDEX_SCHEMA))
    _publish(building, out)
    return totals


def _write_rejected(items: Sequence[Item], scratch: Scratch, path: Path, totals: Totals) -> list[Any]:
    """Write what was rejected and why; the records of the files that gave no image at all."""
    undetected = []
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(REJECTED_COLUMNS)
        for item in items:
            contents = Part(scratch.part(item.record.path)).contents()
            totals.images += len(contents.crops)
            if not contents.crops:
                undetected.append(item.record)
                totals.rejected += 1
                totals.reasons.update(rejection.reason for rejection in contents.rejections)
            else:
                totals.frames += len(contents.rejections)
            for rejection in contents.rejections:
                frame = "" if rejection.frame < 0 else rejection.frame
                writer.writerow([printable_path(item.record.path), frame, rejection.reason])
    return undetected


def _write_undetected(records: Sequence[Any], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(UNDETECTED_COLUMNS)
        for record in records:
            row = {name: getattr(record, name) for name in UNDETECTED_COLUMNS}
            writer.writerow([printable_path(str(value)) for value in row.values()])


def _check(source: str, totals: Totals, params: FacesParams, rejected: Path) -> None:
    if totals.images and totals.rejected <= params.max_rejected * totals.files:
        return
    what = (
        f"{totals.rejected} of {totals.files} files are rejected"
        if totals.images
        else "no file gave an image"
    )
    raise UserError(
        f"source {source!r}: {what}",
        expected=f"at most {params.max_rejected:.0%} (faces.max_rejected)" if totals.images else None,
        found=totals.common_reasons(),
        fix=f"{rejected} lists every file with its reason: mend or remove the files, or raise "
        "faces.max_rejected; finished files are not done twice",
    )


def _row(
    source: str, record: Any, contents: Contents, crop: Crop, key: str, location: Location
) -> dict[str, Any]:
    facts = contents.facts
    return {
        "key": key,
        **location._asdict(),
        "sha256": crop.blob.sha256,
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
        "bridged": crop.bridged,
        "box": list(crop.box),
        "landmarks": list(crop.landmarks),
        "detector_score": float("nan") if crop.score is None else crop.score,
        "raw_path": printable_path(record.path),
        "raw_sha256": facts.sha256,
        "raw_format": facts.format,
        "raw_width": facts.width,
        "raw_height": facts.height,
        "jpeg_quality": facts.jpeg_quality,
        "chroma_sampling": facts.chroma_sampling,
        "instance": record.instance,
    }


def _publish(building: Path, out: Path) -> None:
    """Put the finished folder in its place at once, so that no half of it is ever taken for the whole."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.exists():
        shutil.rmtree(out)
    try:
        building.rename(out)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        beside = out.with_name(f".{out.name}.partial")
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(building, beside)
        beside.rename(out)

"""What raw files gave: crops, metadata and rejections, kept as zip files that survive a kill."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

from fakeforensics.faces.still import FileMetadata
from fakeforensics.faces.video import Rgb
from fakeforensics.images.codec import decode, encode_png

_CONTENTS = "contents.json"


_RAW = "raw"


class StoredBytes(NamedTuple):
    """Where the bytes of a crop are kept.

    Args:
        name: Its name in the store.
        sha256: Of its bytes; "" if it is in memory.
        size: Number of its bytes; 0 if it is in memory.
    """

    name: str
    sha256: str
    size: int = 0

    @property
    def is_raw(self) -> bool:
        """Whether its bytes are those of the raw file, which the store does not hold again."""
        return Path(self.name).stem == _RAW


class Crop(NamedTuple):
    """One crop, or one whole image.

    Args:
        stored: Where its bytes are.
        frame: 0-based, -1 for a still.
        track: 0 is the main person.
        interpolated: Whether its box is interpolated.
        box: Left, top, right, bottom; empty for a whole image.
        landmarks: x0, y0, x1, y1, …; empty for a whole image.
        score: The detector's, None for a whole image and an interpolated box.
    """

    stored: StoredBytes
    frame: int = -1
    track: int = 0
    interpolated: bool = False
    box: tuple[float, ...] = ()
    landmarks: tuple[float, ...] = ()
    score: float | None = None

    @property
    def suffix(self) -> str:
        """Of the stored file: `.png` or `.jpg`."""
        return Path(self.stored.name).suffix


class Rejection(NamedTuple):
    """Why a file (frame -1), or one frame of it, gave no crop."""

    reason: str
    frame: int = -1


class Extraction(NamedTuple):
    """What a raw file gave: crops sorted by frame, then track, and rejections sorted by frame."""

    metadata: FileMetadata
    crops: list[Crop]
    rejections: list[Rejection]


class CropStore(Protocol):
    """Takes crops as they are made, so that memory need not grow with a clip's length."""

    def add(self, data: bytes, suffix: str) -> StoredBytes:
        """Keep the bytes of one crop."""

    def add_pixels(self, pixels: Rgb) -> StoredBytes:
        """Keep the pixels of one crop; as PNG where it is written to a file."""

    def add_raw(self, data: bytes, suffix: str) -> StoredBytes:
        """Take the whole of a raw file as a crop."""


class MemoryStore(dict[str, bytes | Rgb]):
    """Crops by name: bytes of files, or pixels, which are encoded when their bytes are asked for."""

    def add(self, data: bytes, suffix: str) -> StoredBytes:
        """Keep the bytes of one crop."""
        return self._add(data, suffix)

    def add_pixels(self, pixels: Rgb) -> StoredBytes:
        """Keep the pixels of one crop."""
        return self._add(pixels, ".png")

    def add_raw(self, data: bytes, suffix: str) -> StoredBytes:
        """Keep the bytes of a raw file."""
        return self._add(data, suffix)

    def _add(self, crop: bytes | Rgb, suffix: str) -> StoredBytes:
        stored = StoredBytes(f"{len(self):06d}{suffix}", "")
        self[stored.name] = crop
        return stored


def stored_bytes(crop: bytes | Rgb) -> bytes:
    """The bytes of a crop as the faces stage stores it."""
    return crop if isinstance(crop, bytes) else encode_png(crop)


def stored_pixels(crop: bytes | Rgb) -> Rgb:
    """The pixels of a crop."""
    return decode(crop) if isinstance(crop, bytes) else crop


class ArchiveWriter:
    """Writes the crops of some raw files into an uncompressed zip file."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def add(self, data: bytes, suffix: str) -> StoredBytes:
        """Append the bytes of one crop."""
        name = f"{len(self._archive.filelist):06d}{suffix}"
        self._archive.writestr(zipfile.ZipInfo(name), data)
        return StoredBytes(name, hashlib.sha256(data).hexdigest(), len(data))

    def add_pixels(self, pixels: Rgb) -> StoredBytes:
        """Append the pixels of one crop as PNG."""
        return self.add(encode_png(pixels), ".png")

    def add_raw(self, data: bytes, suffix: str) -> StoredBytes:
        """Note that a crop is the whole of a raw file, which can be read again."""
        return StoredBytes(f"{_RAW}{suffix}", hashlib.sha256(data).hexdigest(), len(data))

    def finish(self, extractions: Sequence[Extraction]) -> None:
        """Append the table of contents: what each file gave."""
        tables = [extraction._asdict() for extraction in extractions]
        self._archive.writestr(zipfile.ZipInfo(_CONTENTS), json.dumps(tables))


class ArchiveReader:
    """Reads a finished archive; a context manager.

    Attributes:
        extractions: What each file gave.
    """

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)
        self.extractions = [_extraction(table) for table in json.loads(self._archive.read(_CONTENTS))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def read(self, stored: StoredBytes) -> bytes:
        """The bytes of a crop that is not the whole of a raw file."""
        return self._archive.read(stored.name)


@contextmanager
def writing_archive(path: Path) -> Iterator[ArchiveWriter]:
    """Write an archive that appears under its name only when complete.

    It is not synced: after a power failure its checksums tell that it must be made again.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            yield ArchiveWriter(archive)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def is_whole(path: Path) -> bool:
    """Whether an archive exists and all its checksums are right."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _CONTENTS in archive.namelist() and archive.testzip() is None
    except Exception:  # noqa: BLE001 (zipfile raises a dozen kinds of errors on damaged files)
        return False


def _extraction(table: Mapping[str, Any]) -> Extraction:
    crops = [
        Crop(StoredBytes(*stored), frame, track, interpolated, tuple(box), tuple(landmarks), score)
        for stored, frame, track, interpolated, box, landmarks, score in table["crops"]
    ]
    rejections = [Rejection(*rejection) for rejection in table["rejections"]]
    return Extraction(FileMetadata(*table["metadata"]), crops, rejections)

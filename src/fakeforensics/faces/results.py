"""The results of raw files (crops, metadata and rejections), and zip archives that keep them after a kill."""

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
    """The place of a crop's bytes in a store.

    Args:
        name: The crop's name in the store.
        sha256: SHA-256 of its bytes; "" if it is in memory.
        size: Number of its bytes; 0 if it is in memory.
    """

    name: str
    sha256: str
    size: int = 0

    @property
    def is_raw(self) -> bool:
        """Whether the bytes are those of the raw file, which the store does not duplicate."""
        return Path(self.name).stem == _RAW


class Crop(NamedTuple):
    """One crop, or one whole image.

    Args:
        stored: The place of its bytes.
        frame: Frame number from 0; -1 for a still.
        track: Number of the person; 0 is the main person.
        interpolated: Whether its box is interpolated.
        box: Left, top, right, bottom in pixels of the upright frame; empty for a whole image.
        landmarks: x0, y0, x1, y1, … in pixels of the upright frame; empty for a whole image.
        score: The detector's score; None for a whole image and for an interpolated box.
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
        """Suffix of the stored file: `.png` or `.jpg`."""
        return Path(self.stored.name).suffix


class Rejection(NamedTuple):
    """The reason why a file (frame -1), or one of its frames, gave no crop."""

    reason: str
    frame: int = -1


class Extraction(NamedTuple):
    """The result of a raw file: crops sorted by frame and track, and rejections sorted by frame."""

    metadata: FileMetadata
    crops: list[Crop]
    rejections: list[Rejection]


class CropStore(Protocol):
    """Receives crops one by one, so that memory does not grow with a clip's length."""

    def add(self, data: bytes, suffix: str) -> StoredBytes:
        """Store the bytes of one crop."""

    def add_pixels(self, pixels: Rgb) -> StoredBytes:
        """Store the pixels of one crop; a file stores them as PNG."""

    def add_raw(self, data: bytes, suffix: str) -> StoredBytes:
        """Add a whole raw file as a crop."""


class MemoryStore(dict[str, bytes | Rgb]):
    """Crops in memory by name: bytes of files, or pixels that are not encoded yet."""

    def add(self, data: bytes, suffix: str) -> StoredBytes:
        """Store the bytes of one crop."""
        return self._add(data, suffix)

    def add_pixels(self, pixels: Rgb) -> StoredBytes:
        """Store the pixels of one crop."""
        return self._add(pixels, ".png")

    def add_raw(self, data: bytes, suffix: str) -> StoredBytes:
        """Store the bytes of a raw file."""
        return self._add(data, suffix)

    def _add(self, crop: bytes | Rgb, suffix: str) -> StoredBytes:
        stored = StoredBytes(f"{len(self):06d}{suffix}", "")
        self[stored.name] = crop
        return stored


def stored_bytes(crop: bytes | Rgb) -> bytes:
    """The bytes of a crop that the faces stage stores."""
    return crop if isinstance(crop, bytes) else encode_png(crop)


def stored_pixels(crop: bytes | Rgb) -> Rgb:
    """The pixels of a crop."""
    return decode(crop) if isinstance(crop, bytes) else crop


class ArchiveWriter:
    """Writes the crops of raw files into an uncompressed zip file."""

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
        """Record that a crop is a whole raw file, without storing its bytes."""
        return StoredBytes(f"{_RAW}{suffix}", hashlib.sha256(data).hexdigest(), len(data))

    def finish(self, extractions: Sequence[Extraction]) -> None:
        """Append the table of contents: the result of each file."""
        tables = [extraction._asdict() for extraction in extractions]
        self._archive.writestr(zipfile.ZipInfo(_CONTENTS), json.dumps(tables))


class ArchiveReader:
    """Reads a finished archive; a context manager.

    Attributes:
        extractions: The result of each file.
    """

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)
        self.extractions = [_extraction(table) for table in json.loads(self._archive.read(_CONTENTS))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def read(self, stored: StoredBytes) -> bytes:
        """The bytes of a crop that is not a whole raw file."""
        return self._archive.read(stored.name)


@contextmanager
def writing_archive(path: Path) -> Iterator[ArchiveWriter]:
    """Write an archive that appears under its name only when complete.

    The file is not synced to disk. After a power failure its checksums show whether it must be made again.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            yield ArchiveWriter(archive)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def is_whole(path: Path) -> bool:
    """Whether an archive exists and all its checksums are correct."""
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

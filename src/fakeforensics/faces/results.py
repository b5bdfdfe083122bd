"""What one raw file gave: crops, metadata and rejections, kept as a zip file that survives a kill."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from fakeforensics.faces.still import FileMetadata
from fakeforensics.faces.video import Rgb
from fakeforensics.images.codec import decode, encode_png

_CONTENTS = "contents.json"


class StoredBytes(NamedTuple):
    """Where a crop is kept: its name in the store, and the SHA-256 of its bytes; empty if it is in memory."""

    name: str
    sha256: str


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


class MemoryStore(dict[str, bytes | Rgb]):
    """Crops by name: bytes of files, or pixels, which are encoded when their bytes are asked for."""

    def add(self, data: bytes, suffix: str) -> StoredBytes:
        """Keep the bytes of one crop."""
        return self._add(data, suffix)

    def add_pixels(self, pixels: Rgb) -> StoredBytes:
        """Keep the pixels of one crop."""
        return self._add(pixels, ".png")

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
    """Writes crops into an uncompressed zip file."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def add(self, data: bytes, suffix: str) -> StoredBytes:
        """Append the bytes of one crop."""
        name = f"{len(self._archive.filelist):06d}{suffix}"
        self._archive.writestr(zipfile.ZipInfo(name), data)
        return StoredBytes(name, hashlib.sha256(data).hexdigest())

    def add_pixels(self, pixels: Rgb) -> StoredBytes:
        """Append the pixels of one crop as PNG."""
        return self.add(encode_png(pixels), ".png")

    def finish(self, extraction: Extraction) -> None:
        """Append the table of contents."""
        self._archive.writestr(zipfile.ZipInfo(_CONTENTS), json.dumps(extraction._asdict()))


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


def read_extraction(path: Path) -> Extraction:
    """The table of contents of a finished archive."""
    with zipfile.ZipFile(path) as archive:
        table = json.loads(archive.read(_CONTENTS))
    crops = [
        Crop(StoredBytes(*stored), frame, track, interpolated, tuple(box), tuple(landmarks), score)
        for stored, frame, track, interpolated, box, landmarks, score in table["crops"]
    ]
    rejections = [Rejection(*rejection) for rejection in table["rejections"]]
    return Extraction(FileMetadata(*table["metadata"]), crops, rejections)


def read_crops(path: Path, crops: list[Crop]) -> Iterator[bytes]:
    """The bytes of some crops of an archive, in turn."""
    with zipfile.ZipFile(path) as archive:
        for crop in crops:
            yield archive.read(crop.stored.name)

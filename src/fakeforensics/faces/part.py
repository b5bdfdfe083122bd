"""What one raw file gave, on disk: crops first, then a table of contents, then a checksum.

A part is the unit of work that survives a kill: it is whole if its last bytes say so.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from fakeforensics.faces.facts import Facts

_FOOTER = struct.Struct(">8sQ32s")
_MAGIC = b"ffpart01"


class Blob(NamedTuple):
    """One image's bytes inside a part."""

    offset: int
    size: int
    sha256: str


@dataclass(frozen=True)
class Crop:
    """One stored image.

    Args:
        blob: Its bytes.
        suffix: ".png" or ".jpg".
        frame: 0-based, -1 for a still.
        track: 0 is the main person.
        bridged: Whether its box is interpolated.
        box: Left, top, right, bottom; empty for a whole image.
        landmarks: x0, y0, x1, y1, …; empty for a whole image.
        score: The detector's, None for a whole or bridged image.
    """

    blob: Blob
    suffix: str
    frame: int = -1
    track: int = 0
    bridged: bool = False
    box: tuple[float, ...] = ()
    landmarks: tuple[float, ...] = ()
    score: float | None = None


@dataclass(frozen=True)
class Rejection:
    """A file, or one frame of it, that gave no crop, and why.

    Args:
        reason: For the user.
        frame: 0-based; -1 for the whole file.
    """

    reason: str
    frame: int = -1


@dataclass(frozen=True)
class Contents:
    """What a raw file gave.

    Args:
        facts: Of the raw file.
        crops: Sorted by frame, then track.
        rejections: Sorted by frame.
    """

    facts: Facts
    crops: Sequence[Crop]
    rejections: Sequence[Rejection]


class PartWriter:
    """Collects the crops of one raw file on disk, so that memory does not grow with its length."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._size = 0

    def add(self, data: bytes) -> Blob:
        """Append one image's bytes."""
        blob = Blob(self._size, len(data), hashlib.sha256(data).hexdigest())
        self._write(data)
        return blob

    def finish(self, contents: Contents) -> None:
        """Append the table of contents and the checksum."""
        table = json.dumps(
            {
                "facts": contents.facts._asdict(),
                "crops": [vars(crop) for crop in contents.crops],
                "rejections": [vars(rejection) for rejection in contents.rejections],
            }
        ).encode()
        self._write(table)
        self._file.write(_FOOTER.pack(_MAGIC, len(table), self._digest.digest()))

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self._size += len(data)


@contextmanager
def writing_part(path: Path) -> Iterator[PartWriter]:
    """Write a part that appears under its name only when complete.

    It is not synced: after a power failure its checksum tells that it must be made again.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            yield PartWriter(file)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class Part:
    """A finished part.

    Args:
        path: Its file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def is_whole(self) -> bool:
        """Whether the part exists and its checksum holds."""
        try:
            with self._path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size - _FOOTER.size
                if size < 0:
                    return False
                digest = hashlib.sha256()
                while size > 0:
                    block = file.read(min(size, 1 << 20))
                    if not block:
                        return False
                    digest.update(block)
                    size -= len(block)
                magic, _, stored = _FOOTER.unpack(file.read(_FOOTER.size))
        except FileNotFoundError:
            return False
        return bool(magic == _MAGIC and stored == digest.digest())

    def contents(self) -> Contents:
        """The table of contents."""
        with self._path.open("rb") as file:
            file.seek(-_FOOTER.size, os.SEEK_END)
            _, length, _ = _FOOTER.unpack(file.read(_FOOTER.size))
            file.seek(-_FOOTER.size - length, os.SEEK_END)
            table = json.loads(file.read(length))
        return Contents(
            Facts(**table["facts"]),
            [_crop(item) for item in table["crops"]],
            [Rejection(**item) for item in table["rejections"]],
        )

    def images(self, crops: Sequence[Crop]) -> Iterator[bytes]:
        """The bytes of each crop, in turn."""
        with self._path.open("rb") as file:
            for crop in crops:
                file.seek(crop.blob.offset)
                yield file.read(crop.blob.size)


def _crop(item: dict[str, Any]) -> Crop:
    item["blob"] = Blob(*item["blob"])
    item["box"], item["landmarks"] = tuple(item["box"]), tuple(item["landmarks"])
    return Crop(**item)

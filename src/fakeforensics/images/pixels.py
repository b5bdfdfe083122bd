"""Stores decoded images on disk, so that all detectors, epochs and seeds decode each image only once.

Each folder `.scratch/pixels/<decoder>/<part>/` holds the pixels of about a thousand images one after the
other (`pixels.bin`, mapped into memory) and a table of them (`table.npy`). Images are identified by the
SHA-256 of their stored bytes, so that protocols share them. A part is written as a whole and never changed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int, Integer, UInt8

from fakeforensics.code import code_hashes
from fakeforensics.files import UNFINISHED, atomic_directory, hold
from fakeforensics.images.reader import ImageReader
from fakeforensics.images.rows import DIGEST_BYTES, Rows, smallest
from fakeforensics.lookahead import look_ahead
from fakeforensics.progress import Progress

log = logging.getLogger(__name__)

_PIXELS, _TABLE = "pixels.bin", "table.npy"
_PART_BYTES = 256 * 2**20  # a killed process has to decode at most this much again
_ENTRY = np.dtype(
    [
        ("digest", np.uint8, DIGEST_BYTES),
        ("offset", np.int64),
        ("height", np.int32),
        ("width", np.int32),
        ("crc", np.uint32),
    ]
)
_SAMPLE = 32  # images that are decoded to estimate the size of all images
_AHEAD = 32  # images that are decoded at the same time
_WORTH_A_WORD = 1e9  # bytes; decoding more than this is logged
_SPARE = 2**30  # bytes of the disk that stay free
_UNUSED = 24 * 3600  # seconds without use after which a part may be deleted


class Part:
    """A file of pixels and its table, both mapped into memory; readable even after the files are deleted.

    Args:
        folder: The folder of both files.

    Raises:
        OSError: If a file does not exist.
        ValueError: If a file is damaged.

    Attributes:
        table: One row per image.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Views are faster: a slice of a memmap is a new memmap, which takes longer than copying a crop.
        self.table: np.ndarray = np.load(folder / _TABLE, mmap_mode="r").view(np.ndarray)
        self._pixels = np.memmap(folder / _PIXELS, np.uint8, mode="r").view(np.ndarray)
        if self.table.dtype != _ENTRY or not len(self.table):
            raise ValueError("not a table of images")
        # Reading one number of a column is faster than reading one field of a row.
        self._begins, self._heights, self._widths = (
            self.table[name] for name in ("offset", "height", "width")
        )

    def image(self, number: int) -> UInt8[np.ndarray, "height width 3"]:
        """The pixels of an image, not copied.

        Raises:
            ValueError: If the table is damaged.
        """
        begin, height, width = (column.item(number) for column in (self._begins, self._heights, self._widths))
        return self._pixels[begin : begin + height * width * 3].reshape(height, width, 3)

    def is_sound(self, number: int) -> bool:
        """Whether an image's pixels are unchanged since they were written."""
        try:
            pixels = self.image(number)
        except ValueError:
            return False
        return zlib.crc32(pixels.data) == int(self.table[number]["crc"])

    def __reduce__(self) -> tuple[type[Part], tuple[Path]]:
        return Part, (self.folder,)


class Pixels:
    """The decoded images of a manifest's rows.

    Args:
        parts: The parts that hold them.
        files: The number of each row's part in `parts`.
        numbers: The number of each row's image in its part.
    """

    def __init__(
        self, parts: list[Part], files: Integer[np.ndarray, " rows"], numbers: Integer[np.ndarray, " rows"]
    ) -> None:
        self._parts, self._files, self._numbers = parts, files, numbers

    def image(self, row: int) -> UInt8[np.ndarray, "height width 3"]:
        """The image of a row, not copied."""
        file, number = int(self._files[row]), int(self._numbers[row])
        return self._parts[file].image(number)

    def is_sound(self, row: int) -> bool:
        """Whether a row's image is unchanged since it was written.

        A damaged part is deleted, so that the next process decodes its images again.
        """
        part = self._parts[self._files[row]]
        if part.is_sound(self._numbers[row]):
            return True
        if part.folder.exists():
            log.warning("%s: damaged and now deleted; the images are decoded again", part.folder)
            shutil.rmtree(part.folder, ignore_errors=True)
        return False


class PixelStore:
    """Decodes each image once and stores its pixels.

    Args:
        folder: The folder of the store.
        disk_gb: The maximum size of the store in gigabytes (1e9 bytes).
    """

    def __init__(self, folder: Path, disk_gb: float) -> None:
        decoder = {
            "code": code_hashes("fakeforensics.images.codec"),
            "opencv": version("opencv-python-headless"),
            "entry": _ENTRY.descr,
        }
        digits = hashlib.sha256(json.dumps(decoder, sort_keys=True).encode()).hexdigest()
        self._root = folder
        self._folder = folder / digits[:16]
        self._most = int(disk_gb * 1e9)

    def open(self, rows: Rows, images_root: Path) -> Pixels | None:
        """The pixels of a manifest's images; images that are not stored yet are decoded first.

        Args:
            rows: The manifest.
            images_root: The folder of all sources' images.

        Returns:
            None if the pixels exceed the store's size or the free disk space; images are then decoded when
            they are needed.

        Raises:
            UserError: If an image cannot be read.
        """
        if not self._most or not len(rows):
            return None
        found, missing = self._find(rows)
        if len(missing):
            with hold(self._root / ".lock", "the decoding of images", wait=True):
                found, missing = self._find(rows)  # another process may have decoded them meanwhile
                if len(missing) and not self._add(rows, missing, ImageReader(images_root)):
                    return None
            found, missing = self._find(rows)
        return None if len(missing) else found

    def _find(self, rows: Rows) -> tuple[Pixels, Int[np.ndarray, " missing"]]:
        """The stored images, and one row of each image that is not stored."""
        parts, digests = [], []
        for folder in _finished(self._folder.glob("*/")):
            try:
                part = Part(folder)
            except (OSError, ValueError, EOFError) as error:
                log.warning("%s: damaged (%s); its images are decoded again", folder, error)
                shutil.rmtree(folder, ignore_errors=True)
                continue
            digests.append(np.ascontiguousarray(part.table["digest"]))
            parts.append(part)
        known = np.concatenate(digests) if digests else np.empty((0, DIGEST_BYTES), np.uint8)
        places = pc.index_in(_binary(rows.digests), value_set=_binary(known))
        absent = places.is_null().to_numpy(zero_copy_only=False)
        place = pc.fill_null(places, 0).to_numpy()
        begins = np.cumsum([0, *map(len, digests)])
        files = np.searchsorted(begins, place, side="right") - 1
        missing = np.flatnonzero(absent)
        _, first = np.unique(rows.digests[missing], axis=0, return_index=True)
        for number in np.unique(files[~absent]):
            with suppress(FileNotFoundError):  # another process has just deleted it
                os.utime(parts[number].folder)
        return Pixels(parts, smallest(files), smallest(place - begins[files])), missing[first]

    def _add(self, rows: Rows, missing: Int[np.ndarray, " missing"], reader: ImageReader) -> bool:
        """Decode images into new parts; returns whether all of them fit."""
        missing = rows.in_order_of_files(missing)
        sample = missing[np.linspace(0, len(missing) - 1, min(_SAMPLE, len(missing))).astype(int)]
        sizes = [rows.decode(row, rows.read(row, reader), compare=True).nbytes for row in sample.tolist()]
        needed = int(np.mean(sizes) * len(missing))
        room = self._make_room(rows, needed, len(missing))
        if room < needed:
            return False
        if needed > _WORTH_A_WORD:
            log.info("decoding %d images once into %.1f GB of %s", len(missing), needed / 1e9, self._folder)
        progress = Progress("decoding", "images", len(missing))
        with progress, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
            cv2.setNumThreads(1)
            begin = 0
            while begin < len(missing):
                name = hashlib.sha256(rows.digests[missing[begin:]].tobytes()).hexdigest()[:16]
                with atomic_directory(self._folder / name) as building:
                    with (building / _PIXELS).open("wb") as file:
                        table = _write(file, min(room, _PART_BYTES), rows, missing[begin:], reader, threads)
                    np.save(building / _TABLE, table)
                begin += len(table)
                room -= int(table["offset"][-1]) + _bytes(table[-1])
                progress.advance(len(table))
                if room <= 0 and begin < len(missing):
                    log.warning(
                        "the images are larger than estimated from a sample: the others are decoded on demand"
                    )
                    return False
        return True

    def _make_room(self, rows: Rows, needed: int, count: int) -> int:
        """The bytes that may be written; deletes parts that were not used lately if space is needed."""
        folders = sorted(_finished(self._root.glob("*/*/")), key=_last_use, reverse=True)
        used = {folder: _size(folder) for folder in folders}
        while sum(used.values()) + needed > self._most and folders:
            oldest = folders.pop()
            if _last_use(oldest) < time.time() - _UNUSED:
                shutil.rmtree(oldest, ignore_errors=True)
                del used[oldest]
        existing = next(
            path for path in (self._root.absolute(), *self._root.absolute().parents) if path.exists()
        )
        free = shutil.disk_usage(existing).free - _SPARE
        taken = sum(used.values())
        room = min(self._most - taken, free)
        if needed <= room:
            return room
        why = (
            f"{max(0, free) / 1e9:.1f} GB of the disk may be filled"
            if needed > free
            else f"`pixels.disk_gb` allows {self._most / 1e9:g} GB, of which others take {taken / 1e9:.1f}"
        )
        log.warning(
            "the pixels of %d of %d images need %.1f GB, but %s: images are decoded in each epoch",
            count,
            len(rows),
            needed / 1e9,
            why,
        )
        return room


def _write(
    file: BinaryIO,
    most: int,
    rows: Rows,
    chosen: Int[np.ndarray, " some"],
    reader: ImageReader,
    threads: ThreadPoolExecutor,
) -> np.ndarray:
    """Write images until `most` bytes are reached; returns their table."""
    entries, offset = [], 0
    for row, image in _decoded(rows, chosen, reader, threads):
        entries.append((rows.digests[row], offset, *image.shape[:2], zlib.crc32(image.data)))
        file.write(image.data)
        offset += image.nbytes
        if offset >= most:
            break
    return np.array(entries, _ENTRY)


def _decoded(
    rows: Rows, chosen: Int[np.ndarray, " some"], reader: ImageReader, threads: ThreadPoolExecutor
) -> Iterator[tuple[int, UInt8[np.ndarray, "_ _ 3"]]]:
    """Decode images in all threads, a few of them in advance of the consumer."""

    def submit(row: int) -> Future[UInt8[np.ndarray, "_ _ 3"]]:
        return threads.submit(rows.decode, row, rows.read(row, reader), compare=True)

    for row, image in look_ahead(submit, chosen.tolist(), _AHEAD, ordered=True):
        yield row, np.ascontiguousarray(image.result())


def _binary(digests: UInt8[np.ndarray, "some bytes"]) -> pa.Array:
    data = pa.py_buffer(np.ascontiguousarray(digests))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(DIGEST_BYTES), len(digests), [None, data])


def _bytes(entry: np.void) -> int:
    return int(entry["height"]) * int(entry["width"]) * 3


def _finished(folders: Iterable[Path]) -> list[Path]:
    """The folders that are not being written."""
    return sorted(folder for folder in folders if not folder.name.startswith(UNFINISHED))


def _last_use(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _size(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.iterdir())
    except FileNotFoundError:  # another process deleted it
        return 0

"""Writes and reads shards: uncompressed tar files whose bytes depend only on the images in them."""

from __future__ import annotations

import os
import tarfile
from collections import OrderedDict
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from fakeforensics.errors import UserError
from fakeforensics.reading import check_file

_BLOCK = 512
_OPEN_SHARDS = 64


class Location(NamedTuple):
    """The place of an image's bytes in a shard.

    Args:
        shard: The tar's file name.
        offset: The image's first byte in the tar.
        size: The image's length in bytes.
    """

    shard: str
    offset: int
    size: int


class ShardWriter:
    """Writes `shard-00000.tar`, `shard-00001.tar`, … into a folder.

    The same images in the same order give the same bytes, because time, owner and mode are fixed. A shard is
    padded, synced to disk and closed before the next one begins.

    Args:
        folder: An existing folder.
        shard_bytes: After a shard has reached this size in bytes, the next image begins a new shard.
    """

    def __init__(self, folder: Path, shard_bytes: int) -> None:
        self._folder = Path(folder)
        self._shard_bytes = shard_bytes
        self._count = 0
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._close()
        elif self._file is not None:
            self._file.close()

    def add(self, name: str, data: bytes) -> Location:
        """Append an image.

        Args:
            name: The image's name inside the tar, as safe as those of `index.image_keys`.
            data: The image's bytes.

        Returns:
            The place of the bytes.
        """
        if self._file is not None and self._file.tell() >= self._shard_bytes:
            self._close()
        if self._file is None:
            self._file = (self._folder / self._name()).open("wb")
        header = tarfile.TarInfo(name)
        header.size = len(data)
        header.mode = 0o644
        self._file.write(header.tobuf(format=tarfile.USTAR_FORMAT))
        offset = self._file.tell()
        self._file.write(data)
        self._file.write(bytes(-len(data) % _BLOCK))
        return Location(self._name(), offset, len(data))

    def _name(self) -> str:
        return f"shard-{self._count:05d}.tar"

    def _close(self) -> None:
        if self._file is None:
            return
        self._file.write(bytes(2 * _BLOCK))
        self._file.write(bytes(-self._file.tell() % tarfile.RECORDSIZE))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        self._count += 1


class ShardReader:
    """Reads single images from shards. Forked processes and threads may share a reader.

    It uses `pread`, which does not change the position in a file.

    Args:
        images_root: The folder of all sources' images, `data/images`.
    """

    def __init__(self, images_root: Path) -> None:
        self._root = Path(images_root)
        self._files: OrderedDict[tuple[str, str], int] = OrderedDict()

    def read(self, source: str, shard: str, offset: int, size: int) -> bytes:
        """The bytes of one image.

        Raises:
            UserError: If the shard is missing or too short.
        """
        data = os.pread(self._open(source, shard), int(size), int(offset))
        if len(data) != size:
            raise UserError(
                f"{self._root / source / shard}: the shard ends early",
                expected=f"{size} bytes at {offset}",
                found=f"{len(data)} bytes",
                fix=f"run `dvc checkout`; if that changes nothing, `dvc repro --force faces@{source}`",
            )
        return data

    def close(self) -> None:
        """Close all shards; reading opens them again."""
        while self._files:
            os.close(self._files.popitem()[1])

    def _open(self, source: str, shard: str) -> int:
        key = (source, shard)
        if key in self._files:
            self._files.move_to_end(key)
            return self._files[key]
        path = self._root / source / shard
        check_file(path, f"run `dvc repro faces@{source}`, or `dvc pull` to fetch it")
        handle = os.open(path, os.O_RDONLY)
        self._files[key] = handle
        if len(self._files) > _OPEN_SHARDS:
            os.close(self._files.popitem(last=False)[1])
        return handle

    def __getstate__(self) -> dict[str, object]:
        return {"_root": self._root, "_files": OrderedDict()}

    def __del__(self) -> None:
        self.close()

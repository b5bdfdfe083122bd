"""Holds the rows of a manifest as columns of numbers, which need little memory during training."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int, Int16, Integer, UInt8

from fakeforensics.errors import UserError
from fakeforensics.images.codec import decode
from fakeforensics.images.digits import SOURCE as DIGITS
from fakeforensics.images.digits import digit
from fakeforensics.images.reader import ImageReader, Place

if TYPE_CHECKING:
    import pandas as pd

DIGEST_BYTES = 16  # the first of a SHA-256's 32 bytes: enough to identify an image
_HEX_DIGITS = 64
_BLOCK = 1024  # keys that are compressed together


class Keys(Sequence[str]):
    """The keys of all rows, compressed.

    Only messages need keys, and as plain text they would take most of a row's memory.
    """

    def __init__(self, keys: pa.Array) -> None:
        self._count = len(keys)
        self._blocks = [
            zlib.compress("\0".join(keys.slice(begin, _BLOCK).to_pylist()).encode(), 1)
            for begin in range(0, len(keys), _BLOCK)
        ]

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[number] for number in range(*row.indices(self._count))]
        if not 0 <= row < self._count:
            raise IndexError(row)
        return self._block(row // _BLOCK)[row % _BLOCK]

    def __iter__(self) -> Iterator[str]:
        for number in range(len(self._blocks)):
            yield from self._block(number)

    def _block(self, number: int) -> list[str]:
        return zlib.decompress(self._blocks[number]).decode().split("\0")


class Rows:
    """The rows of a manifest, about 35 bytes each.

    They are arrays of numbers, so that forked decoding processes share their memory. Python objects would be
    copied one by one, because counting references writes to them.

    Args:
        manifest: Rows with key, source, shard, offset, size, sha256, label, and raw_path for images that are
            read in place. The rows of `digit_rows` are also allowed.

    Attributes:
        labels: 0 real or 1 fake; 2 + k for an image of class k of a reference set.
        digests: The first bytes of each image's SHA-256; zeros where the manifest holds none.
        keys: The key of each row.
    """

    def __init__(self, manifest: pd.DataFrame) -> None:
        self.labels: Int16[np.ndarray, " rows"] = manifest["label"].to_numpy(dtype=np.int16)
        self.digests: UInt8[np.ndarray, "rows bytes"] = _digests(_texts(manifest["sha256"]))
        self.keys = Keys(_texts(manifest["key"]))
        self._offsets, self._sizes = (smallest(manifest[name].to_numpy()) for name in ("offset", "size"))
        shards, self._names = manifest["shard"], None
        in_place = (shards == "") & (manifest["source"] != DIGITS)
        if in_place.any():
            # The folder is stored in place of the shard, so that each row only needs the file's name.
            paths = manifest["raw_path"].str.rpartition("/")
            shards = shards.mask(in_place, "/" + paths[0])
            self._names = _texts(paths[2].where(in_place, ""))
        self._files, self._sources, self._shards = _files(_texts(manifest["source"]), _texts(shards))

    def __len__(self) -> int:
        return len(self.labels)

    def place(self, row: int) -> Place:
        """The place of a row's image."""
        file = self._files[row]
        source, shard = self._sources[file].as_py(), self._shards[file].as_py()
        offset, size = int(self._offsets[row]), int(self._sizes[row])
        if self._names is None or not shard.startswith("/"):
            return Place(source, shard, offset, size)
        return Place(source, "", offset, size, f"{shard}/{self._names[row].as_py()}".lstrip("/"))

    def read(self, row: int, reader: ImageReader) -> bytes:
        """The bytes of a row's image.

        Raises:
            UserError: If they cannot be read.
        """
        place = self.place(row)
        return digit(place.offset) if place.source == DIGITS else reader.read(place)

    def decode(self, row: int, data: bytes, *, compare: bool) -> UInt8[np.ndarray, "height width 3"]:
        """Decode a row's image.

        Args:
            row: The row's number.
            data: The bytes of the image.
            compare: Whether to compare them with the SHA-256 of the row.

        Raises:
            UserError: If the SHA-256 differs, or the bytes are not an image.
        """
        if compare:
            self._compare(row, data)
        try:
            return decode(data)
        except ValueError as error:
            raise UserError(
                f"{self._name(row)} cannot be decoded",
                found=str(error),
                fix=self.place(row).restore(),
            ) from None

    def _compare(self, row: int, data: bytes) -> None:
        place = self.place(row)
        if place.source == DIGITS:  # these bytes are generated, not read
            return
        found, expected = hashlib.sha256(data).digest()[:DIGEST_BYTES], self.digests[row].tobytes()
        if found != expected:
            raise UserError(
                f"{self._name(row)} is not the one in the manifest",
                expected=f"SHA-256 {expected.hex()}…",
                found=f"SHA-256 {found.hex()}…",
                fix=f"{place.restore()}; then `dvc repro` writes manifests of the current images",
            )

    def _name(self, row: int) -> str:
        return self.place(row).named(self.keys[row])

    def in_order_of_files(self, chosen: Int[np.ndarray, " some"]) -> Int[np.ndarray, " some"]:
        """The chosen rows in the order in which their bytes lie on disk."""
        return chosen[np.lexsort((self._offsets[chosen], self._files[chosen]))]


def smallest(values: Int[np.ndarray, " rows"]) -> Integer[np.ndarray, " rows"]:
    """Copy integers, all at least 0, into the smallest type that holds them."""
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def _texts(column: pd.Series) -> pa.Array:
    texts = pa.array(column)
    texts = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    return texts.cast(pa.string())


def _digests(texts: pa.Array) -> UInt8[np.ndarray, "rows bytes"]:
    """The first bytes of hashes in hexadecimal; zeros for texts that are not 64 hexadecimal digits."""
    found = np.zeros((len(texts), DIGEST_BYTES), np.uint8)
    for begin in range(0, len(texts), _BLOCK):
        some = texts.slice(begin, _BLOCK)
        whole = pc.fill_null(pc.match_substring_regex(some, f"^[0-9a-f]{{{_HEX_DIGITS}}}$"), False)
        digits = pc.utf8_slice_codeunits(some.filter(whole), 0, 2 * DIGEST_BYTES)
        data = bytes.fromhex("".join(digits.to_pylist()))
        chosen = begin + np.flatnonzero(whole.to_numpy(zero_copy_only=False))
        found[chosen] = np.frombuffer(data, np.uint8).reshape(-1, DIGEST_BYTES)
    return found


def _files(sources: pa.Array, shards: pa.Array) -> tuple[Integer[np.ndarray, " rows"], pa.Array, pa.Array]:
    """The number of each row's file, and the source and shard of each file."""
    first, second = sources.dictionary_encode(), shards.dictionary_encode()
    count = max(1, len(second.dictionary))
    both = first.indices.to_numpy().astype(np.int64) * count + second.indices.to_numpy()
    files = pa.array(both).dictionary_encode()
    source, shard = (pa.array(part) for part in np.divmod(files.dictionary.to_numpy(), count))
    return smallest(files.indices.to_numpy()), first.dictionary.take(source), second.dictionary.take(shard)

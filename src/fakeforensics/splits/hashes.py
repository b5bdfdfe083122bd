"""Difference hashes of stored images, each computed once for all protocols."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakeforensics.files import write_parquet
from fakeforensics.images.codec import decode
from fakeforensics.images.reader import ImageReader
from fakeforensics.parquet import Column, read_parquet
from fakeforensics.progress import track
from fakeforensics.sources.hashing import map_in_order
from fakeforensics.splits.duplicates import difference_hash

_METHOD = f"difference hash of 16 x 16 bits, OpenCV {cv2.__version__}".encode()
_RULES = {
    "sha256": Column("text", pattern=r"^[0-9a-f]{64}$"),
    "hash": Column("text", pattern=r"^[0-9a-f]{64}$"),
}


class HashStore:
    """Difference hashes by the SHA-256 of the stored image, in a file per source.

    A changed image has another SHA-256, so a stored hash is never out of date. The files may be deleted at
    any time. If two runs write a file at the same time, the hashes of the first one are lost and are computed
    again when needed.

    Args:
        images_root: The folder of all sources' images, `data/images`.
        folder: The folder of the stored hashes, `<source>.parquet`.
    """

    def __init__(self, images_root: Path, folder: Path) -> None:
        self._images = images_root
        self._folder = folder

    def of(self, rows: pd.DataFrame) -> NDArray[np.uint8]:
        """The hashes of images. Those that are not stored yet are computed and stored.

        Args:
            rows: One row per image with key, source, shard, offset, size, raw_path and sha256.

        Returns:
            UInt8["rows 32"].

        Raises:
            UserError: If an image does not have the SHA-256 of its row, or the stored hashes are damaged.
        """
        known: dict[str, str] = {}
        for source, some in rows.groupby("source"):
            path = self._folder / f"{source}.parquet"
            kept = self._read(path)
            missing = some[~some["sha256"].isin(list(kept))].drop_duplicates("sha256")
            if len(missing):
                reader = ImageReader(self._images)
                found = map_in_order(partial(_hash, reader), missing.to_dict("records"))
                tracked = track(found, "looking for near-duplicates", "images", len(missing))
                kept |= zip(missing["sha256"], tracked, strict=True)
                reader.close()
                write_parquet(path, pd.DataFrame(kept.items(), columns=list(_RULES)), {b"method": _METHOD})
            known |= kept
        joined = "".join(known[digest] for digest in rows["sha256"])
        return np.frombuffer(bytes.fromhex(joined), np.uint8).reshape(len(rows), -1)

    def _read(self, path: Path) -> dict[str, str]:
        if not path.is_file():
            return {}
        table = read_parquet(path, "hashes of images", _RULES, f"delete {path}: it is made again")
        if (table.schema.metadata or {}).get(b"method") != _METHOD:
            return {}
        return dict(zip(table["sha256"].to_pylist(), table["hash"].to_pylist(), strict=True))


def _hash(reader: ImageReader, row: Mapping[Any, Any]) -> str:
    """The hash of the image of a row, as 64 hexadecimal digits. The reader checks its SHA-256."""
    return packed(difference_hash(decode(reader.read_row(row)))).tobytes().hex()


def packed(hash_: NDArray[np.int8]) -> NDArray[np.uint8]:
    """A difference hash, Int8["256"], packed into bits: UInt8["32"]."""
    return np.packbits(hash_ > 0)

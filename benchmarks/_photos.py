"""Images in shards, for benchmarks: a project's own, any folder of pictures, or synthetic ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from fakeforensics.errors import UserError
from fakeforensics.images.codec import decode, encode_png
from fakeforensics.images.index import INDEX_FILE, read_index
from fakeforensics.images.shards import ShardWriter
from fakeforensics.images.transforms import Rgb

PICTURES = (".jpg", ".jpeg", ".png")


def find_images(folder: Path | None, scratch: Path, most: int, side: int) -> tuple[Path, pd.DataFrame]:
    """Images in shards and their index rows.

    Args:
        folder: `data/images` of a project, used as it is; or any folder of pictures, searched in depth; or
            nothing, for synthetic ones.
        scratch: Where pictures that lie in no shard yet are stored, as PNG, with labels in turn.
        most: Pictures to store.
        side: Their size in pixels.

    Raises:
        UserError: If the folder holds neither.
    """
    if folder is None:
        return scratch, _store(scratch, _synthetic(most, side))
    sources = sorted(path.parent.name for path in folder.glob(f"*/{INDEX_FILE}"))
    if sources:
        return folder, pd.concat([read_index(folder, name) for name in sources], ignore_index=True)
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)[:most]
    rows = _store(scratch, _pictures(files, side))
    if rows.empty:
        raise UserError(f"{folder}: no images", expected=f"pictures, or sources with {INDEX_FILE}")
    return scratch, rows


def _pictures(files: list[Path], side: int) -> Iterator[Rgb]:
    for file in files:
        try:
            pixels = decode(file.read_bytes())
        except ValueError as error:
            print(f"{file}: left out: {error}")
            continue
        yield cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)


def _synthetic(count: int, side: int) -> Iterator[Rgb]:
    """Smooth shapes with fine grain, which compress to about 1.7 bytes a pixel, as face crops do."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        shapes = cv2.resize(rng.uniform(40, 215, (9, 9, 3)), (side, side), interpolation=cv2.INTER_CUBIC)
        yield np.clip(shapes + rng.normal(0, 3, (side, side, 3)), 0, 255).astype(np.uint8)


def _store(root: Path, pictures: Iterator[Rgb]) -> pd.DataFrame:
    folder = root / "photos"
    folder.mkdir(parents=True)
    rows = []
    with ShardWriter(folder, 1 << 28) as writer:
        for number, pixels in enumerate(pictures):
            data = encode_png(pixels)
            place = writer.add(f"{number:06d}", data)
            label = number % 2
            rows.append(
                {"key": f"photos/{number:06d}", "source": "photos", **place._asdict()}
                | {"method": ("real", "fake")[label], "label": label}
                | {"sha256": hashlib.sha256(data).hexdigest()}
            )
    return pd.DataFrame(rows)

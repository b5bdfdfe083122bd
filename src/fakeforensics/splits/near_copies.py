"""Pictures that are almost the same in two splits: copies that were scaled or coded anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakeforensics.splits.chance import ranks

SIDE = 16
BITS = SIDE * SIDE
# Measured on aligned faces of CelebA: copies at 60 % of the size and JPEG quality 50 differ in 10 bits at the
# median and in 22 at the 95th percentile; of 180,000 pairs of different photographs the closest differ in 40.
NEAR = 20
BLOCK = 2048


@dataclass(frozen=True)
class NearCopies:
    """Pairs of near copies in different splits.

    Args:
        checked: Images compared, one a raw file.
        of: Raw files in the manifests.
        pairs: Keys of the two images and the number of bits, of 256, in which their hashes differ.
    """

    checked: int
    of: int
    pairs: tuple[tuple[str, str, int], ...]


def find_near_copies(
    rows: pd.DataFrame, read: Callable[[pd.Series], NDArray[np.uint8]], most: int, seed: int
) -> NearCopies:
    """Look for near copies between training, validation and test.

    Args:
        rows: Rows of all manifests; of each raw file the middle image is taken.
        read: Gives the pixels of a row, UInt8["height width 3"].
        most: The most images to compare; a seeded sample is drawn from more.
        seed: Seed of that sample.
    """
    files = rows.drop_duplicates(["split", "key"]).sort_values("key", kind="stable")
    place = files.groupby(["split", "source", "raw_path"]).cumcount()
    last = files.groupby(["split", "source", "raw_path"])["key"].transform("size")
    files = files[place == last // 2]
    some = files.iloc[np.sort(np.argsort(ranks(files["key"], seed))[:most])]
    with ThreadPoolExecutor() as pool:
        hashes = np.stack(list(pool.map(lambda row: difference_hash(read(row[1])), some.iterrows())))
    pairs: list[tuple[str, str, int]] = []
    splits = some["split"].to_numpy()
    keys = some["key"].tolist()
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        left, right = np.flatnonzero(splits == one), np.flatnonzero(splits == other)
        pairs += [(keys[i], keys[j], bits) for i, j, bits in _close(hashes, left, right)]
    return NearCopies(len(some), len(files), tuple(sorted(pairs, key=lambda pair: (pair[2], pair))))


def difference_hash(rgb: NDArray[np.uint8]) -> NDArray[np.int8]:
    """The signs of the horizontal gradient of a small gray copy (Krawetz's dHash with 16 x 16 differences).

    Args:
        rgb: UInt8["height width 3"].

    Returns:
        Int8["256"] of -1 and 1, so that the product of two hashes counts the bits in which they agree.
    """
    small = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA)
    return np.where(small[:, 1:] > small[:, :-1], 1, -1).astype(np.int8).ravel()


def _close(
    hashes: NDArray[np.int8], left: NDArray[np.intp], right: NDArray[np.intp]
) -> Iterable[tuple[int, int, int]]:
    """Pairs of places, one of each side, whose hashes differ in at most `NEAR` bits, and in how many."""
    others = hashes[right].astype(np.float32).T
    for start in range(0, len(left), BLOCK):
        block = left[start : start + BLOCK]
        differing = (BITS - hashes[block].astype(np.float32) @ others) / 2
        for i, j in np.argwhere(differing <= NEAR):
            yield int(block[i]), int(right[j]), int(differing[i, j])

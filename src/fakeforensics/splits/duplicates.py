"""Duplicates: files with the same bytes, and near-duplicates, which were scaled or compressed again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from fakeforensics.errors import UserError
from fakeforensics.progress import track
from fakeforensics.splits.assign import first_of_component, ranks

if TYPE_CHECKING:
    from fakeforensics.sources.base import SharedNumbers

SIDE = 16
BITS = SIDE * SIDE
# Measured on aligned faces of CelebA: duplicates at 60 % of the size and JPEG quality 50 differ in 10 bits at
# the median and in 22 at the 95th percentile; of 180,000 pairs of different photographs the closest differ in
# 40.
NEAR = 20
BLOCK = 256  # rows of the matrix of distances held in memory
SHOWN = 20
# Pairs of images from two folders. On 200 of CelebA's photographs and StarGAN's edits of them, the own
# partner is nearer in 100 %; on 200 of FFHQ's photographs and unrelated fakes, in 52 %.
COMPARED, FEWEST = 200, 20
ALIKE, UNLIKE = 0.9, 0.65

Pair = tuple[str, str, int]


def merge_groups(index: pd.DataFrame) -> pd.Series[str]:
    """Groups of one source, joined where they share a raw file's or a stored image's bytes.

    Args:
        index: Rows with group, raw_sha256 and sha256.

    Returns:
        The group of each row: of joined groups, the first in alphabetical order.
    """
    codes, names = pd.factorize(index["group"], sort=True)
    edges = []
    for column in ("raw_sha256", "sha256"):
        pairs = pd.DataFrame({"hash": index[column].to_numpy(), "group": codes}).drop_duplicates()
        shared = pairs[pairs.duplicated("hash", keep=False)]
        first = shared.groupby("hash")["group"].transform("min")
        edges.append(np.stack([first.to_numpy(), shared["group"].to_numpy()]))
    start, end = np.concatenate(edges, axis=1)
    joined = first_of_component(len(names), start, end)
    return pd.Series(np.asarray(names)[joined][codes], index=index.index, dtype=object)


def share_duplicates(tests: pd.DataFrame) -> pd.DataFrame:
    """Let duplicates in different test sets share one row of the index, so that it is scored once.

    Within a set every duplicate stays: the number of its images is part of its definition.

    Args:
        tests: Test rows of all sets, with test_set, source, label, sha256 and key.

    Returns:
        As many rows, sorted by test set and key, in which duplicates in different sets have the same key.
    """
    ordered = tests.sort_values(["test_set", "key"], kind="stable").reset_index(drop=True)
    number = ordered.groupby(["test_set", "source", "label", "sha256"]).cumcount()
    numbered = ordered.assign(number=number)
    same = numbered.groupby(["source", "label", "sha256", "number"])["key"].transform("min")
    by_key = ordered.drop_duplicates("key").set_index("key", drop=False)
    shared = by_key.loc[same].reset_index(drop=True).assign(test_set=ordered["test_set"])
    return shared.sort_values(["test_set", "key"], kind="stable").reset_index(drop=True)


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of near-duplicates in different splits.

    Args:
        checked: Images compared, one per raw file.
        of: Raw files in the manifests.
        pairs: The number of pairs.
        examples: The closest of them: the keys of the two images, and the number of bits, of 256, in which
            their hashes differ.
    """

    checked: int
    of: int
    pairs: int
    examples: tuple[Pair, ...]


def find_near_duplicates(
    rows: pd.DataFrame, read: Callable[[dict[str, Any]], NDArray[np.uint8]], most: int, seed: int
) -> NearDuplicates:
    """Look for near-duplicates between training, validation and test.

    Args:
        rows: Rows of all manifests; of each raw file the middle image is taken.
        read: Gives the pixels of a row, UInt8["height width 3"].
        most: The most images to compare; a seeded sample is drawn from more.
        seed: Seed of that sample.
    """
    files = rows.drop_duplicates(["split", "key"]).sort_values("key", kind="stable")
    by_file = files.groupby(["split", "source", "raw_path"])["key"]
    files = files[by_file.cumcount() == by_file.transform("size") // 2]
    some = files.iloc[np.sort(np.argsort(ranks(files["key"], seed))[:most])]
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda row: difference_hash(read(row)), some.to_dict("records"))
        hashes = np.stack([*track(found, "looking for near-duplicates", "images", len(some))])
    split, keys = some["split"].to_numpy(), some["key"].tolist()
    pairs = 0
    closest: list[Pair] = []
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        for i, j, bits in _near(hashes, np.flatnonzero(split == one), np.flatnonzero(split == other)):
            pairs += len(bits)
            first = np.lexsort((j, i, bits))[:SHOWN]  # rows are in the order of their keys
            closest += [(keys[i[n]], keys[j[n]], int(bits[n])) for n in first]
            closest = sorted(closest, key=lambda pair: (pair[2], pair))[:SHOWN]
    return NearDuplicates(len(some), len(files), pairs, tuple(closest))


@dataclass(frozen=True)
class Likeness:
    """How alike the two images of pairs are, next to pairs of the same images that were put together anew.

    Args:
        pairs: How many were compared.
        bits: Of 256, in which the two hashes of a pair differ, at the median.
        chance: The same for an image and the partner of another.
        nearer: The share of images to which their own partner is nearer than another's; by chance 0.5.
    """

    pairs: int
    bits: float
    chance: float
    nearer: float

    @property
    def verdict(self) -> str:
        """`alike`, `different`, or `unclear`."""
        few = self.pairs < FEWEST
        return (
            "unclear"
            if few or UNLIKE < self.nearer < ALIKE
            else "alike"
            if self.nearer >= ALIKE
            else "different"
        )


def likeness(pairs: Sequence[tuple[Path, Path]], seed: int = 0) -> Likeness:
    """Compare the images of pairs by their difference hashes.

    Args:
        pairs: Files; a seeded sample is compared of more than `COMPARED`.
        seed: Seed of that sample.

    Raises:
        UserError: If a file cannot be read.
    """
    order = np.argsort(ranks([str(one) for one, _ in pairs], seed), kind="stable")[:COMPARED]
    some = [pairs[place] for place in order]
    with ThreadPoolExecutor() as pool:
        left, right = (
            np.stack(list(pool.map(lambda pair, side=side: difference_hash(_read(pair[side])), some))).astype(
                int
            )
            for side in (0, 1)
        )
    own = (BITS - (left * right).sum(axis=1)) // 2
    other = (BITS - (left * np.roll(right, 1, axis=0)).sum(axis=1)) // 2
    nearer = (own < other).mean() + (own == other).mean() / 2
    return Likeness(len(some), float(np.median(own)), float(np.median(other)), float(nearer))


def _read(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(
            f"{path} cannot be read", found=str(error), fix="restore or remove the file"
        ) from None


def describe_shared(shared: SharedNumbers, root: Path, source: str) -> tuple[str, str]:
    """What the images behind the shared numbers of two folders say about them.

    Returns:
        A line for people, and a warning, or "" if the source's settings fit the images.
    """
    found = likeness([(root / one, root / other) for one, other in shared.pairs])
    words = {
        "alike": "the two images look alike",
        "different": "the two images do not look alike",
        "unclear": "it is unclear whether the two images look alike",
    }
    line = (
        f"numbers: {shared.fake} shares {len(shared.pairs):,} of its {shared.numbers:,} numbers with "
        f"{shared.real}, {shared.across_splits:,} of them across splits; {words[found.verdict]} "
        f"({found.pairs} pairs, own partner nearer in {100 * found.nearer:.0f} %, "
        f"{found.bits:.0f} of {BITS} bits differ, {found.chance:.0f} by chance)"
    )
    where = f"sources.{source}.options.folders"
    warning = ""
    if shared.joined and found.verdict != "alike":
        warning = (
            f"{shared.fake} and {shared.real} have files with the same number in one group, but "
            f"{words[found.verdict]}: list {shared.fake} in {where} without `photos` if the numbers mean "
            "different photographs, or correct `options.number`"
        )
    elif shared.joined and shared.across_splits:
        warning = (
            f"{shared.across_splits:,} numbers of {shared.fake} are in another split than the same number "
            f"of {shared.real}, and {words[found.verdict]}: the splits stage refuses them. Remove one side"
        )
    elif not shared.joined and found.verdict == "alike":
        warning = (
            f"{shared.fake} and {shared.real} have files with the same number that look alike, but each file "
            f"is a group of its own: list {shared.fake} in {where} with `photos`, or it and its original "
            "may be in two splits"
        )
    return line, warning


def difference_hash(rgb: NDArray[np.uint8]) -> NDArray[np.int8]:
    """The signs of the horizontal gradient of a small gray image (Krawetz's dHash with 16 x 16 differences).

    They are the same on every processor: gray is computed in integers, and the small image in one order.

    Args:
        rgb: UInt8["height width 3"].

    Returns:
        Int8["256"] of -1 and 1, so that the product of two hashes counts the bits in which they agree.
    """
    small = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA)
    return np.where(small[:, 1:] > small[:, :-1], 1, -1).astype(np.int8).ravel()


def _near(
    hashes: NDArray[np.int8], left: NDArray[np.intp], right: NDArray[np.intp]
) -> Iterable[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]]:
    """Pairs of rows, one from each side, whose hashes differ in at most `NEAR` bits, and in how many."""
    others = hashes[right].astype(np.float32).T
    for start in range(0, len(left), BLOCK):
        block = left[start : start + BLOCK]
        differing = ((BITS - hashes[block].astype(np.float32) @ others) / 2).astype(np.intp)
        i, j = np.nonzero(differing <= NEAR)
        yield block[i], right[j], differing[i, j]

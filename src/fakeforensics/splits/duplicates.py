"""Duplicates, which are files with the same bytes, and near-duplicates, which are scaled or recompressed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from fakeforensics.errors import UserError
from fakeforensics.reading import DAMAGED_IMAGE
from fakeforensics.splits.assign import first_of_component, ranks
from fakeforensics.splits.rows import first_places, group_numbers, numbered, ordered, text
from fakeforensics.wording import counted, percent

if TYPE_CHECKING:
    from fakeforensics.sources.base import SharedNumbers

SIDE = 16
BITS = SIDE * SIDE
# The most bits in which the hashes of near-duplicates differ. Measured on aligned faces of CelebA: duplicates
# at 60 % of the size and JPEG quality 50 differ in 10 bits at the median and in 22 at the 95th percentile. Of
# 180,000 pairs of different photographs, the closest pair differs in 40 bits.
NEAR = 20
BLOCK = 256  # rows of the table of distances in memory at a time
SHOWN = 20  # the most pairs that are listed
# The most and the fewest pairs of images that `likeness` compares, and the shares of images nearer to their
# own partner at which pairs are alike or not. Measured on 200 pairs each: the share is 100 % for photographs
# of CelebA and StarGAN's edits of them, and 52 % for photographs of FFHQ and unrelated fakes.
COMPARED, FEWEST = 200, 20
ALIKE, UNLIKE = 0.9, 0.65

Pair = tuple[str, str, int]


def merge_groups(index: pd.DataFrame) -> pd.Series[str]:
    """Join the groups of one source that hold the same bytes, as a raw file or as a stored image.

    Args:
        index: Rows with group, raw_sha256 and sha256.

    Returns:
        The group of each row. Joined groups get the first of their names in alphabetical order.
    """
    codes, names = numbered(index["group"])
    edges = []
    for column in ("raw_sha256", "sha256"):
        repeated = index[column].duplicated(keep=False).to_numpy()
        pairs = pd.DataFrame({"hash": numbered(index.loc[repeated, column])[0], "group": codes[repeated]})
        pairs = pairs.drop_duplicates()
        shared = pairs[pairs.duplicated("hash", keep=False)]
        first = shared.groupby("hash")["group"].transform("min")
        edges.append(np.stack([first.to_numpy(), shared["group"].to_numpy()]))
    start, end = np.concatenate(edges, axis=1)
    if not len(start):
        return index["group"]
    joined = first_of_component(len(names), start, end)[codes]
    if isinstance(index["group"].dtype, pd.CategoricalDtype):
        return pd.Series(pd.Categorical.from_codes(joined, dtype=index["group"].dtype), index=index.index)
    return pd.Series(names[joined], index=index.index)


def share_duplicates(tests: pd.DataFrame) -> pd.DataFrame:
    """Give duplicates in different test sets the same row of the index, so that they are scored once.

    Duplicates within a test set stay separate, because the number of images is part of its definition.

    Args:
        tests: Test rows of all sets, with test_set, source, label, sha256 and key.

    Returns:
        The same number of rows, sorted by test set and key. Duplicates in different sets have the same key.
    """
    tests = ordered(tests, ["test_set", "key"])
    kind = group_numbers(tests, ["source", "label", "sha256"])
    which = pd.DataFrame({"kind": kind, "set": group_numbers(tests, ["test_set"])})
    number = which.groupby(["kind", "set"], sort=False).cumcount()
    key, _ = numbered(tests["key"])
    same = pd.Series(key).groupby([kind, number], sort=False).transform("min").to_numpy()
    first = np.empty(int(key.max(initial=0)) + 1, dtype=np.intp)
    first[key[::-1]] = np.arange(len(key))[::-1]
    shared = tests.take(first[same]).reset_index(drop=True).assign(test_set=tests["test_set"])
    return ordered(shared, ["test_set", "key"])


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of near-duplicates in different splits.

    Args:
        checked: Images compared, one per raw file.
        of: Raw files in the manifests.
        pairs: The number of pairs.
        examples: The closest pairs: the keys of the two images, and the number of bits, out of 256, in which
            their hashes differ.
    """

    checked: int
    of: int
    pairs: int
    examples: tuple[Pair, ...]


def find_near_duplicates(
    rows: pd.DataFrame, hashes_of: Callable[[pd.DataFrame], NDArray[np.uint8]], most: int, seed: int
) -> NearDuplicates:
    """Look for near-duplicates between training, validation and test.

    Args:
        rows: Rows of all manifests; the middle image of each raw file is compared.
        hashes_of: Gives the difference hashes of rows, UInt8["rows 32"].
        most: The most images to compare; if there are more, a seeded sample is drawn.
        seed: Seed of that sample.
    """
    files = rows.iloc[first_places(group_numbers(rows, ["split", "key"]))]
    files = ordered(files, ["key"])
    file = pd.Series(group_numbers(files, ["split", "source", "raw_path"]))
    middle = file.groupby(file).cumcount() == file.groupby(file).transform("size") // 2
    files = files[middle.to_numpy()]
    some = files.iloc[np.sort(np.argsort(ranks(text(files["key"]), seed))[:most])]
    hashes = hashes_of(some)
    split, keys = text(some["split"]).to_numpy(), text(some["key"]).tolist()
    pairs = 0
    closest: list[Pair] = []
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        number, places = near_pairs(hashes, np.flatnonzero(split == one), np.flatnonzero(split == other))
        pairs += number
        closest += [(keys[i], keys[j], bits) for bits, i, j in places]
        closest = sorted(closest, key=lambda pair: (pair[2], pair))[:SHOWN]
    return NearDuplicates(len(some), len(files), pairs, tuple(closest))


def near_pairs(
    hashes: NDArray[np.uint8], left: NDArray[np.intp], right: NDArray[np.intp]
) -> tuple[int, list[tuple[int, int, int]]]:
    """Pairs of rows, one from each side, whose hashes differ in at most `NEAR` bits.

    Rows with the same hash are compared once, so that many flat or black images cost neither time nor memory.

    Args:
        hashes: UInt8["rows 32"].
        left: Row numbers of one side, ascending.
        right: Row numbers of the other side, ascending.

    Returns:
        The number of pairs, and the first `SHOWN` of them as (bits that differ, left row, right row), sorted.
    """
    lefts, rights = _by_hash(hashes, left), _by_hash(hashes, right)
    first = (np.array([rows[0] for rows in side], dtype=np.intp) for side in (lefts, rights))
    one, other = (hashes[rows].view(np.uint64) for rows in first)
    sizes = np.array([len(rows) for rows in rights])
    count = 0
    # Each pair of hashes has one first pair of rows. So the first `SHOWN` pairs of rows are among the rows of
    # the first `SHOWN` pairs of hashes.
    best: list[tuple[int, int, int]] = []
    for start in range(0, len(lefts), BLOCK):
        differing = np.zeros((min(BLOCK, len(lefts) - start), len(rights)), dtype=np.uint16)
        for word in range(BITS // 64):
            differing += np.bitwise_count(one[start : start + BLOCK, word, None] ^ other[None, :, word])
        near = differing <= NEAR
        weights = np.array([len(rows) for rows in lefts[start : start + BLOCK]])
        count += int(weights @ (near @ sizes))
        found = 0
        for bits in range(NEAR + 1):
            if found >= SHOWN or not near.any():
                break
            for place in np.flatnonzero(differing == bits)[: SHOWN - found].tolist():
                i, j = divmod(place, len(rights))
                best.append((bits, start + i, j))
                found += 1
        best = sorted(best)[:SHOWN]
    shown = [
        (bits, int(i), int(j)) for bits, u, v in best for i in lefts[u][:SHOWN] for j in rights[v][:SHOWN]
    ]
    return count, sorted(shown)[:SHOWN]


def _by_hash(hashes: NDArray[np.uint8], rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """The rows of each distinct hash, in the order in which the hashes first occur."""
    numbers = pd.factorize(np.array([one.tobytes() for one in hashes[rows]], dtype=object))[0]
    order = np.argsort(numbers, kind="stable")
    return np.split(rows[order], np.cumsum(np.bincount(numbers))[:-1]) if len(rows) else []


@dataclass(frozen=True)
class Likeness:
    """How similar the two images of each pair are, compared with the same images in other pairs.

    Args:
        pairs: Number of pairs that were compared.
        bits: Median number of bits, out of 256, in which the two hashes of a pair differ.
        chance: The same median for each image and the partner of another image.
        nearer: Share of images that are nearer to their own partner than to another's; 0.5 by chance.
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
        pairs: The two files of each pair; if there are more than `COMPARED`, a seeded sample is compared.
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
    except (*DAMAGED_IMAGE, Image.DecompressionBombError) as error:
        raise UserError(
            f"{path} cannot be read", found=str(error), fix="restore or remove the file"
        ) from None


def describe_shared(shared: SharedNumbers, root: Path, source: str) -> tuple[str, str]:
    """Check whether files of two folders with the same number in their names show the same picture.

    Args:
        shared: The two folders and their files with the same numbers.
        root: The source's folder.
        source: The source's name.

    Returns:
        A line for the report, and a warning; the warning is "" if the source's options fit the images.
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
        f"({counted(found.pairs, 'pair')}; in {percent(found.nearer, 0)} of them the image is nearer to its "
        f"own partner; {found.bits:.0f} of {BITS} bits differ, {found.chance:.0f} by chance)"
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

    The hash is the same on every processor, because gray is computed with integers and OpenCV sums the pixels
    of the small image in a fixed order.

    Args:
        rgb: UInt8["height width 3"].

    Returns:
        Int8["256"] of -1 and 1. The dot product of two hashes is 256 minus twice the number of bits in which
        they differ.
    """
    small = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA)
    return np.where(small[:, 1:] > small[:, :-1], 1, -1).astype(np.int8).ravel()

"""Resampling of groups: one draw of weights serves every test set, score and model alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Int, Integer, UInt8

BLOCK = 2**16  # places that fit 16 random bits


@dataclass(frozen=True)
class Resampling:
    """Groups to be drawn with replacement within strata.

    A stratum holds the groups that occur in the same test sets with the same classes. Its number of groups is
    part of the benchmark's design and stays fixed, so every replicate of every set has both classes, and
    images shared by several sets are drawn jointly. A stratum of a single group has nothing to vary.

    Attributes:
        unit: For each row of the table, the number of its group; groups of a stratum have adjacent numbers.
        bounds: First group of each stratum, and the number of groups at the end.
        seed: Of all replicates.
    """

    unit: Int[np.ndarray, " rows"]
    bounds: Int[np.ndarray, " strata_1"]
    seed: int

    @property
    def groups(self) -> int:
        """Number of groups."""
        return int(self.bounds[-1])

    def draw(self, replicate: int) -> Integer[np.ndarray, " groups"]:
        """How often each group occurs in a replicate: the same on every call, in any order of calls."""
        generator = np.random.Generator(np.random.SFC64([self.seed, replicate]))
        counts = np.empty(self.groups, dtype=np.uint8)
        for low, high in zip(self.bounds[:-1], self.bounds[1:], strict=True):
            counts[low:high] = multinomial(int(high - low), generator)
        return counts


def multinomial(size: int, generator: np.random.Generator) -> UInt8[np.ndarray, " size"]:
    """How often each of `size` things is drawn in `size` draws with replacement.

    Many things are drawn in two steps, first the block and then the place in it: counting then stays within
    the processor's cache, three times as fast as counting single draws from a million.
    """
    blocks = size // BLOCK
    rest = size - blocks * BLOCK
    shares = np.append(np.full(blocks, BLOCK / size), rest / size)
    draws = generator.multinomial(size, shares) if blocks else np.array([size])
    # A count above 255 has a probability below 1 / 255!: bytes do, and a million of them stay in the cache.
    counts = np.empty(size, dtype=np.uint8)
    for block in range(blocks):
        places = generator.integers(0, BLOCK, draws[block], dtype=np.uint16)
        counts[block * BLOCK : (block + 1) * BLOCK] = np.bincount(places, minlength=BLOCK)
    if rest:
        counts[blocks * BLOCK :] = np.bincount(generator.integers(0, rest, draws[-1]), minlength=rest)
    return counts


def resample_groups(table: pd.DataFrame, seed: int) -> Resampling:
    """Prepare the group bootstrap of a score table.

    Args:
        table: Columns test_set, label and group; one row for each (test_set, image). An empty group means
            that the image stands for itself, by its column key.
        seed: Of all replicates.
    """
    group = table["group"].astype(str).to_numpy(dtype=object)
    alone = group == ""
    if alone.any():
        group = np.where(alone, "\0" + table["key"].astype(str).to_numpy(dtype=object), group)
    code, names = pd.factorize(group)
    sets, set_names = pd.factorize(table["test_set"])
    memberships = np.unique(
        np.stack([code, sets * 2 + table["label"].to_numpy(dtype=np.int64)], axis=1), axis=0
    )
    stratum = _signatures(memberships, len(names), 2 * len(set_names))
    order = np.argsort(stratum, kind="stable")
    number = np.empty(len(names), dtype=np.int64)
    number[order] = np.arange(len(names))
    bounds = np.append(0, np.cumsum(np.bincount(stratum)))
    return Resampling(number[code], bounds, seed)


def _signatures(
    memberships: Int[np.ndarray, "pairs 2"], groups: int, kinds: int
) -> Integer[np.ndarray, " groups"]:
    """Number the groups by which kinds (test set and class) they hold, in order of first appearance."""
    # Each kind refines the partition; renumbering after each keeps the codes small whatever their count.
    stratum = np.zeros(groups, dtype=np.int64)
    for kind in range(kinds):
        holds = np.zeros(groups, dtype=np.int64)
        holds[memberships[memberships[:, 1] == kind, 0]] = 1
        stratum = pd.factorize(stratum * 2 + holds)[0].astype(np.int64)
    return stratum

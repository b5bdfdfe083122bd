"""The group bootstrap: which groups a replicate draws, and AP and AUC under the weights that follow."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Integer, Shaped, UInt8

from fakeforensics.metrics.ranking import Ranking
from fakeforensics.progress import track

Statistic = Callable[[Integer[np.ndarray, " groups"]], float]
ROUNDING = 1e-9  # of a sum over images
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
    # A count above 255 has a probability below 1 / 255!: bytes do, and a million of them stay in the cache.
    if size < BLOCK:
        few: np.ndarray = np.bincount(generator.integers(0, size, size), minlength=size).astype(np.uint8)
        return few
    blocks = size // BLOCK
    rest = size - blocks * BLOCK
    shares = np.append(np.full(blocks, BLOCK / size), rest / size)
    draws = generator.multinomial(size, shares)
    counts = np.empty(size, dtype=np.uint8)
    begin, places = 0, _places(draws[:blocks], generator)
    for block in range(blocks):
        end = begin + int(draws[block])
        counts[block * BLOCK : (block + 1) * BLOCK] = np.bincount(places[begin:end], minlength=BLOCK)
        begin = end + end % 2
    if rest:
        counts[blocks * BLOCK :] = np.bincount(generator.integers(0, rest, draws[-1]), minlength=rest)
    return counts


def _places(
    draws: Int[np.ndarray, " blocks"], generator: np.random.Generator
) -> Shaped[np.ndarray, " places"]:
    """Random places for the draws of each block, which begin at even positions.

    These are the numbers that `generator.integers(0, BLOCK, draws[block], dtype=np.uint16)` gives, block
    after block, made faster: each 64 random bits are four places, of which a block takes two at a time.
    """
    pairs = int(((draws + 1) // 2).sum())
    whole = generator.integers(0, 2**64, pairs // 2, dtype=np.uint64).astype("<u8", copy=False).view("<u2")
    if pairs % 2:
        last = generator.integers(0, 2**32, 1, dtype=np.uint32).astype("<u4", copy=False).view("<u2")
        return np.concatenate([whole, last])
    return whole


def group_names(table: pd.DataFrame) -> Shaped[np.ndarray, " rows"]:
    """The group of each row; one without a group is a group of its own, by its key."""
    group = table["group"].astype(str).to_numpy(dtype=object)
    if (alone := group == "").any():
        group = np.where(alone, "\0" + table["key"].astype(str).to_numpy(dtype=object), group)
    return group


def resample_groups(table: pd.DataFrame, seed: int) -> Resampling:
    """Prepare the group bootstrap of a score table.

    Args:
        table: Columns test_set, label and group, one row per (test_set, image). An empty group means that the
            image stands for itself, by its column key.
        seed: Of all replicates.
    """
    code, names = pd.factorize(group_names(table))
    sets, set_names = pd.factorize(table["test_set"])
    # Groups of a stratum occur in the same kinds: test set and class.
    holds = np.zeros((len(names), 2 * len(set_names)), dtype=bool)
    holds[code, sets * 2 + table["label"].to_numpy(dtype=np.int64)] = True
    signature = pd.DataFrame(np.packbits(holds, axis=1))
    stratum = signature.groupby([*signature.columns], sort=False).ngroup().to_numpy()
    order = np.argsort(stratum, kind="stable")
    number = np.empty(len(names), dtype=np.int64)
    number[order] = np.arange(len(names))
    bounds = np.append(0, np.cumsum(np.bincount(stratum)))
    return Resampling(number[code], bounds, seed)


class _Workspace(threading.local):
    """A thread's arrays, filled again for each replicate: mapping fresh memory takes longer than the sums."""

    def __init__(self, reals: int, fakes: int, blocks: int) -> None:
        self.reals = np.empty(reals, dtype=np.uint8)
        self.fakes = np.empty(fakes, dtype=np.uint8)
        self.real_sums = np.zeros(reals + 1, dtype=np.int32)
        self.fake_sums = np.empty(fakes, dtype=np.int32)
        self.hits = np.empty(blocks, dtype=np.int32)
        self.seen = np.empty(blocks, dtype=np.int32)
        self.found = np.empty(blocks - 1, dtype=np.int32)
        self.precision = np.empty(blocks, dtype=np.float64)


@dataclass(frozen=True)
class WeightedRanking:
    """One test set, sorted once, whose metrics can be computed for any weights of its groups.

    Attributes:
        unit: The group's number of each image, by descending score.
        fake: Positions of the fakes in that order.
        fake_unit: The group's number of each fake, in that order.
        real_unit: Likewise of each real.
        fake_ends: For each tie block that holds a fake, the position among the fakes of its last fake.
        reals_above: For each of these blocks, the number of reals that score at least as high.
        block_ends: Positions of the last image of every tie block.
        space: Where a thread computes.
    """

    unit: Int[np.ndarray, " n"]
    fake: Int[np.ndarray, " fakes"]
    fake_unit: Int[np.ndarray, " fakes"]
    real_unit: Int[np.ndarray, " reals"]
    fake_ends: Int[np.ndarray, " blocks"]
    reals_above: Int[np.ndarray, " blocks"]
    block_ends: Int[np.ndarray, " distinct"]
    space: _Workspace

    def average_precision(self, counts: Integer[np.ndarray, " groups"]) -> float:
        """AP where each image counts as often as its group was drawn.

        Equal to scikit-learn's on the drawn images to rounding. A block without a fake adds no recall, so
        only the others are looked at.
        """
        space = self.space
        # Every index is known to lie inside; `clip` only spares NumPy a copy for the case that one does not.
        fakes = np.take(counts, self.fake_unit, out=space.fakes, mode="clip")
        reals = np.take(counts, self.real_unit, out=space.reals, mode="clip")
        hits = np.cumsum(fakes, dtype=np.int32, out=space.fake_sums)
        if has_ties := self.fake_ends.size < fakes.size:
            hits = np.take(hits, self.fake_ends, out=space.hits, mode="clip")
        np.cumsum(reals, dtype=np.int32, out=space.real_sums[1:])
        seen = np.take(space.real_sums, self.reals_above, out=space.seen, mode="clip")
        np.maximum(np.add(seen, hits, out=seen), 1, out=seen)
        precision = np.divide(hits, seen, out=space.precision)
        if has_ties:
            precision[1:] *= np.subtract(hits[1:], hits[:-1], out=space.found)
            precision[0] *= hits[0]
        else:
            precision *= fakes
        return float(precision.sum() / hits[-1])

    def roc_auc(self, counts: Integer[np.ndarray, " groups"]) -> float:
        """AUC where each image counts as often as its group was drawn; ties count half."""
        weights = counts.take(self.unit)
        seen = np.cumsum(weights, dtype=np.int64).take(self.block_ends)
        fakes = np.zeros_like(weights)
        fakes[self.fake] = weights.take(self.fake)
        hits = np.cumsum(fakes, dtype=np.int64).take(self.block_ends)
        misses = seen - hits
        wins = np.diff(misses, prepend=0) @ (hits + np.append(0, hits[:-1])) / 2
        return float(wins / (hits[-1] * misses[-1]))


def weighted_ranking(ranking: Ranking, unit: Int[np.ndarray, " n"]) -> WeightedRanking:
    """Prepare a test set with both classes, given its images' group numbers in the order of its scores."""
    fake = np.flatnonzero(ranking.labels)
    block_of_fake = np.searchsorted(ranking.ends, fake)
    last = np.append(np.flatnonzero(np.diff(block_of_fake)), fake.size - 1)
    ranked = np.ascontiguousarray(unit[ranking.order])
    return WeightedRanking(
        unit=ranked,
        fake=fake,
        fake_unit=ranked[fake],
        real_unit=ranked[ranking.labels == 0],
        fake_ends=last,
        reals_above=ranking.ends[block_of_fake[last]] - last,
        block_ends=ranking.ends,
        space=_Workspace(unit.size - fake.size, fake.size, last.size),
    )


def replicate(
    resampling: Resampling, statistics: Sequence[Statistic], replicates: int, workers: int | None = None
) -> Float[np.ndarray, "replicates statistics"]:
    """Compute statistics on resampled groups, all of them on the same draws.

    Args:
        resampling: Which groups are drawn.
        statistics: Functions of the groups' counts.
        replicates: Number of draws.
        workers: Threads; by default one per core. The result does not depend on it.

    Returns:
        One row per draw, one column per statistic.
    """

    def one(number: int) -> list[float]:
        counts = resampling.draw(number)
        return [statistic(counts) for statistic in statistics]

    # NumPy releases the interpreter's lock in the long loops, so threads share the arrays and the work.
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        rows = list(track(pool.map(one, range(replicates)), "bootstrap", "draws", replicates))
    return np.array(rows, dtype=np.float64).reshape(replicates, len(statistics))


def interval(
    values: Float[np.ndarray, " replicates"], estimate: float | None = None, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of bootstrap replicates, with coverage `level`.

    Where it does not hold the estimate, resampling has a bias of its own that is larger than the scatter: a
    group that is drawn twice ties with itself, which new images do not. The interval is then moved as a
    whole, so that the replicates' median comes to lie at the estimate. See `is_moved`.

    Args:
        values: The metric of each replicate.
        estimate: The metric itself; None leaves the percentiles as they are.
        level: Nominal coverage.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    low, middle, high = np.quantile(values, [(1 - level) / 2, 0.5, (1 + level) / 2])
    if estimate is not None and _misses(low, high, estimate):
        low, high = low + estimate - middle, high + estimate - middle
        if values.min() >= 0:
            low = max(low, 0.0)  # what is never negative has no negative bound
    return float(low), float(high)


def is_moved(values: Float[np.ndarray, " replicates"], estimate: float, level: float = 0.95) -> bool:
    """Whether `interval` moves the percentiles to the estimate."""
    return _misses(*interval(values, level=level), estimate)


def _misses(low: float, high: float, estimate: float) -> bool:
    return not low - ROUNDING <= estimate <= high + ROUNDING


def two_sided_p(differences: Float[np.ndarray, " replicates"]) -> float:
    """Two-sided bootstrap p-value of a difference being 0; at least 2 / (replicates + 1), at most 1."""
    below = (1 + np.count_nonzero(differences <= 0)) / (differences.size + 1)
    above = (1 + np.count_nonzero(differences >= 0)) / (differences.size + 1)
    return float(min(1.0, 2 * min(below, above)))

"""The group bootstrap: draws of groups, and AP and AUC that weight each image by the count of its group.

AP is average precision, AUC the area under the ROC curve. A group is a set of images that depend on each
other, such as the frames of a video. A replicate is one bootstrap draw of groups.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Int, Integer, Shaped, UInt8

from fakeforensics.lookahead import look_ahead
from fakeforensics.metrics.ranking import Ranking
from fakeforensics.progress import track

Statistic = Callable[[Integer[np.ndarray, " groups"]], float]
ROUNDING = 1e-9  # largest rounding error of a sum over images
BLOCK = 2**16  # values of a 16-bit random number
BATCH = 10  # replicates of a task: with fewer, threads wait for the next task as long as small sets take
CHUNK = 50  # replicates at a time, so that memory is linear in the number of groups


@dataclass(frozen=True)
class Resampling:
    """The groups of a score table, to be drawn with replacement within strata.

    A stratum holds the groups that occur in the same test sets with the same classes. Each replicate draws as
    many groups of a stratum as the stratum has. So every replicate of every set has both classes, and images
    that several sets share are drawn jointly. A stratum with a single group is the same in every replicate.

    Attributes:
        unit: For each row of the table, the number of its group; groups of a stratum have adjacent numbers.
        bounds: The number of the first group of each stratum, followed by the number of groups.
        seed: Seed of all replicates.
    """

    unit: Int[np.ndarray, " rows"]
    bounds: Int[np.ndarray, " strata_1"]
    seed: int

    @property
    def groups(self) -> int:
        """Number of groups."""
        return int(self.bounds[-1])

    def draw(self, replicate: int) -> Integer[np.ndarray, " groups"]:
        """How often each group occurs in a replicate.

        The counts depend on the seed and the replicate's number only, not on earlier calls.

        Args:
            replicate: The replicate's number, from 0.
        """
        generator = np.random.Generator(np.random.SFC64([self.seed, replicate]))
        counts = np.empty(self.groups, dtype=np.uint8)
        for low, high in zip(self.bounds[:-1], self.bounds[1:], strict=True):
            counts[low:high] = multinomial(int(high - low), generator)
        return counts


def multinomial(size: int, generator: np.random.Generator) -> UInt8[np.ndarray, " size"]:
    """How often each of `size` items is drawn in `size` draws with replacement.

    More than `BLOCK` items are drawn in two steps: first how many draws fall into each block, then the place
    within the block. The counts of a block fit the processor's cache, which makes counting three times as
    fast for a million items.
    """
    # A count above 255 has a probability below 1 / 255!, so a byte is enough for a count.
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
    """Random places within blocks, one after the other; the places of each block begin at an even position.

    These are the numbers that `generator.integers(0, BLOCK, draws[block], dtype=np.uint16)` returns, called
    for one block after the other. This is faster: 64 random bits give four places at once. NumPy takes 32
    bits, or two places, at a time, so a block with an odd number of draws leaves one place unused.

    Args:
        draws: The number of draws in each block.
        generator: The source of the random bits.
    """
    pairs = int(((draws + 1) // 2).sum())
    whole = generator.integers(0, 2**64, pairs // 2, dtype=np.uint64).astype("<u8", copy=False).view("<u2")
    if pairs % 2:
        last = generator.integers(0, 2**32, 1, dtype=np.uint32).astype("<u4", copy=False).view("<u2")
        return np.concatenate([whole, last])
    return whole


def group_names(table: pd.DataFrame) -> Shaped[np.ndarray, " rows"]:
    """The name of each row's group; a row with an empty group is a group by itself, named by its key."""
    group = table["group"].astype(str).to_numpy(dtype=object)
    if (alone := group == "").any():
        group = np.where(alone, "\0" + table["key"].astype(str).to_numpy(dtype=object), group)
    return group


def resample_groups(table: pd.DataFrame, seed: int) -> Resampling:
    """Prepare the group bootstrap of a score table.

    Args:
        table: Columns test_set, label, group and key, one row per (test_set, image). An image with an empty
            group is a group by itself.
        seed: Seed of all replicates.
    """
    code, names = pd.factorize(group_names(table))
    sets, set_names = pd.factorize(table["test_set"])
    # The groups of a stratum occur in the same pairs of test set and class.
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
    """The arrays of a thread, reused for each replicate: allocating them anew takes longer than the sums."""

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
    """One test set, sorted once, to compute its metrics with any counts of its groups.

    A tie block is a set of images with the same score. All orders are by descending score.

    Attributes:
        unit: The group number of each image, in order.
        fake: The positions of the fakes in that order.
        fake_unit: The group number of each fake, in order.
        real_unit: The group number of each real, in order.
        fake_ends: For each tie block with a fake, the position of its last fake among the fakes.
        reals_above: For each of these blocks, the number of reals that score at least as high.
        block_ends: The position of the last image of every tie block.
        space: The arrays that a thread computes in.
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
        """AP where each image counts as often as its group was drawn, a fraction.

        It equals scikit-learn's AP of the drawn images up to rounding. A tie block without a fake adds no
        recall, so only the blocks with fakes are computed.
        """
        space = self.space
        # All indexes are in range. With the mode `raise`, NumPy would buffer the output.
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
        """AUC where each image counts as often as its group was drawn, a fraction; ties count half."""
        weights = counts.take(self.unit)
        seen = np.cumsum(weights, dtype=np.int64).take(self.block_ends)
        fakes = np.zeros_like(weights)
        fakes[self.fake] = weights.take(self.fake)
        hits = np.cumsum(fakes, dtype=np.int64).take(self.block_ends)
        misses = seen - hits
        wins = np.diff(misses, prepend=0) @ (hits + np.append(0, hits[:-1])) / 2
        return float(wins / (hits[-1] * misses[-1]))


def weighted_ranking(ranking: Ranking, unit: Int[np.ndarray, " n"]) -> WeightedRanking:
    """Prepare a test set with both classes for the bootstrap.

    Args:
        ranking: The sorted scores of the set.
        unit: The group number of each image, in the order of the scores that were given to `rank`.
    """
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
    """Compute several statistics on the same bootstrap draws of groups.

    Args:
        resampling: The groups to draw from.
        statistics: Functions of the counts of the groups.
        replicates: Number of draws.
        workers: Number of threads; by default one per core. The result does not depend on it.

    Returns:
        One row per draw, one column per statistic.
    """

    def some(begin: int) -> list[list[float]]:
        draws = map(resampling.draw, range(begin, min(begin + BATCH, replicates)))
        return [[statistic(counts) for statistic in statistics] for counts in draws]

    # NumPy releases the interpreter lock in its long loops, so threads run in parallel and share the arrays.
    count = workers or os.cpu_count() or 1
    begins = range(0, replicates, BATCH)
    with ThreadPoolExecutor(count) as pool:
        batches = look_ahead(lambda begin: pool.submit(some, begin), begins, 2 * count, ordered=True)
        tracked = track(batches, "bootstrap", f"times {BATCH} draws", len(begins))
        rows = [row for _, done in tracked for row in done.result()]
    return np.array(rows, dtype=np.float64).reshape(replicates, len(statistics))


class GroupSums:
    """Sums over the groups that replicates draw, for all who ask, in one pass of the draws.

    Args:
        resampling: Which groups are drawn.
        replicates: Number of draws.
    """

    def __init__(self, resampling: Resampling, replicates: int) -> None:
        self.resampling, self.replicates = resampling, replicates
        self._asked: list[
            tuple[slice | Int[np.ndarray, " groups"], Float32[np.ndarray, "groups columns"]]
        ] = []
        self._sums: list[Float32[np.ndarray, "replicates columns"]] = []

    def ask(
        self, units: Int[np.ndarray, " groups"], values: Float32[np.ndarray, "groups columns"]
    ) -> Callable[[], Float32[np.ndarray, "replicates columns"]]:
        """Ask for the sums of each column of `values` over the drawn groups.

        Args:
            units: The numbers of some groups, ascending, each once.
            values: Of these groups.

        Returns:
            What gives the sums. The first of these calls draws the groups, for all that was asked by then.
        """
        number = len(self._sums) + len(self._asked)
        adjacent = units.size and units[-1] - units[0] + 1 == units.size
        # A slice of the draws is not copied.
        self._asked.append((slice(units[0], units[-1] + 1) if adjacent else units, values))

        def sums() -> Float32[np.ndarray, "replicates columns"]:
            if number >= len(self._sums):
                self._draw()
            return self._sums[number]

        return sums

    def _draw(self) -> None:
        asked, self._asked = self._asked, []
        found = [np.empty((self.replicates, values.shape[1]), dtype=np.float32) for _, values in asked]
        chunks = range(0, self.replicates, CHUNK)
        for begin in track(chunks, "bootstrap", f"times {CHUNK} draws", len(chunks)):
            end = min(begin + CHUNK, self.replicates)
            draws = np.stack([self.resampling.draw(number) for number in range(begin, end)])
            for (units, values), sums in zip(asked, found, strict=True):
                np.matmul(draws[:, units].astype(np.float32), values, out=sums[begin:end])
        self._sums += found


def interval(
    values: Float[np.ndarray, " replicates"], estimate: float | None = None, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of bootstrap replicates, with coverage `level`.

    If the interval does not contain the estimate, the bias of resampling is larger than the scatter: a group
    that is drawn twice ties with itself, but new images would not. The whole interval is then moved by the
    distance from the median of the replicates to the estimate. See `is_moved`.

    Args:
        values: The metric of each replicate.
        estimate: The metric of the images themselves; None never moves the interval.
        level: Nominal coverage, in (0, 1).

    Returns:
        Lower and upper bound. A bound of a metric that is never negative is at least 0.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    low, middle, high = np.quantile(values, [(1 - level) / 2, 0.5, (1 + level) / 2])
    if estimate is not None and _misses(low, high, estimate):
        low, high = low + estimate - middle, high + estimate - middle
        if values.min() >= 0:
            low = max(low, 0.0)  # a metric that is never negative has no negative bound
    return float(low), float(high)


def is_moved(values: Float[np.ndarray, " replicates"], estimate: float, level: float = 0.95) -> bool:
    """Whether `interval` moves the percentile interval to contain the estimate."""
    return _misses(*interval(values, level=level), estimate)


def _misses(low: float, high: float, estimate: float) -> bool:
    return not low - ROUNDING <= estimate <= high + ROUNDING


def two_sided_p(differences: Float[np.ndarray, " replicates"]) -> float:
    """Two-sided bootstrap p-value of the hypothesis that a difference is 0.

    It is at least 2 / (replicates + 1) and at most 1.
    """
    below = (1 + np.count_nonzero(differences <= 0)) / (differences.size + 1)
    above = (1 + np.count_nonzero(differences >= 0)) / (differences.size + 1)
    return float(min(1.0, 2 * min(below, above)))

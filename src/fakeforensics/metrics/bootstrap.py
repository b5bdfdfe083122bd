"""Group-bootstrap intervals of AP and AUC, sorted once: a replicate only changes the images' weights."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Integer

from fakeforensics.metrics.ranking import Ranking
from fakeforensics.metrics.resampling import Resampling

Statistic = Callable[[Integer[np.ndarray, " groups"]], float]


class _Workspace(threading.local):
    """A thread's arrays, filled again for each replicate: mapping fresh memory takes longer than the sums."""

    def __init__(self, images: int, fakes: int, blocks: int) -> None:
        self.weights = np.empty(images, dtype=np.uint8)
        self.fakes = np.empty(fakes, dtype=np.uint8)
        self.sums = np.empty(images, dtype=np.int32)
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
        ends: Positions, in that order, of the last image of each tie block that holds a fake.
        fake_ends: For each of these blocks, the position among the fakes of its last fake.
        block_ends: Positions of the last image of every tie block.
        space: Where a thread computes.
    """

    unit: Int[np.ndarray, " n"]
    fake: Int[np.ndarray, " fakes"]
    ends: Int[np.ndarray, " blocks"]
    fake_ends: Int[np.ndarray, " blocks"]
    block_ends: Int[np.ndarray, " distinct"]
    space: _Workspace

    def average_precision(self, counts: Integer[np.ndarray, " groups"]) -> float:
        """AP where each image counts as often as its group was drawn.

        Equal to scikit-learn's on the drawn images to rounding. A block without a fake adds no recall, so
        only the others are looked at.
        """
        space = self.space
        # Every index is known to lie inside; `clip` only spares NumPy a copy for the case that one does not.
        weights = np.take(counts, self.unit, out=space.weights, mode="clip")
        fakes = np.take(weights, self.fake, out=space.fakes, mode="clip")
        np.cumsum(fakes, dtype=np.int32, out=space.sums[: fakes.size])
        hits = np.take(space.sums, self.fake_ends, out=space.hits, mode="clip")
        np.cumsum(weights, dtype=np.int32, out=space.sums)
        seen = np.take(space.sums, self.ends, out=space.seen, mode="clip")
        precision = np.divide(hits, np.maximum(seen, 1, out=seen), out=space.precision)
        precision[1:] *= np.subtract(hits[1:], hits[:-1], out=space.found)
        precision[0] *= hits[0]
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
    """Prepare a test set with both classes for resampling.

    Args:
        ranking: Its sorted scores.
        unit: The group's number of each image, in the order in which the scores were given.
    """
    fake = np.flatnonzero(ranking.labels)
    block_of_fake = np.searchsorted(ranking.ends, fake)
    last = np.append(np.flatnonzero(np.diff(block_of_fake)), fake.size - 1)
    return WeightedRanking(
        unit=np.ascontiguousarray(unit[ranking.order]),
        fake=fake,
        ends=ranking.ends[block_of_fake[last]],
        fake_ends=last,
        block_ends=ranking.ends,
        space=_Workspace(unit.size, fake.size, last.size),
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
        One row a draw, one column a statistic.
    """

    def one(number: int) -> list[float]:
        counts = resampling.draw(number)
        return [statistic(counts) for statistic in statistics]

    # NumPy releases the interpreter's lock in the long loops, so threads share the arrays and the work.
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        rows = list(pool.map(one, range(replicates)))
    return np.array(rows, dtype=np.float64).reshape(replicates, len(statistics))


def interval(values: Float[np.ndarray, " replicates"], level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap replicates.

    Args:
        values: One value a replicate.
        level: Its coverage, in (0, 1).

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def two_sided_p(differences: Float[np.ndarray, " replicates"]) -> float:
    """Two-sided bootstrap p-value of a difference being 0; at least 2 / (replicates + 1), at most 1."""
    below = (1 + np.count_nonzero(differences <= 0)) / (differences.size + 1)
    above = (1 + np.count_nonzero(differences >= 0)) / (differences.size + 1)
    return float(min(1.0, 2 * min(below, above)))

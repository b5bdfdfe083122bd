"""Error rates of threshold rules, on the sets and on joint resamples of their groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from fakeforensics.metrics.bootstrap import Resampling
from fakeforensics.thresholds.rules import Answer
from fakeforensics.thresholds.target import Target

CHUNK = 50  # replicates at a time: memory stays linear in the scores


@dataclass(frozen=True)
class Measured:
    """Error rates of one answer.

    Attributes:
        answer: What was measured.
        fpr: On the set, then on each replicate.
        fnr: Likewise.
    """

    answer: Answer
    fpr: Float[np.ndarray, " replicates_1"]
    fnr: Float[np.ndarray, " replicates_1"]


def measure(
    targets: Sequence[Target], found: Sequence[Sequence[Answer]], resampling: Resampling, replicates: int
) -> list[list[Measured]]:
    """Error rates of all answers on the sets and on joint resamples of their groups.

    Args:
        targets: The sets, at whichever score.
        found: The answers of each view of them.
        resampling: Which groups are drawn.
        replicates: Number of draws.

    Returns:
        For each view, its answers that say something.
    """
    given = [answer for of_view in found for answer in of_view if answer.called is not None]
    measured: dict[int, Measured] = {}
    tables = [
        _GroupSums(target, [answer for answer in given if answer.target == number], replicates)
        for number, target in enumerate(targets)
    ]
    for begin in range(0, replicates, CHUNK):
        draws = np.stack([resampling.draw(r) for r in range(begin, min(begin + CHUNK, replicates))])
        for table in tables:
            table.add(draws)
    for table in tables:
        measured |= table.rates()
    return [[measured[id(answer)] for answer in of_view if answer.called is not None] for of_view in found]


class _GroupSums:
    """A set's errors, counted by group, summed as the groups are drawn."""

    def __init__(self, target: Target, given: list[Answer], replicates: int) -> None:
        self.given = given
        self.units, place = np.unique(target.unit, return_inverse=True)
        columns = [~target.fake, target.fake]
        for answer in given:
            assert answer.called is not None
            columns += [
                np.where(target.fake, 0, answer.called),
                np.where(target.fake, 1 - answer.called, 0),
            ]
        self.counts = np.empty((self.units.size, len(columns)), dtype=np.float32)
        for number, column in enumerate(columns):
            self.counts[:, number] = np.bincount(place, column, self.units.size)
        self.sums = np.empty((replicates + 1, len(columns)))
        self.sums[0] = self.counts.sum(axis=0, dtype=np.float64)
        self.done = 1

    def add(self, draws: np.ndarray) -> None:
        self.sums[self.done : self.done + len(draws)] = draws[:, self.units].astype(np.float32) @ self.counts
        self.done += len(draws)

    def rates(self) -> dict[int, Measured]:
        reals, fakes = self.sums[:, 0], self.sums[:, 1]
        return {
            id(answer): Measured(
                answer, self.sums[:, 2 + 2 * number] / reals, self.sums[:, 3 + 2 * number] / fakes
            )
            for number, answer in enumerate(self.given)
        }


def accuracy(one: Measured, share: float) -> Float[np.ndarray, " replicates_1"]:
    """Accuracy at a share of fakes."""
    result: np.ndarray = (1 - share) * (1 - one.fpr) + share * (1 - one.fnr)
    return result

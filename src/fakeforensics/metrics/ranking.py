"""Scores in descending order with their ties marked: the ground of every metric and threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from fakeforensics.errors import UserError


@dataclass(frozen=True)
class Ranking:
    """One test set's scores, sorted once. Fake means a score of at least the threshold.

    Attributes:
        order: Positions of the images by descending score; images with equal scores keep their order.
        labels: Labels in that order, 0 real and 1 fake.
        scores: Scores in that order.
        ends: For each distinct score, descending, the position in the order of its last image.
    """

    order: Int[np.ndarray, " n"]
    labels: Int[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]
    ends: Int[np.ndarray, " distinct"]

    @property
    def fakes(self) -> int:
        """Number of fakes."""
        return int(np.count_nonzero(self.labels))

    @property
    def reals(self) -> int:
        """Number of reals."""
        return self.labels.size - self.fakes


def rank(
    scores: Shaped[np.ndarray, " n"], labels: Shaped[np.ndarray, " labels"], what: str = "scores"
) -> Ranking:
    """Sort scores once.

    Args:
        scores: Finite; higher is faker.
        labels: 0 real, 1 fake; both may be absent.
        what: Whose scores these are, for the message.

    Raises:
        UserError: If there are none, if lengths differ, if a score is NaN or infinite, or a label is not 0 or
        1.
    """
    values, truth = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if values.ndim != 1 or values.shape != truth.shape:
        raise UserError(f"{what}: {values.shape} scores, {truth.shape} labels", expected="one label a score")
    if not values.size:
        raise UserError(f"{what}: there are no scores")
    if bad := int(np.count_nonzero(~np.isfinite(values))):
        raise UserError(
            f"{what}: {bad} of {values.size} scores are not finite numbers",
            fix="a detector that gives NaN or infinity is broken: train again, or drop these rows knowingly",
        )
    if not np.isin(truth, (0, 1)).all():
        raise UserError(f"{what}: a label is neither 0 nor 1", expected="0 for real, 1 for fake")
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), values.size - 1)
    return Ranking(order, truth[order].astype(np.int32), ranked, ends)


def need_both_classes(ranking: Ranking, what: str) -> None:
    """Refuse a set without reals or without fakes.

    Raises:
        UserError: Naming the class that is missing.
    """
    if not ranking.fakes or not ranking.reals:
        raise UserError(
            f"{what}: holds {ranking.reals} reals and {ranking.fakes} fakes",
            expected="at least one of each, or the metric is undefined",
        )

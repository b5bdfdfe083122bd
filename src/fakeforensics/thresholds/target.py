"""A test set at one score, as the threshold rules see it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from fakeforensics.metrics.ranking import Ranking, need_both_classes, rank


@dataclass(frozen=True)
class Target:
    """Scores and labels of one set, on the scale on which rules work.

    Attributes:
        name: The test set.
        scores: Finite; higher is faker.
        fake: Which images are fakes.
        unit: Number of each image's group, the same group having the same number in every set.
        image: Number of each image, likewise.
    """

    name: str
    scores: Float[np.ndarray, " n"]
    fake: Bool[np.ndarray, " n"]
    unit: Int[np.ndarray, " n"]
    image: Int[np.ndarray, " n"]

    @cached_property
    def ranking(self) -> Ranking:
        """The scores sorted once."""
        return rank(self.scores, self.fake.astype(np.int8), self.name)

    @property
    def share(self) -> float:
        """Share of fakes in the set as it is."""
        return float(self.fake.mean())

    def weights(self, share: float | None) -> Float[np.ndarray, " n"]:
        """Weights, summing to 1, under which the set has the given share of fakes; as it is for None.

        They are the expected composition: no image is dropped, and nothing is left to chance.
        """
        if share is None:
            return np.full(self.scores.size, 1 / self.scores.size)
        fakes = int(self.fake.sum())
        return np.where(self.fake, share / fakes, (1 - share) / (self.fake.size - fakes))

    def sharing_with(self, other: Target) -> Bool[np.ndarray, " n"]:
        """Which images are those of `other`, or of a group that it also has."""
        return np.isin(self.unit, other.unit) | np.isin(self.image, other.image)

    def only(self, kept: Bool[np.ndarray, " n"]) -> Target:
        """The set without some of its images."""
        return Target(self.name, self.scores[kept], self.fake[kept], self.unit[kept], self.image[kept])


def make_targets(
    table: pd.DataFrame, scores: Float[np.ndarray, " rows"], unit: Int[np.ndarray, " rows"]
) -> list[Target]:
    """The test sets of a table that hold both classes, in order of first appearance.

    Args:
        table: Columns test_set, key and label.
        scores: Of each row.
        unit: Number of each row's group.

    Raises:
        UserError: If a score is not finite, or no set holds both classes.
    """
    code, names = pd.factorize(table["test_set"])
    image = pd.factorize(table["key"])[0]
    fake = table["label"].to_numpy() == 1
    rank(scores, fake.astype(np.int8), "test scores")
    targets = []
    for number, name in enumerate(names):
        here = np.flatnonzero(code == number)
        if 0 < fake[here].sum() < here.size:
            targets.append(Target(str(name), scores[here], fake[here], unit[here], image[here]))
    return targets


def make_validation(scores: Float[np.ndarray, " n"], labels: Int[np.ndarray, " n"]) -> Target:
    """The validation images, whose groups no test set has. They may be reals alone.

    Raises:
        UserError: If there are no reals, or a score is not finite.
    """
    numbers = -1 - np.arange(scores.size)
    target = Target("validation", scores, labels == 1, numbers, numbers)
    if target.fake.all():
        need_both_classes(target.ranking, "validation")
    return target

"""The scores on which thresholds are selected: on a working scale, by test set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from fakeforensics.errors import UserError
from fakeforensics.metrics.ranking import Ranking, rank
from fakeforensics.metrics.spec import FUSED, VALIDATION, Scores


@dataclass(frozen=True)
class WorkingScore:
    """One score on the scale on which thresholds are selected.

    Attributes:
        name: Of the score, or `fused`.
        test: The value of each test row.
        validation: The value of each validation row.
        native: Maps a value back to the score's own scale.
    """

    name: str
    test: Float[np.ndarray, " rows"]
    validation: Float[np.ndarray, " validation"]
    native: Callable[[float], float]


@dataclass(frozen=True)
class Target:
    """Working scores and labels of one test set.

    Attributes:
        name: The test set.
        scores: Finite; higher is more likely fake.
        fake: Which images are fakes.
        unit: Number of each image's group. The same group has the same number in every set.
        image: Number of each image, likewise.
    """

    name: str
    scores: Float[np.ndarray, " n"]
    fake: Bool[np.ndarray, " n"]
    unit: Int[np.ndarray, " n"]
    image: Int[np.ndarray, " n"]

    @cached_property
    def ranking(self) -> Ranking:
        """The scores, sorted once."""
        return rank(self.scores, self.fake.astype(np.int8), self.name)

    @property
    def prevalence(self) -> float:
        """Share of fakes in the set as it is."""
        return float(self.fake.mean())

    def weights(self, prevalence: float | None) -> Float[np.ndarray, " n"]:
        """Weights, summing to 1, that give the set a prevalence, or leave it as it is for None.

        No image is dropped and nothing is random: this is the expected composition.
        """
        if prevalence is None:
            return np.full(self.scores.size, 1 / self.scores.size)
        fakes = int(self.fake.sum())
        return np.where(self.fake, prevalence / fakes, (1 - prevalence) / (self.fake.size - fakes))

    def without_shared(self, other: Target) -> Target | None:
        """The set without the images of `other` and without groups that occur there.

        Returns:
            None if `other` is this set, or if a class is lost.
        """
        if other.name == self.name:
            return None
        kept = ~(np.isin(self.unit, other.unit) | np.isin(self.image, other.image))
        if not 0 < np.count_nonzero(self.fake[kept]) < np.count_nonzero(kept):
            return None
        if kept.all():
            return self  # already sorted
        return Target(self.name, self.scores[kept], self.fake[kept], self.unit[kept], self.image[kept])


def make_working_scores(table: pd.DataFrame, validation: pd.DataFrame, scores: Scores) -> list[WorkingScore]:
    """Each score on its working scale, and all of them fused if there are several.

    They are fused by a logistic regression on their working scales, fitted on validation.

    Raises:
        UserError: If validation lacks a score, or a score is not finite.
    """
    found = []
    for score in scores:
        if score.column not in validation:
            raise UserError(f"the validation scores lack {score.column}", fix="run the score stage again")
        parts = []
        for rows, where in ((table, "test"), (validation, VALIDATION)):
            values = rows[score.column].to_numpy(dtype=np.float64)
            if not np.isfinite(values).all():
                raise UserError(f"{where} scores: {score.column} holds values that are not finite numbers")
            parts.append(score.to_working(values))
        found.append(WorkingScore(score.name, parts[0], parts[1], score.from_working))
    if len(found) > 1 and (validation["label"] == 1).any():
        found.append(_fuse(found, validation["label"].to_numpy()))
    return found


def _fuse(scores: list[WorkingScore], labels: np.ndarray) -> WorkingScore:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    validation = np.stack([score.validation for score in scores], axis=1)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(validation, labels)
    test = model.decision_function(np.stack([score.test for score in scores], axis=1))
    return WorkingScore(FUSED, test, model.decision_function(validation), native=float)


def make_targets(
    table: pd.DataFrame, scores: Float[np.ndarray, " rows"], unit: Int[np.ndarray, " rows"]
) -> list[Target]:
    """The test sets that hold both classes, in order of first appearance, with a score of each row.

    `unit` is the number of each row's group.
    """
    code, names = pd.factorize(table["test_set"])
    image, fake = pd.factorize(table["key"])[0], table["label"].to_numpy() == 1
    places = [np.flatnonzero(code == number) for number in range(len(names))]
    targets = [
        Target(str(name), scores[here], fake[here], unit[here], image[here])
        for name, here in zip(names, places, strict=True)
    ]
    return [target for target in targets if 0 < target.prevalence < 1]

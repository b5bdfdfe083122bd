"""The scores on which thresholds are selected, by test set, on a scale where each class is symmetric."""

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
        name: Name of the score, or `fused` for the combination of all scores.
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
        name: The test set's name.
        scores: Finite; higher is more likely fake.
        fake: Which images are fakes.
        unit: The group number of each image. A group has the same number in every set.
        image: The number of each image. An image has the same number in every set.
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
        """The set's own share of fakes, in [0, 1]."""
        return float(self.fake.mean())

    def weights(self, prevalence: float | None) -> Float[np.ndarray, " n"]:
        """Weights of the images that give the set a prevalence; their sum is 1.

        Args:
            prevalence: The share of fakes; None gives all images the same weight.
        """
        if prevalence is None:
            return np.full(self.scores.size, 1 / self.scores.size)
        fakes = int(self.fake.sum())
        return np.where(self.fake, prevalence / fakes, (1 - prevalence) / (self.fake.size - fakes))

    def without_shared(self, other: Target) -> Target | None:
        """The set without the images of `other` and without the groups that occur in `other`.

        Returns:
            None if `other` is this set, or if a class has no image left.
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
    """Convert each score to its working scale, and add the combination of all scores if there are several.

    The combination is the logit of a logistic regression on the working scales, fitted on validation. It is
    left out if validation has no fakes.

    Args:
        table: The score table of the test images.
        validation: The score table of the validation images.
        scores: The scores that both tables hold.

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
    """The test sets that hold both classes, in order of first appearance.

    Args:
        table: The score table of the test images.
        scores: The working score of each row.
        unit: The group number of each row.
    """
    code, names = pd.factorize(table["test_set"])
    image, fake = pd.factorize(table["key"])[0], table["label"].to_numpy() == 1
    places = [np.flatnonzero(code == number) for number in range(len(names))]
    targets = [
        Target(str(name), scores[here], fake[here], unit[here], image[here])
        for name, here in zip(names, places, strict=True)
    ]
    return [target for target in targets if 0 < target.prevalence < 1]

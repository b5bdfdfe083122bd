"""Thresholds: the error rates of each one on a set of images, and the best one for that set.

An image is called fake if its score is at least the threshold. TP and FN are the numbers of fakes called fake
and called real, FP is the number of reals called fake. TPR and FNR are TP and FN as shares of the fakes, FPR
is FP as a share of the reals.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped

from fakeforensics.metrics.ranking import Ranking, need_both_classes, rank
from fakeforensics.metrics.spec import VALIDATION, ScoreSpec

Criterion = Literal["f1", "accuracy", "youden", "eer"]
# Criterion → its title in tables and messages.
CRITERIA: dict[Criterion, str] = {
    "f1": "highest F1",
    "accuracy": "highest accuracy",
    "youden": "highest Youden's J",
    "eer": "equal error rates",
}
ONE_CLASS_FPR = 0.05  # FPR of a threshold that is chosen on validation reals alone


@dataclass(frozen=True)
class OperatingPoints:
    """All distinct operating points, from "nothing is called fake" to "everything is called fake".

    Attributes:
        thresholds: Descending: a value just above the highest score, the midpoints between neighboring
            distinct scores, the lowest score.
        margins: The gap between the two scores next to each threshold; 0 at both ends.
        tp: Number of fakes called fake at each threshold.
        fp: Number of reals called fake at each threshold.
        fakes: Number of fakes.
        reals: Number of reals.
    """

    thresholds: Float[np.ndarray, " points"]
    margins: Float[np.ndarray, " points"]
    tp: Int[np.ndarray, " points"]
    fp: Int[np.ndarray, " points"]
    fakes: int
    reals: int

    def best(self, values: Float[np.ndarray, " points"]) -> float:
        """The threshold with the largest value; of several, the one with the widest margin, then the highest.

        Args:
            values: A number for each threshold, such as a criterion.
        """
        # Rates that are equal may differ in the last bit.
        equal = np.flatnonzero(values >= values.max() - 1e-12)
        return float(self.thresholds[equal[np.argmax(self.margins[equal])]])


@dataclass(frozen=True)
class Outcome:
    """The error rates of one threshold on one set, as fractions.

    Attributes:
        threshold: The threshold on the score's own scale.
        precision: Share of fakes among the images called fake; 0 if none is called fake.
        recall: Share of the fakes that are called fake.
        accuracy: Share of the images that are classified correctly.
        balanced_accuracy: Mean of the accuracies on reals and on fakes.
        fpr: Share of the reals that are called fake.
        fnr: Share of the fakes that are called real.
    """

    threshold: float
    precision: float
    recall: float
    accuracy: float
    balanced_accuracy: float
    fpr: float
    fnr: float

    def as_dict(self) -> dict[str, float]:
        """Values by name; rates have six digits, the threshold is exact."""
        return {
            name: value if name == "threshold" else round(value, 6) for name, value in asdict(self).items()
        }


def sweep(ranking: Ranking) -> OperatingPoints:
    """Count true and false positives at every threshold of a ranking."""
    ends = ranking.ends
    distinct = ranking.scores[ends]
    tp = np.append(0, np.cumsum(ranking.labels)[ends])
    fp = np.append(0, ends + 1) - tp
    above, below = distinct[:-1], distinct[1:]
    middle = below + (above - below) / 2
    # Adjacent floating-point numbers have no midpoint, so the upper of the two scores is the threshold.
    middle = np.where(middle > below, middle, above)
    thresholds = np.concatenate([[np.nextafter(distinct[0], np.inf)], middle, [distinct[-1]]])
    margins = np.concatenate([[0.0], above - below, [0.0]])
    return OperatingPoints(thresholds, margins, tp, fp, ranking.fakes, ranking.reals)


def criterion_values(points: OperatingPoints, criterion: Criterion) -> Any:
    """The value of a criterion at every threshold, Float["points"]; larger is better.

    `f1` is 2TP / (2TP + FP + FN), `accuracy` the share of images classified correctly, `youden` TPR − FPR,
    and `eer` −|FPR − FNR|.
    """
    tp, fp, fakes, reals = points.tp, points.fp, points.fakes, points.reals
    if criterion == "f1":
        return 2 * tp / (tp + fp + fakes)
    if criterion == "accuracy":
        return (tp + reals - fp) / (fakes + reals)
    if criterion == "youden":
        return tp / fakes - fp / reals
    return -np.abs(fp / reals - (fakes - tp) / fakes)


def best_threshold(ranking: Ranking, criterion: Criterion, name: str = "scores") -> float:
    """The threshold that maximizes a criterion over all operating points.

    Args:
        ranking: The sorted scores of a set with both classes.
        criterion: What to maximize.
        name: Name of the set for the error message.

    Raises:
        UserError: If a class is absent.
    """
    need_both_classes(ranking, name)
    points = sweep(ranking)
    return points.best(criterion_values(points, criterion))


def deployed_threshold(ranking: Ranking, criterion: Criterion, name: str = "scores") -> float:
    """The threshold to deploy, chosen on validation scores.

    If validation has both classes, the threshold maximizes a criterion. Protocols that train one-class
    detectors alone validate with reals alone, on which no criterion is defined. Then about `ONE_CLASS_FPR` of
    the validation reals are called fake, or none if there are fewer than 19. This is not a guarantee, because
    the frames of one video are counted as independent.

    Args:
        ranking: The sorted validation scores.
        criterion: What to maximize.
        name: Name of the set for the error message.

    Raises:
        UserError: If there are no reals.
    """
    if ranking.fakes or not ranking.reals:
        return best_threshold(ranking, criterion, name)
    found = conformal_threshold(ranking.scores, ONE_CLASS_FPR)
    return float(np.nextafter(ranking.scores[0], np.inf)) if found is None else found


def validation_threshold(validation: pd.DataFrame, column: str, criterion: Criterion = "accuracy") -> float:
    """The threshold that `deployed_threshold` chooses on the validation scores of a column.

    Args:
        validation: A score table of the validation images.
        column: The score's column.
        criterion: What to maximize.

    Raises:
        UserError: If there are no reals, or a score is not finite.
    """
    ranking = rank(validation[column].to_numpy(), validation["label"].to_numpy(), VALIDATION)
    return deployed_threshold(ranking, criterion, VALIDATION)


def conformal_threshold(reals: Float[np.ndarray, " k"], alpha: float) -> float | None:
    """The threshold at which another real image is called fake with probability at most α.

    It lies just above the ⌈(1 − α)(k + 1)⌉-th smallest of the k scores. The guarantee is marginal: it holds
    for the mean over draws of the k reals and of the other one, which must be exchangeable with them. The FPR
    of a single draw may be higher.

    Args:
        reals: Scores of k real images of the domain, one per group.
        alpha: α, the wanted FPR, in (0, 1).

    Returns:
        The threshold; None if α is below 1 / (k + 1), which no finite threshold attains.

    Source:
        Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005 (split, or inductive,
        conformal prediction).
    """
    k = reals.size
    # Decimals such as 0.1 are not exact in binary, and (1 − 0.1) · 10 must not be rounded up to 10.
    place = math.ceil((1 - alpha) * (k + 1) - 1e-9)
    if place > k:
        return None
    return float(np.nextafter(np.partition(reals, place - 1)[place - 1], np.inf))


def outcome(scores: Shaped[np.ndarray, " n"], labels: Shaped[np.ndarray, " n"], threshold: float) -> Outcome:
    """The error rates of a threshold on a set with both classes."""
    called = np.asarray(scores) >= threshold
    fake = np.asarray(labels) == 1
    tp, fp = int(np.count_nonzero(called & fake)), int(np.count_nonzero(called & ~fake))
    fakes = int(np.count_nonzero(fake))
    reals = fake.size - fakes
    recall, fpr = tp / fakes, fp / reals
    return Outcome(
        threshold=threshold,
        precision=tp / (tp + fp) if tp + fp else 0.0,
        recall=recall,
        accuracy=(tp + reals - fp) / fake.size,
        balanced_accuracy=(recall + 1 - fpr) / 2,
        fpr=fpr,
        fnr=1 - recall,
    )


def threshold_fields(score: ScoreSpec, threshold: float) -> dict[str, float]:
    """A threshold for a table, with the uncalibrated probability of fake there if the score has one."""
    probability = score.probability(threshold)
    return {"threshold": threshold} | ({} if probability is None else {"probability": float(probability)})

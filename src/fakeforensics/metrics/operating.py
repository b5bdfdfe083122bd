"""Thresholds: what each one gives on a set, and which one is best there. Fake means score >= threshold."""

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
# Each criterion with its title.
CRITERIA: dict[Criterion, str] = {
    "f1": "highest F1",
    "accuracy": "highest accuracy",
    "youden": "highest Youden's J",
    "eer": "equal error rates",
}
ONE_CLASS_FPR = 0.05  # false-positive rate of a threshold from validation without fakes


@dataclass(frozen=True)
class OperatingPoints:
    """Every threshold that tells some two images apart, from nothing called fake to everything.

    Attributes:
        thresholds: One above the highest score, the midpoints of neighboring distinct scores, the lowest
            score.
        margins: The gap between the two neighboring scores; 0 at both ends.
        tp: Fakes called fake.
        fp: Reals called fake.
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
        """The threshold with the largest value; among equals the widest gap wins, then the highest."""
        # Rates of equal counts may differ in the last bit.
        equal = np.flatnonzero(values >= values.max() - 1e-12)
        return float(self.thresholds[equal[np.argmax(self.margins[equal])]])


@dataclass(frozen=True)
class Outcome:
    """What one threshold gives on one set; fractions.

    Attributes:
        threshold: In the score's own scale.
        precision: Share of fakes among the images called fake; 0 if none is.
        recall: Share of the fakes that are called fake.
        accuracy: Share of the images that are called what they are.
        balanced_accuracy: Mean of the two classes' accuracies.
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
        """Values by name; rates with six digits, the threshold exact."""
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
    # Between adjacent floating-point numbers there is no midpoint: the upper score itself parts them.
    middle = np.where(middle > below, middle, above)
    thresholds = np.concatenate([[np.nextafter(distinct[0], np.inf)], middle, [distinct[-1]]])
    margins = np.concatenate([[0.0], above - below, [0.0]])
    return OperatingPoints(thresholds, margins, tp, fp, ranking.fakes, ranking.reals)


def criterion_values(points: OperatingPoints, criterion: Criterion) -> Any:
    """A criterion at every threshold; larger is better.

    `f1` is 2TP / (2TP + FP + FN), `youden` TPR − FPR, `eer` minus the distance of FPR from FNR.
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
    """The threshold that maximizes a criterion over all order statistics.

    Raises:
        UserError: If a class is absent.
    """
    need_both_classes(ranking, name)
    points = sweep(ranking)
    return points.best(criterion_values(points, criterion))


def deployed_threshold(ranking: Ranking, criterion: Criterion, name: str = "scores") -> float:
    """The threshold that validation chooses.

    With both classes it maximizes a criterion. With reals alone, as where only one-class detectors are
    trained, no criterion is defined: about `ONE_CLASS_FPR` of the validation reals are called fake, or none
    where they are fewer than 19. Frames of one video are counted one by one, so this is no guarantee.

    Raises:
        UserError: If there are no reals.
    """
    if ranking.fakes or not ranking.reals:
        return best_threshold(ranking, criterion, name)
    found = conformal_threshold(ranking.scores, ONE_CLASS_FPR)
    return float(np.nextafter(ranking.scores[0], np.inf)) if found is None else found


def validation_threshold(validation: pd.DataFrame, column: str, criterion: Criterion = "accuracy") -> float:
    """The threshold of a score column that `deployed_threshold` chooses on validation.

    Raises:
        UserError: If there are no reals, or a score is not finite.
    """
    ranking = rank(validation[column].to_numpy(), validation["label"].to_numpy(), VALIDATION)
    return deployed_threshold(ranking, criterion, VALIDATION)


def conformal_threshold(reals: Float[np.ndarray, " k"], alpha: float) -> float | None:
    """The threshold at which a further real image is called fake with probability at most `alpha`.

    It lies just above the ⌈(1 − α)(k + 1)⌉-th smallest of the k scores. The guarantee is marginal: it is
    about the mean over draws of the k reals and of the further one, which must be exchangeable with them; a
    single draw may do worse.

    Args:
        reals: Scores of k real images of the domain, one per group.
        alpha: The false-positive rate asked for, in (0, 1).

    Returns:
        None if `alpha` is below 1 / (k + 1): no threshold but infinity attains it.

    Source:
        Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005 (split, or inductive,
        conformal prediction).
    """
    k = reals.size
    # Decimals such as 0.1 are not exact in binary: 0.9 · 10 must not round up to 10.
    place = math.ceil((1 - alpha) * (k + 1) - 1e-9)
    if place > k:
        return None
    return float(np.nextafter(np.partition(reals, place - 1)[place - 1], np.inf))


def outcome(scores: Shaped[np.ndarray, " n"], labels: Shaped[np.ndarray, " n"], threshold: float) -> Outcome:
    """What a threshold gives on a set with both classes."""
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
    """A threshold as tables state it, with the uncalibrated probability of fake there, if there is one."""
    probability = score.probability(threshold)
    return {"threshold": threshold} | ({} if probability is None else {"probability": float(probability)})

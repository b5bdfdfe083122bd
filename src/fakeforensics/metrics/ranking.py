"""Scores sorted in descending order with their ties marked, and the metrics that need no threshold.

Label 0 is real and 1 is fake; a higher score is more likely fake. Weights say how often each image counts:
the bootstrap passes the number of times that the image's group was drawn. Metrics are fractions. They raise a
`UserError` if a class is absent or a score is not finite. TPR is the share of the fakes called fake, FPR the
share of the reals called fake, FNR the share of the fakes called real.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from fakeforensics.errors import UserError

Vector = Shaped[np.ndarray, " n"]


@dataclass(frozen=True)
class Ranking:
    """The scores of one test set, sorted once.

    Attributes:
        order: Positions of the images by descending score; images with equal scores keep their order.
        labels: Labels in that order, 0 real and 1 fake.
        scores: Scores in that order.
        ends: For each distinct score, descending, the position of its last image in that order.
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


def rank(scores: Vector, labels: Shaped[np.ndarray, " labels"], name: str = "scores") -> Ranking:
    """Sort scores once.

    Args:
        scores: Finite numbers.
        labels: 0 real, 1 fake; a class may be absent.
        name: Name of the scores for error messages.

    Raises:
        UserError: If there are no scores, if lengths differ, if a score is NaN or infinite, or if a label is
            neither 0 nor 1.
    """
    values, truth = _checked(scores, labels, name)
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), values.size - 1)
    return Ranking(order, truth[order].astype(np.int32), ranked, ends)


def _checked(scores: Vector, labels: Shaped[np.ndarray, " labels"], name: str) -> tuple[Vector, Vector]:
    """Scores and labels as arrays, after the checks that `rank` promises."""
    values, truth = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if values.ndim != 1 or values.shape != truth.shape:
        raise UserError(
            f"{name}: {values.shape} scores, {truth.shape} labels", expected="one label per score"
        )
    if not values.size:
        raise UserError(f"{name}: there are no scores")
    if bad := int(np.count_nonzero(~np.isfinite(values))):
        raise UserError(
            f"{name}: {bad} of {values.size} scores are not finite numbers",
            fix="a detector that returns NaN or infinity is broken: train it again, or remove these rows",
        )
    if not np.isin(truth, (0, 1)).all():
        raise UserError(f"{name}: a label is neither 0 nor 1", expected="0 for real, 1 for fake")
    return values, truth


def need_both_classes(ranking: Ranking, name: str) -> None:
    """Reject a set without reals or without fakes.

    Raises:
        UserError: If a class is absent. The message states how many images each class has.
    """
    _need_both(ranking.reals, ranking.fakes, name)


def check_both_classes(scores: Vector, labels: Shaped[np.ndarray, " labels"], name: str) -> None:
    """Reject scores that `rank` rejects, and a set without reals or without fakes. Nothing is sorted.

    Raises:
        UserError: If `rank` would raise one, or a class is absent.
    """
    truth = _checked(scores, labels, name)[1]
    fakes = int(np.count_nonzero(truth))
    _need_both(truth.size - fakes, fakes, name)


def _need_both(reals: int, fakes: int, name: str) -> None:
    if not fakes or not reals:
        raise UserError(
            f"{name}: holds {reals} reals and {fakes} fakes",
            expected="at least one of each, or the metric is undefined",
        )


def average_precision(scores: Vector, labels: Vector, weights: Vector | None = None) -> float:
    """Average precision, AP = Σ (R_n − R_{n−1}) P_n, as scikit-learn computes it.

    P_n and R_n are precision and recall with the n-th highest distinct score as the threshold, and R_0 = 0.
    Pass logits and not sigmoids, which saturate into ties. Constant scores give the share of fakes.

    Source:
        The thesis, equation 4.1.
    """
    from sklearn.metrics import average_precision_score

    check_both_classes(scores, labels, "scores")
    return float(average_precision_score(labels, scores, sample_weight=weights))


def roc_auc(scores: Vector, labels: Vector, weights: Vector | None = None) -> float:
    """Area under the ROC curve: the probability that a random fake scores above a random real.

    Ties count half.
    """
    from sklearn.metrics import roc_auc_score

    check_both_classes(scores, labels, "scores")
    return float(roc_auc_score(labels, scores, sample_weight=weights))


def roc_points(
    scores: Vector, labels: Vector, weights: Vector | None = None
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """FPR and TPR with each distinct score as the threshold, from (0, 0) to (1, 1)."""
    ranking = rank(scores, labels)
    need_both_classes(ranking, "scores")
    counts = np.ones_like(ranking.labels) if weights is None else np.asarray(weights)[ranking.order]
    tp = np.cumsum(counts * ranking.labels, dtype=np.int64)[ranking.ends]
    fp = np.cumsum(counts, dtype=np.int64)[ranking.ends] - tp
    return np.append(0.0, fp / fp[-1]), np.append(0.0, tp / tp[-1])


def equal_error_rate(scores: Vector, labels: Vector, weights: Vector | None = None) -> float:
    """The error rate at which FPR = FNR, interpolated linearly on the ROC curve.

    Constant scores give 0.5.
    """
    fpr, tpr = roc_points(scores, labels, weights)
    excess = fpr + tpr - 1  # FPR − FNR, which never decreases from −1 to 1
    right = int(np.searchsorted(excess, 0.0))
    left = right - 1
    share = -excess[left] / (excess[right] - excess[left])
    return float(fpr[left] + share * (fpr[right] - fpr[left]))


def tpr_at_fpr(scores: Vector, labels: Vector, weights: Vector | None = None, *, limit: float) -> float:
    """The largest TPR of a threshold whose FPR is at most `limit`. The ROC curve is not interpolated.

    With fewer than 1 / `limit` reals no real may be called fake.

    Args:
        scores: Finite; higher is more likely fake.
        labels: 0 real, 1 fake.
        weights: How often each image counts; by default once.
        limit: The largest FPR, a fraction.
    """
    fpr, tpr = roc_points(scores, labels, weights)
    # The factor allows for rounding: 3 / 300 must not exceed a limit of 0.01.
    return float(tpr[fpr <= limit * (1 + 1e-12)][-1])

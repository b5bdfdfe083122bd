"""Threshold-less metrics of one test set. Label 1 is fake, and a higher score is faker."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Shaped
from sklearn.metrics import average_precision_score, roc_auc_score

from fakeforensics.metrics.ranking import Ranking, need_both_classes, rank

Vector = Shaped[np.ndarray, " n"]


def average_precision(scores: Vector, labels: Vector, what: str = "scores") -> float:
    """AP = Σ (R_n − R_{n−1}) P_n over the distinct scores, as scikit-learn computes it.

    Give logits rather than sigmoids, which saturate into ties. Constant scores give the share of fakes.

    Returns:
        A fraction in (0, 1].

    Raises:
        UserError: If a class is absent or a score is not finite.

    Source:
        The thesis, equation 4.1.
    """
    need_both_classes(rank(scores, labels, what), what)
    return float(average_precision_score(labels, scores))


def roc_auc(scores: Vector, labels: Vector, what: str = "scores") -> float:
    """Probability that a random fake scores above a random real; ties count half: constant scores give 0.5.

    Raises:
        UserError: If a class is absent or a score is not finite.
    """
    need_both_classes(rank(scores, labels, what), what)
    return float(roc_auc_score(labels, scores))


def roc_points(ranking: Ranking) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """FPR and TPR at each distinct score, from (0, 0) to (1, 1)."""
    tp = np.cumsum(ranking.labels)[ranking.ends]
    fp = ranking.ends + 1 - tp
    return np.append(0.0, fp / ranking.reals), np.append(0.0, tp / ranking.fakes)


def equal_error_rate(scores: Vector, labels: Vector, what: str = "scores") -> float:
    """The error rate where FPR = FNR, on the ROC curve's straight segments. Constant scores give 0.5.

    Raises:
        UserError: If a class is absent or a score is not finite.
    """
    ranking = rank(scores, labels, what)
    need_both_classes(ranking, what)
    fpr, tpr = roc_points(ranking)
    excess = fpr + tpr - 1  # FPR − FNR: from −1 to 1 and never falling
    right = int(np.searchsorted(excess, 0.0))
    left = right - 1
    share = -excess[left] / (excess[right] - excess[left])
    return float(fpr[left] + share * (fpr[right] - fpr[left]))


def tpr_at_fpr(scores: Vector, labels: Vector, limit: float, what: str = "scores") -> float:
    """The largest TPR of a threshold whose FPR is at most `limit`: a step of the ROC curve, not interpolated.

    With fewer than 1 / `limit` reals no false positive is allowed.

    Raises:
        UserError: If a class is absent or a score is not finite.
    """
    ranking = rank(scores, labels, what)
    need_both_classes(ranking, what)
    fpr, tpr = roc_points(ranking)
    # Counts over n are compared with a decimal limit: 3 / 300 must pass for 0.01.
    return float(tpr[fpr <= limit * (1 + 1e-12)][-1])

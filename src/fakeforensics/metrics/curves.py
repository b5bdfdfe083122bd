"""Precision-recall and ROC curves as tables for DVC plots, thinned but exact at the points that stay."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from fakeforensics.metrics.operating import sweep
from fakeforensics.metrics.ranking import Ranking

Curve = Float[np.ndarray, " points"]


def pr_curve(ranking: Ranking, points: int = 200) -> pd.DataFrame:
    """Precision and recall at each distinct score, thinned.

    Args:
        ranking: A set with both classes.
        points: The most rows.

    Returns:
        Columns recall (never falling), precision, threshold.
    """
    counts = sweep(ranking)
    tp, fp = counts.tp[1:], counts.fp[1:]
    recall, precision = tp / counts.fakes, tp / (tp + fp)
    kept = thin(recall, precision, points)
    return pd.DataFrame(
        {"recall": recall[kept], "precision": precision[kept], "threshold": counts.thresholds[1:][kept]}
    )


def roc_curve(ranking: Ranking, points: int = 200) -> pd.DataFrame:
    """FPR and TPR at each distinct score, thinned.

    Args:
        ranking: A set with both classes.
        points: The most rows.

    Returns:
        Columns fpr and tpr, both never falling, from (0, 0) to (1, 1), and threshold.
    """
    counts = sweep(ranking)
    fpr, tpr = counts.fp / counts.reals, counts.tp / counts.fakes
    kept = thin(fpr, tpr, points)
    return pd.DataFrame({"fpr": fpr[kept], "tpr": tpr[kept], "threshold": counts.thresholds[kept]})


def thin(x: Curve, y: Curve, points: int) -> Int[np.ndarray, " kept"]:
    """Choose points spread evenly along a curve's length, both ends among them.

    Steep parts keep as many points as flat ones, unlike an even choice by rank.

    Args:
        x: Abscissae in [0, 1].
        y: Ordinates in [0, 1].
        points: The most to keep, at least 2.
    """
    if x.size <= points:
        return np.arange(x.size)
    length = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    wanted = np.searchsorted(length, np.linspace(0.0, length[-1], points - 1))
    # Rounding of the sum may leave the last point out.
    return np.unique(np.append(wanted, x.size - 1).clip(0, x.size - 1))

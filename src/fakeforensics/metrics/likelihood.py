"""Quality of likelihood ratios: their cost (Cllr), the least cost of a ranking, bounds, Tippett curves.

A likelihood ratio (LR) says how many times more probable a score is among fakes than among reals. The
functions here take its logarithm to base 10: 0 favors neither class, 2 means that the score is a hundred
times more probable among fakes. Cllr stands for the cost of log-likelihood ratios. Label 0 is real, 1 fake.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Shaped

from fakeforensics.metrics.ranking import Vector, check_both_classes

LOG2_10 = float(np.log2(10.0))


def cllr(log10_lr: Vector, labels: Vector, weights: Vector | None = None) -> float:
    """The cost of log-likelihood ratios, in bits per image with both classes equally likely.

    Cllr = (mean over fakes of log2(1 + 1 / LR) + mean over reals of log2(1 + LR)) / 2. It is 0 for a perfect
    detector and 1 for one that always answers LR = 1. If it is above 1, the answers are worse than LR = 1.

    Args:
        log10_lr: log10 LR of each image; finite.
        labels: 0 real, 1 fake.
        weights: How often each image counts; by default once.

    Raises:
        UserError: If a class is absent, or a value is not finite.

    Source:
        Brümmer and du Preez, Application-independent evaluation of speaker detection, Computer Speech and
        Language 20, 2006, equation 11.
    """
    check_both_classes(log10_lr, labels, "log10 LR")
    return _mean_of_classes(costs(log10_lr, labels), np.asarray(labels) == 1, weights)


def costs(log10_lr: Vector, labels: Vector) -> Vector:
    """The cost of each image in bits: log2(1 + 1 / LR) of a fake, log2(1 + LR) of a real.

    Cllr is the mean of the two classes' mean costs.
    """
    sign = np.where(np.asarray(labels) == 1, -1.0, 1.0)
    # log2(1 + 2^x) with x = −log2(LR) of a fake and log2(LR) of a real; `logaddexp2` does not overflow.
    return np.asarray(np.logaddexp2(0.0, LOG2_10 * sign * np.asarray(log10_lr, dtype=np.float64)))


def cllr_min(scores: Vector, labels: Vector, weights: Vector | None = None) -> float:
    """The least Cllr that a non-decreasing function of the scores can reach on this set, in bits.

    Isotonic regression on the set's own labels reaches it. No user has these labels, so it is a bound: it is
    the cost of the ranking, and Cllr − Cllr_min is the cost of calibration. Constant scores give 1.

    Args:
        scores: Finite; higher is more likely fake.
        labels: 0 real, 1 fake.
        weights: How often each image counts; by default once.

    Raises:
        UserError: If a class is absent, or a score is not finite.

    Source:
        Brümmer and du Preez, as for `cllr`, section 4.3 (pool adjacent violators).
    """
    from sklearn.isotonic import IsotonicRegression

    check_both_classes(scores, labels, "scores")
    truth = np.asarray(labels) == 1
    counts = np.ones(truth.size) if weights is None else np.asarray(weights, dtype=np.float64)
    # The scores are replaced by their ranks, since the regression merges scores that differ by 1e-15.
    place = np.unique(scores, return_inverse=True)[1]
    share = IsotonicRegression().fit_transform(place, truth, sample_weight=counts)
    fakes, reals = counts[truth].sum(), counts[~truth].sum()
    fake, real = share / fakes, (1 - share) / reals
    # An image with a weight above 0 gives its own class a share above 0 in its block.
    own = np.where(truth, fake, real)
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = np.where(counts > 0, np.log2((fake + real) / own), 0.0)
    return _mean_of_classes(bits, truth, counts)


def _mean_of_classes(bits: Vector, truth: Vector, weights: Vector | None) -> float:
    counts = None if weights is None else np.asarray(weights, dtype=np.float64)
    parts = [
        np.average(bits[kept], weights=None if counts is None else counts[kept]) for kept in (truth, ~truth)
    ]
    return float(np.mean(parts))


def empirical_bounds(
    log10_lr: Float[np.ndarray, " n"], labels: Shaped[np.ndarray, " n"], weights: Vector | None = None
) -> tuple[float, float]:
    """The empirical lower and upper bound (ELUB): the largest and smallest LR that tested images support.

    A user decides for fake if LR > t, where t follows from the costs of both errors and the prior odds. That
    must not cost more than to always decide for the same class, whichever costs less. The upper bound is the
    smallest t ≥ 1 at which it costs more; the lower bound is the largest such t ≤ 1. Before that, one
    misleading image with an LR beyond all thresholds is added to each class. Let a of the n1 fakes have
    LR ≤ t, and b of the n2 reals have LR > t. The cost for t ≥ 1 is then
    (a + 1) / (n1 + 1) + t (b + 1) / (n2 + 1), and to always decide for real costs 1. So the upper bound is at
    most n2 + 1, and the lower bound at least 1 / (n1 + 1).

    Args:
        log10_lr: log10 LR of images that the calibrator was not fitted on; finite.
        labels: 0 real, 1 fake.
        weights: How much each image counts. For images that are not independent, 1 over the number of images
            in its group, so that the sum is the number of groups. By default 1.

    Returns:
        log10 of the lower bound, at most 0, and of the upper bound, at least 0.

    Raises:
        UserError: If a class is absent, or a value is not finite.

    Source:
        Vergeer, van Es, de Jongh, Alberink and Stoel, Numerical likelihood ratios outputted by LR systems are
        often based on extrapolation: when to stop extrapolating?, Science and Justice 56, 2016.
    """
    check_both_classes(log10_lr, labels, "log10 LR")
    fake = np.asarray(labels) == 1
    counts = np.ones(fake.size) if weights is None else np.asarray(weights, dtype=np.float64)
    values = np.asarray(log10_lr, dtype=np.float64)
    return -_upper_bound(-values, ~fake, counts), _upper_bound(values, fake, counts)


def _upper_bound(values: Vector, fake: Vector, counts: Vector) -> float:
    """log10 of the upper bound. Negated values and exchanged classes give the negated lower bound."""
    # From each of these thresholds up to the next one, the same images have LR > t.
    starts = np.unique(np.append(values.clip(min=0), 0.0))
    missed = (_weight_up_to(values[fake], counts[fake], starts) + 1) / (counts[fake].sum() + 1)
    reals = counts[~fake].sum()
    alarms = (reals - _weight_up_to(values[~fake], counts[~fake], starts) + 1) / (reals + 1)
    with np.errstate(divide="ignore"):
        highest = np.log10(np.maximum(1 - missed, 0) / alarms)  # a larger t costs more than 1
    # No fake lies above the last threshold, so 1 − missed is 0 there up to rounding.
    failing = np.flatnonzero(highest < np.append(starts[1:], np.inf))[0]
    return float(max(starts[failing], highest[failing]))


def _weight_up_to(
    values: Vector, counts: Vector, limits: Shaped[np.ndarray, " limits"]
) -> Float[np.ndarray, " limits"]:
    order = np.argsort(values, kind="stable")
    return np.append(0.0, np.cumsum(counts[order]))[np.searchsorted(values[order], limits, side="right")]


def tippett(log10_lr: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """The curve of one class in a Tippett plot: the share of its images whose log10 LR is at least x.

    Args:
        log10_lr: log10 LR of the images of one class.

    Returns:
        Each distinct value x, ascending, and the share of the images at or above it, in (0, 1].
    """
    x, counts = np.unique(log10_lr, return_counts=True)
    return x, np.cumsum(counts[::-1])[::-1] / log10_lr.size

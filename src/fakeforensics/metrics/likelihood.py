"""What likelihood ratios are worth: their cost Cllr, the least cost of the ranking, bounds, Tippett curves.

A likelihood ratio (LR) says how many times more probable a score is among fakes than among reals. Here it is
its logarithm to base 10: 0 says nothing, 2 means a hundred times more probable among fakes. Label 1 is fake.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Shaped

from fakeforensics.metrics.ranking import Vector, check_both_classes

LOG2_10 = float(np.log2(10.0))


def cllr(log10_lr: Vector, labels: Vector, weights: Vector | None = None) -> float:
    """The cost of log-likelihood ratios, in bits per image with both classes equally likely.

    Cllr = (mean over fakes of log2(1 + 1 / LR) + mean over reals of log2(1 + LR)) / 2. It is 0 for a perfect
    detector and 1 for one that always answers LR = 1; above 1 its answers do more harm than none.

    Args:
        log10_lr: Finite.
        labels: 0 real, 1 fake.
        weights: How often each image counts.

    Raises:
        UserError: If a class is absent, or a value is not finite.

    Source:
        Brümmer and du Preez, Application-independent evaluation of speaker detection, Computer Speech and
        Language 20, 2006, equation 11.
    """
    check_both_classes(log10_lr, labels, "log10 LR")
    return _mean_of_classes(costs(log10_lr, labels), np.asarray(labels) == 1, weights)


def costs(log10_lr: Vector, labels: Vector) -> Vector:
    """Each image's cost in bits: log2(1 + 1 / LR) of a fake, log2(1 + LR) of a real; Cllr is their mean."""
    sign = np.where(np.asarray(labels) == 1, -1.0, 1.0)
    # Never overflows: log2(1 + 2^x) with x = ∓ log2(LR).
    return np.asarray(np.logaddexp2(0.0, LOG2_10 * sign * np.asarray(log10_lr, dtype=np.float64)))


def cllr_min(scores: Vector, labels: Vector, weights: Vector | None = None) -> float:
    """The least Cllr that any rising function of the scores can have on this very set.

    It is reached by isotonic regression on the set's own labels, which no user has: what remains is the cost
    of the ranking, and Cllr − Cllr_min is the cost of calibration. Constant scores give 1.

    Raises:
        UserError: If a class is absent, or a score is not finite.

    Source:
        Brümmer and du Preez, as for `cllr`, section 4.3 (pool adjacent violators).
    """
    from sklearn.isotonic import IsotonicRegression

    check_both_classes(scores, labels, "scores")
    truth = np.asarray(labels) == 1
    counts = np.ones(truth.size) if weights is None else np.asarray(weights, dtype=np.float64)
    # Numbers of the distinct scores: the regression would merge scores that differ by 1e-15.
    place = np.unique(scores, return_inverse=True)[1]
    share = IsotonicRegression().fit_transform(place, truth, sample_weight=counts)
    fakes, reals = counts[truth].sum(), counts[~truth].sum()
    fake, real = share / fakes, (1 - share) / reals
    # Of an image that counts, the own class has a share of its block above 0.
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
    """The empirical lower and upper bound (ELUB): how far images on which LRs were tested support them.

    Someone who decides for fake where LR > t, with t the ratio of the costs and prior odds, must not lose
    more than by always deciding for the cheaper side. The bound is the first t, going away from 1, at which
    one loses more, after one misleading image was added to each class, with an LR beyond all thresholds.
    With n1 fakes, of which a have LR ≤ t, and n2 reals, of which b have LR > t, the loss for t ≥ 1 is
    (a + 1) / (n1 + 1) + t (b + 1) / (n2 + 1), and always deciding for real costs 1. So no upper bound exceeds
    n2 + 1, and no lower one falls below 1 / (n1 + 1).

    Args:
        log10_lr: LRs of images that the calibrator was not fitted on; finite.
        labels: 0 real, 1 fake.
        weights: How much each image counts, where images are not independent: 1 over the number of images of
            its group, so that the sum is the number of groups. By default 1.

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
    """The upper bound; the lower one is that of the mirrored values with the classes exchanged."""
    # From each of these thresholds up to the next one, the same images have LR > t.
    starts = np.unique(np.append(values.clip(min=0), 0.0))
    missed = (_weight_up_to(values[fake], counts[fake], starts) + 1) / (counts[fake].sum() + 1)
    reals = counts[~fake].sum()
    alarms = (reals - _weight_up_to(values[~fake], counts[~fake], starts) + 1) / (reals + 1)
    with np.errstate(divide="ignore"):
        highest = np.log10(np.maximum(1 - missed, 0) / alarms)  # with more than this t one loses
    # At the end no fake lies above t: 1 − missed is 0, or a rounding error beside it.
    failing = np.flatnonzero(highest < np.append(starts[1:], np.inf))[0]
    return float(max(starts[failing], highest[failing]))


def _weight_up_to(
    values: Vector, counts: Vector, limits: Shaped[np.ndarray, " limits"]
) -> Float[np.ndarray, " limits"]:
    order = np.argsort(values, kind="stable")
    return np.append(0.0, np.cumsum(counts[order]))[np.searchsorted(values[order], limits, side="right")]


def tippett(log10_lr: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """One class's curve of a Tippett plot: the share of the images whose log10 LR is at least x.

    Returns:
        Each distinct value x, ascending, and the share of the images at or above it.
    """
    x, counts = np.unique(log10_lr, return_counts=True)
    return x, np.cumsum(counts[::-1])[::-1] / log10_lr.size

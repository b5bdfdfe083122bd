"""Thresholds from the target's scores without its labels; each assumes something of their shape.

Each method sees the set as a weighted histogram, so that it can be asked about any share of fakes, and takes
time that does not grow with the set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from scipy.special import expit, logit

BINS = 512
STEPS = 300
SMALLEST_SHARE = 1e-3  # of fakes or reals that a method may conclude on


@dataclass(frozen=True)
class Unlabelled:
    """What the unlabelled methods may look at.

    Attributes:
        centres: Middle of each bin of the target's scores, ascending and evenly spaced.
        mass: Share of the target in each bin, summing to 1.
        mean: Of the target's scores.
        deviation: Standard deviation of the target's scores; 0 if they are constant.
    """

    centres: Float[np.ndarray, " bins"]
    mass: Float[np.ndarray, " bins"]
    mean: float
    deviation: float


@dataclass(frozen=True)
class Seen:
    """What the methods carry over from labelled validation.

    Attributes:
        threshold: Validation's own.
        mean: Of the validation scores.
        deviation: Their standard deviation.
        slope: Of the log-odds of fake in the score, fitted on validation.
        intercept: Of the same.
        share: Of fakes in validation.
    """

    threshold: float
    mean: float
    deviation: float
    slope: float
    intercept: float
    share: float


Method = Callable[[Unlabelled, Seen], float | None]


def histogram(scores: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"]) -> Unlabelled:
    """Summarise a target's scores.

    Args:
        scores: Without labels.
        weights: Summing to 1.
    """
    mean = float(weights @ scores)
    deviation = float(np.sqrt(weights @ (scores - mean) ** 2))
    low, high = float(scores.min()), float(scores.max())
    if high <= low:
        return Unlabelled(np.array([low]), np.array([1.0]), mean, 0.0)
    mass, edges = np.histogram(scores, bins=BINS, range=(low, high), weights=weights)
    return Unlabelled((edges[:-1] + edges[1:]) / 2, mass, mean, deviation)


def prior_shift(target: Unlabelled, seen: Seen) -> float | None:
    """Expectation-maximisation of the share of fakes, if nothing but that share differs from validation.

    Returns:
        Where the odds of fake are even at the estimated share; None if validation's odds do not rise with the
        score.

    Source:
        Saerens, Latinne and Decaestecker, Adjusting the outputs of a classifier to new a priori
        probabilities, Neural Computation 14, 2002.
    """
    if seen.slope <= 0:
        return None
    odds = seen.slope * target.centres + seen.intercept - logit(seen.share)
    share = seen.share
    for _ in range(STEPS):
        new = float(np.clip(target.mass @ expit(odds + logit(share)), SMALLEST_SHARE, 1 - SMALLEST_SHARE))
        if abs(new - share) < 1e-9:
            break
        share = new
    return float((logit(seen.share) - logit(share) - seen.intercept) / seen.slope)


def mixture(target: Unlabelled, seen: Seen) -> float | None:  # noqa: ARG001
    """Two Gaussians, the higher one taken for the fakes.

    Returns:
        Where both are equally likely, between their means; None if one of them vanishes or they do not part.
    """
    if target.deviation == 0:
        return None
    x, mass = target.centres, target.mass
    upper = x >= target.mean
    means = np.array([np.average(x[~upper], weights=mass[~upper]), np.average(x[upper], weights=mass[upper])])
    spread = np.full(2, target.deviation**2 / 4)
    shares = np.array([mass[~upper].sum(), mass[upper].sum()])
    floor = (target.deviation / 50) ** 2
    for _ in range(STEPS):
        before = means.copy()
        density = shares[:, None] * _normal(x, means[:, None], spread[:, None])
        belongs = density / np.maximum(density.sum(axis=0), 1e-300) * mass
        shares = belongs.sum(axis=1)
        if shares.min() < SMALLEST_SHARE:
            return None
        means = belongs @ x / shares
        spread = np.maximum((belongs * (x - means[:, None]) ** 2).sum(axis=1) / shares, floor)
        if np.abs(means - before).max() < 1e-6 * target.deviation:
            break
    low, high = np.argsort(means)
    between = x[(x > means[low]) & (x < means[high])]
    real = shares[low] * _normal(between, means[low], spread[low])
    fake = shares[high] * _normal(between, means[high], spread[high])
    crossings = np.flatnonzero((real[:-1] >= fake[:-1]) & (real[1:] < fake[1:]))
    return float(between[crossings[0] + 1]) if crossings.size else None


def valley(target: Unlabelled, seen: Seen) -> float | None:  # noqa: ARG001
    """The lowest point between the two peaks of the smoothed histogram.

    It is smoothed more and more until two peaks are left.

    Returns:
        None if the histogram goes from more than two peaks, or from the start, to a single one.
    """
    if target.deviation == 0:
        return None
    # From a quarter to twice Silverman's bandwidth for a thousand scores, in bins.
    step = target.centres[1] - target.centres[0]
    base = 0.9 * target.deviation * 1000**-0.2 / step
    for width in base * np.geomspace(0.25, 2.0, 13):
        smooth = gaussian_filter1d(target.mass, width, mode="constant")
        rising = np.diff(smooth) > 0
        peaks = np.flatnonzero(np.append(True, rising) & ~np.append(rising, False))
        peaks = peaks[smooth[peaks] > 1e-3 * smooth.max()]
        if peaks.size == 2:
            left, right = peaks
            lowest = left + int(np.argmin(smooth[left : right + 1]))
            beyond = float(target.mass[lowest:].sum())
            # Smaller or shallower bumps than these come of chance in the tails.
            if min(beyond, 1 - beyond) > 5 * SMALLEST_SHARE and smooth[lowest] < 0.9 * smooth[peaks].min():
                return float(target.centres[lowest])
        if peaks.size < 2:
            return None
    return None


def standardise(target: Unlabelled, seen: Seen) -> float | None:
    """Validation's threshold, moved and stretched as the target's mean and deviation are.

    Returns:
        None if the target's scores, or validation's, are constant.
    """
    if target.deviation == 0 or seen.deviation == 0:
        return None
    return target.mean + target.deviation * (seen.threshold - seen.mean) / seen.deviation


METHODS: dict[str, Method] = {
    "prior_shift": prior_shift,
    "mixture": mixture,
    "valley": valley,
    "standardise": standardise,
}


def _normal(x: np.ndarray, mean: Any, variance: Any) -> np.ndarray:
    density: np.ndarray = np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    return density

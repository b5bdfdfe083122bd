"""Thresholds from the target's scores without its labels. Each method assumes something about their shape.

The methods read a weighted histogram, which can stand for any prevalence and whose size is fixed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from scipy.special import expit, logit

BINS = 512
STEPS = 300
SMALLEST = 1e-3  # share of fakes or reals that a method may conclude on
CROWDED = 8 / BINS  # share of the range in which nine tenths of the images hide the shape of their scores


class ScoreHistogram(NamedTuple):
    """What the methods know of the target.

    Attributes:
        centers: Center of each bin of scores, ascending and evenly spaced.
        mass: Share of the target in each bin; the sum is 1.
        mean: Of the target's scores.
        std: Their standard deviation; 0 if they are constant (see `is_constant`), or if a few lie so far out
            that they alone make it and too few bins are left for the others.
    """

    centers: Float[np.ndarray, " bins"]
    mass: Float[np.ndarray, " bins"]
    mean: float
    std: float


class ValidationSummary(NamedTuple):
    """What the methods know of validation: its threshold, scores, log-odds of fake, and share of fakes.

    The log-odds are slope * score + intercept.
    """

    threshold: float
    mean: float
    std: float
    slope: float
    intercept: float
    prevalence: float


Method = Callable[[ScoreHistogram, ValidationSummary], float | None]


def is_constant(scores: Float[np.ndarray, " n"]) -> bool:
    """Whether scores differ by rounding alone: there are fewer numbers between them than two for each bin."""
    low, high = float(scores.min()), float(scores.max())
    return high - low < 2 * BINS * float(np.spacing(max(abs(low), abs(high))))


def histogram(scores: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"]) -> ScoreHistogram:
    """Summarize scores under weights that sum to 1."""
    mean = float(weights @ scores)
    if is_constant(scores):
        return ScoreHistogram(scores[:1], np.array([1.0]), mean, 0.0)
    lowest, low, high, highest = np.quantile(scores, [0, 0.05, 0.95, 1])
    is_crowded = high - low < CROWDED * (highest - lowest)
    std = 0.0 if is_crowded else float(np.sqrt(weights @ (scores - mean) ** 2))
    mass, edges = np.histogram(scores, bins=BINS, weights=weights)
    return ScoreHistogram((edges[:-1] + edges[1:]) / 2, mass, mean, std)


def prior_shift(target: ScoreHistogram, validation: ValidationSummary) -> float | None:
    """Estimate the prevalence by expectation maximization, assuming that only it differs from validation.

    Returns:
        Where the odds of fake are even at the estimated prevalence; None if validation's odds do not rise
        with the score, or rise more than e-fold within a bin, as where one far outlier makes bins wide.

    Source:
        Saerens, Latinne and Decaestecker, Adjusting the outputs of a classifier to new a priori
        probabilities, Neural Computation 14, 2002.
    """
    step = float(np.diff(target.centers[:2]).sum())
    if validation.slope <= 0 or validation.slope * step > 1:
        return None
    base = logit(validation.prevalence)
    odds = validation.slope * target.centers + validation.intercept - base
    prevalence = validation.prevalence
    for _ in range(STEPS):
        new = float(np.clip(target.mass @ expit(odds + logit(prevalence)), SMALLEST, 1 - SMALLEST))
        if abs(new - prevalence) < 1e-9:
            break
        prevalence = new
    return float((base - logit(prevalence) - validation.intercept) / validation.slope)


def mixture(target: ScoreHistogram, validation: ValidationSummary) -> float | None:  # noqa: ARG001
    """Fit two Gaussians, assuming that the higher one is the fakes.

    Returns:
        Where both are equally likely, between their means; None if one of them vanishes, they do not cross,
        or a few scores lie so far out that no shape is seen.
    """
    if target.std == 0:
        return None
    # In standard deviations from the mean, so that no square leaves floating point.
    x, mass = (target.centers - target.mean) / target.std, target.mass
    belongs = np.stack([x < 0, x >= 0]) * mass
    shares = belongs.sum(axis=1)
    if shares.min() < SMALLEST:
        return None
    means = belongs @ x / shares
    spread = np.full(2, 1 / 4)
    squares = (x - means[:, None]) ** 2
    for _ in range(STEPS):
        before = means
        density = shares[:, None] * _normal(squares, spread[:, None])
        belongs = density / np.maximum(density[0] + density[1], 1e-300) * mass
        shares = np.add.reduce(belongs, axis=1)
        if shares.min() < SMALLEST:
            return None
        means = belongs @ x / shares
        squares = (x - means[:, None]) ** 2
        spread = np.maximum(np.add.reduce(belongs * squares, axis=1) / shares, 1 / 50**2)
        if np.abs(means - before).max() < 1e-6:
            break
    low, high = np.argsort(means)
    between = (x > means[low]) & (x < means[high])
    real, fake = (shares[one] * _normal(squares[one, between], spread[one]) for one in (low, high))
    crossings = np.flatnonzero((real[:-1] >= fake[:-1]) & (real[1:] < fake[1:]))
    return float(target.centers[between][crossings[0] + 1]) if crossings.size else None


def histogram_valley(target: ScoreHistogram, validation: ValidationSummary) -> float | None:  # noqa: ARG001
    """The lowest point between the two peaks of the histogram, smoothed until two peaks are left.

    Returns:
        None if smoothing leads from more than two peaks, or from the start, to a single one.
    """
    if target.std == 0:
        return None
    # From a quarter to twice Silverman's bandwidth for a thousand scores, in bins.
    step = target.centers[1] - target.centers[0]
    base = 0.9 * target.std * 1000**-0.2 / step
    for width in base * np.geomspace(0.25, 2.0, 13):
        smooth = gaussian_filter1d(target.mass, width, mode="constant")
        rising = np.diff(smooth) > 0
        peaks = np.flatnonzero(np.append(True, rising) & ~np.append(rising, False))
        peaks = peaks[smooth[peaks] > 1e-3 * smooth.max()]
        if peaks.size == 2:
            left, right = peaks
            lowest = left + int(np.argmin(smooth[left : right + 1]))
            beyond = float(target.mass[lowest:].sum())
            # Smaller or shallower bumps in the tails are due to chance.
            if min(beyond, 1 - beyond) > 5 * SMALLEST and smooth[lowest] < 0.9 * smooth[peaks].min():
                return float(target.centers[lowest])
        if peaks.size < 2:
            return None
    return None


def align_z_scores(target: ScoreHistogram, validation: ValidationSummary) -> float | None:
    """Move validation's threshold to the same z-score on the target.

    Returns:
        None if the target's scores, or validation's, are constant.
    """
    if target.std == 0 or validation.std == 0:
        return None
    return target.mean + target.std * (validation.threshold - validation.mean) / validation.std


METHODS: dict[str, Method] = {
    "prior_shift": prior_shift,
    "mixture": mixture,
    "valley": histogram_valley,
    "standardise": align_z_scores,
}


def _normal(squares: np.ndarray, variance: Any) -> np.ndarray:
    """The normal density at places whose squared distances from the mean are given."""
    density: np.ndarray = np.exp(-squares / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    return density

"""Thresholds from the unlabeled scores of a target set. Each method makes an assumption about the scores.

The methods read a weighted histogram. Its size is fixed, and weights can give it any prevalence (share of
fakes).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d
from scipy.special import expit, logit

BINS = 512
STEPS = 300
SMALLEST = 1e-3  # the smallest share of fakes or of reals that a method may estimate
CROWDED = 8 / BINS  # if 90% of the scores lie in a smaller share of the range, too few bins show their shape


class ScoreHistogram(NamedTuple):
    """What the methods know about the target set.

    Attributes:
        centers: Center of each bin of scores, ascending and evenly spaced.
        mass: Share of the target's images in each bin; the sum is 1.
        mean: Mean of the target's scores.
        std: Their standard deviation. It is 0 if the scores are constant (see `is_constant`), or if a few
            outliers stretch the range so far that too few bins are left for the other scores.
    """

    centers: Float[np.ndarray, " bins"]
    mass: Float[np.ndarray, " bins"]
    mean: float
    std: float


class ValidationSummary(NamedTuple):
    """What the methods know about validation.

    Attributes:
        threshold: The threshold chosen on validation.
        mean: Mean of the validation scores.
        std: Their standard deviation; 0 as for `ScoreHistogram`.
        slope: The log-odds of fake are slope * score + intercept; 0 if they are unknown.
        intercept: See `slope`.
        prevalence: Share of fakes in validation.
    """

    threshold: float
    mean: float
    std: float
    slope: float
    intercept: float
    prevalence: float


Method = Callable[[ScoreHistogram, ValidationSummary], float | None]


def is_constant(scores: Float[np.ndarray, " n"]) -> bool:
    """Whether scores differ only by rounding.

    That is so if the range holds fewer than two floating-point numbers per bin.
    """
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
    """Estimate the prevalence by expectation maximization, assuming that only it differs from validation's.

    Returns:
        The score at which fake and real are equally likely at the estimated prevalence. None if validation's
        odds of fake do not rise with the score, or rise by more than a factor of e within one bin, which
        happens if an outlier makes the bins wide.

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
    """Fit two Gaussians, assuming that the fakes are the one with the higher mean.

    Returns:
        The score between the two means at which both are equally likely. None if the share of one Gaussian
        vanishes, if they do not cross, or if the target's `std` is 0.
    """
    if target.std == 0:
        return None
    # In standard deviations from the mean, so that squares neither overflow nor underflow.
    x, mass = (target.centers - target.mean) / target.std, target.mass
    powers = np.stack([np.ones(x.size), x, x**2])
    belongs = np.stack([x < 0, x >= 0]) * mass
    shares, means = _moments(belongs, powers)[:2]
    if min(shares) < SMALLEST:
        return None
    spread = [1 / 4, 1 / 4]
    for _ in range(STEPS):
        before = means
        density = _scaled_normals(shares, means, spread, powers)
        belongs = density * (mass / np.maximum(density[0] + density[1], 1e-300))
        shares, means, squares = _moments(belongs, powers)
        if min(shares) < SMALLEST:
            return None
        spread = [max(of - mean**2, 1 / 50**2) for of, mean in zip(squares, means, strict=True)]
        if max(abs(means[0] - before[0]), abs(means[1] - before[1])) < 1e-6:
            break
    low, high = (0, 1) if means[0] <= means[1] else (1, 0)
    between = (x > means[low]) & (x < means[high])
    density = _scaled_normals(shares, means, spread, powers[:, between])
    real, fake = density[low], density[high]
    crossings = np.flatnonzero((real[:-1] >= fake[:-1]) & (real[1:] < fake[1:]))
    return float(target.centers[between][crossings[0] + 1]) if crossings.size else None


def histogram_valley(target: ScoreHistogram, validation: ValidationSummary) -> float | None:  # noqa: ARG001
    """The lowest point between the two peaks of the histogram, which is smoothed until two peaks are left.

    Returns:
        The score of that point; None if no degree of smoothing leaves exactly two peaks with a clear valley,
        or if the target's `std` is 0.
    """
    if target.std == 0:
        return None
    # The widths, in bins, go from a quarter of Silverman's bandwidth for a thousand scores to twice that.
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
            # A smaller or shallower peak in a tail is due to chance.
            if min(beyond, 1 - beyond) > 5 * SMALLEST and smooth[lowest] < 0.9 * smooth[peaks].min():
                return float(target.centers[lowest])
        if peaks.size < 2:
            return None
    return None


def align_z_scores(target: ScoreHistogram, validation: ValidationSummary) -> float | None:
    """The score whose z-score on the target is the z-score of validation's threshold on validation.

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


def _moments(belongs: np.ndarray, powers: np.ndarray) -> tuple[list[float], list[float], list[float]]:
    """The share, the mean and the mean square of each of two parts of the mass.

    Args:
        belongs: The mass of each part in each bin.
        powers: The bins' places to the powers 0, 1 and 2.

    Returns:
        The three values of each part. A part without mass has a mean and a mean square of 0.
    """
    sums = (belongs @ powers.T).tolist()
    shares = [share for share, _, _ in sums]
    means, squares = ([of[power] / (of[0] or 1.0) for of in sums] for power in (1, 2))
    return shares, means, squares


def _scaled_normals(
    shares: list[float], means: list[float], variances: list[float], powers: np.ndarray
) -> Float[np.ndarray, "2 x"]:
    """Two normal densities times their shares; `powers` are those of `_moments`.

    The logarithm of each is a polynomial of degree 2, so that one exponential of a product gives both.
    """
    coefficients = [
        (math.log(share) - math.log(2 * math.pi * of) / 2 - mean**2 / (2 * of), mean / of, -1 / (2 * of))
        for share, mean, of in zip(shares, means, variances, strict=True)
    ]
    density: np.ndarray = np.exp(np.array(coefficients) @ powers)
    return density

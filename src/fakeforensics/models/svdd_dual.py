"""The quadratic program of the support vector data description, by sequential minimal optimization."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

_TOLERANCE = 1e-9  # of the optimality conditions, relative to the kernel's largest value
_MOST_STEPS = 2_000_000
_ROUNDING = 1e-12  # weights this close to a bound, relative to it, lie on it
_FLAT = 1e-12  # the least curvature along a step, for images that coincide


@dataclass(frozen=True)
class Ball:
    """The smallest ball with reals inside and fakes outside.

    Attributes:
        weights: β; the center is a = Σ β_i Φ(x_i). At least 0 for a real, at most 0 for a fake.
        center_square: ‖a‖².
        radius_square: R².
        converged: Whether the optimality conditions hold to the tolerance.
    """

    weights: Float[np.ndarray, " n"]
    center_square: float
    radius_square: float
    converged: bool


def solve_ball(
    gram: Float[np.ndarray, "n n"], signs: Float[np.ndarray, " n"], bounds: Float[np.ndarray, " n"]
) -> Ball:
    """Minimize βᵀKβ − Σ β_i K_ii with Σβ = 1 and β between 0 and y_i C_i.

    Each step moves weight between two images: the one that violates the optimality conditions most, and the
    one with which the expected decrease is greatest.

    Args:
        gram: K, the kernel of all pairs.
        signs: y, 1 for a real and −1 for a fake.
        bounds: C of each image; those of the reals sum to at least 1.

    Raises:
        ValueError: If the reals' bounds sum to less than 1.

    Source:
        Tax and Duin, Support Vector Data Description, Machine Learning 54, 2004, sections 2.1 and 2.2. The
        choice of the pair: Fan, Chen and Lin, Working Set Selection Using Second Order Information for
        Training SVM, JMLR 6, 2005.
    """
    low, high = np.where(signs > 0, 0.0, -bounds), np.where(signs > 0, bounds, 0.0)
    beta, diagonal = _first_weights(high), np.diagonal(gram).copy()
    gradient = 2 * gram @ beta - diagonal
    tolerance = _TOLERANCE * max(float(np.abs(diagonal).max()), _FLAT)
    slack = _ROUNDING * bounds
    converged = False
    for _ in range(_MOST_STEPS):
        up, down = high - beta > slack, beta - low > slack
        receiver = int(np.argmin(np.where(up, gradient, np.inf)))
        excess = np.where(down, gradient - gradient[receiver], -np.inf)
        if not up.any() or excess.max() < tolerance:
            converged = True
            break
        curvature = np.maximum(diagonal[receiver] + diagonal - 2 * gram[receiver], _FLAT)
        giver = int(np.argmax(np.where(excess > 0, excess**2 / curvature, -np.inf)))
        # Between these two the objective is a parabola, −excess t + curvature t².
        step = min(
            excess[giver] / (2 * curvature[giver]),
            high[receiver] - beta[receiver],
            beta[giver] - low[giver],
        )
        beta[receiver] = high[receiver] if step == high[receiver] - beta[receiver] else beta[receiver] + step
        beta[giver] = low[giver] if step == beta[giver] - low[giver] else beta[giver] - step
        gradient += 2 * step * (gram[receiver] - gram[giver])
    center_square = float(beta @ gram @ beta)
    # On the surface ‖Φ(x_i) − a‖² = K_ii − 2 (Kβ)_i + ‖a‖² = ‖a‖² − gradient_i.
    up, down = high - beta > slack, beta - low > slack
    level = gradient[up & down].mean() if (up & down).any() else _between(gradient, up, down)
    return Ball(beta, center_square, center_square - float(level), converged)


def _first_weights(high: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The first reals at their bounds until the weights sum to 1."""
    before = np.concatenate([[0.0], np.cumsum(high)[:-1]])
    beta = np.clip(1 - before, 0.0, high)
    if high.sum() < 1 - 1e-9:
        raise ValueError(f"the reals' bounds sum to {high.sum():g}, less than 1")
    return np.asarray(beta)


def _between(gradient: Float[np.ndarray, " n"], up: np.ndarray, down: np.ndarray) -> float:
    """The middle of the range that the optimality conditions allow if no image lies on the surface."""
    ends = [gradient[up].min() if up.any() else None, gradient[down].max() if down.any() else None]
    known = [float(end) for end in ends if end is not None]
    return sum(known) / len(known)

"""What heads with a kernel share: standardized features, samples of them, and expansions over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fakeforensics.models.card import DetectorCard

Kernel = Literal["linear", "rbf"]
USED = "images_used"  # of the fitted arrays: how many images were used, and how many there were


def standardize(
    features: Float[np.ndarray, "n dim"], reals: Float[np.ndarray, "reals dim"]
) -> tuple[Float[np.ndarray, "n dim"], dict[str, np.ndarray]]:
    """Subtract the mean of `reals` and divide by their standard deviation.

    A feature that never changes among the reals is divided by 1.

    Returns:
        The standardized features, and the fitted arrays `mean` and `deviation`.
    """
    mean, deviation = reals.mean(axis=0), reals.std(axis=0)
    deviation[deviation == 0] = 1.0
    return (features - mean) / deviation, {"mean": mean, "deviation": deviation}


def resolve_gamma(gamma: float | Literal["scale"], x: Float[np.ndarray, "n dim"]) -> float:
    """γ of the kernel exp(−γ ‖x − x'‖²); `scale` is 1 / (number of features · their variance)."""
    if gamma != "scale":
        return float(gamma)
    variance = float(x.var())
    return 1 / (x.shape[1] * variance) if variance else 1.0


def sample_rows(count: int, most: int, seed: int) -> Int[np.ndarray, " rows"]:
    """All rows if there are at most `most`, else a seeded sample of that many, ascending."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))


def kernel_matrix(
    x: Float[Tensor, "n dim"], others: Float[Tensor, "m dim"], gamma: float | Tensor | None
) -> Float[Tensor, "n m"]:
    """exp(−γ ‖x − x'‖²) of all pairs; ⟨x, x'⟩ where γ is None."""
    products = x @ others.T
    if gamma is None:
        return products
    # ‖x − x'‖² = ‖x‖² + ‖x'‖² − 2 ⟨x, x'⟩ needs no tensor of n x m x dim.
    squares = x.square().sum(dim=1, keepdim=True) + others.square().sum(dim=1) - 2 * products
    return torch.exp(-gamma * squares.clamp_min(0))


def expansion(x: Float[Tensor, "batch dim"], fitted: Mapping[str, Tensor]) -> Float[Tensor, " batch"]:
    """Σ w_i K(x_i, x) over the `support` vectors x_i with `weights` w_i.

    Args:
        x: Features as the network returns them; standardized here if a `mean` was fitted.
        fitted: Also holds `gamma` if the kernel is Gaussian.
    """
    return kernel_matrix(standardized(x, fitted), fitted["support"], fitted.get("gamma")) @ fitted["weights"]


def standardized(x: Float[Tensor, "batch dim"], fitted: Mapping[str, Tensor]) -> Float[Tensor, "batch dim"]:
    """`x` minus the fitted `mean`, divided by the fitted `deviation`; unchanged if they were not fitted."""
    return (x - fitted["mean"]) / fitted["deviation"] if "mean" in fitted else x


def note_images_used(card: DetectorCard, fitted: Mapping[str, Tensor], how: str) -> DetectorCard:
    """Say in a card's title that a head was not fitted exactly on all images.

    Args:
        card: Of the detector.
        fitted: Holds `images_used` if it was fitted.
        how: With `{used}` and `{all}`, such as "fitted on {used} of {all} reals".
    """
    if USED not in fitted:
        return card
    used, every = (f"{int(count):,}" for count in fitted[USED].tolist())
    if used == every:
        return card
    return card.model_copy(update={"title": f"{card.title}, {how.format(used=used, all=every)}"})

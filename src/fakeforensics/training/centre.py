"""The centre c: the mean latent code of all real training images (equation 3.2 of the thesis)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fakeforensics.models.detector import Detector
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.training.dataset import Batch
from fakeforensics.training.distributed import all_sum

CLAMP = 0.1


@torch.no_grad()
def mean_code(
    detector: Detector, batches: Iterable[Batch], preprocess: Preprocess, device: torch.device
) -> Float[Tensor, " dim"]:
    """Compute c = Σ f(x) 1(y = 0) / Σ 1(y = 0), in evaluation mode and float32, without gradient.

    Args:
        detector: Whose weights are taken as they are; its mode is restored.
        batches: This process's share of the real training images, not augmented. Sum and count are added
            up over all processes, so that shares may differ in size.
        preprocess: For normalisation.
        device: Where the detector lies.

    Source:
        Equation 3.2.
    """
    training = detector.training
    detector.eval()
    # Float64, so that the order of a hundred thousand additions does not show.
    total = torch.zeros_like(detector.centre, dtype=torch.float64)
    count = torch.zeros((), dtype=torch.float64, device=device)
    with torch.autocast(device.type, enabled=False):
        for batch in batches:
            real = 1 - batch.labels.to(device, non_blocking=True).double()
            images = preprocess.normalise(batch.images.to(device, non_blocking=True))
            total += real @ detector.backbone(images).double()
            count += real.sum()
    detector.train(training)
    return (all_sum(total) / all_sum(count)).float()


def away_from_zero(centre: Float[Tensor, " dim"]) -> Float[Tensor, " dim"]:
    """Push coordinates within 0.1 of zero out to ±0.1, zero itself to +0.1.

    A centre that stays as first computed may have coordinates near zero, which a network meets for every
    image alike by zero weights: the trivial solution.

    Source:
        Ruff et al., Deep One-Class Classification, ICML 2018, and the code of Deep SAD, which leaves zero be.
    """
    small = centre.abs() < CLAMP
    return torch.where(small, torch.where(centre < 0, -CLAMP, CLAMP), centre)


def set_centre(detector: nn.Module, centre: Float[Tensor, " dim"]) -> None:
    """Write c into the detector."""
    with torch.no_grad():
        detector.get_buffer("centre").copy_(centre)

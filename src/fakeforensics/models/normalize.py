"""The part of the preprocessing that needs torch: from 8-bit pixels to the network's range."""

from __future__ import annotations

from functools import cache

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from fakeforensics.models.preprocess import Preprocess


def normalize(preprocess: Preprocess, images: UInt8[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch 3 h w"]:
    """Scale uint8 images to the network's range, on their device and in their memory order."""
    mean, std = _constants(preprocess, images.device)
    return images.float().sub_(mean).div_(std)


@cache
def _constants(preprocess: Preprocess, device: torch.device) -> tuple[Tensor, Tensor]:
    # Cached, because sending them again would make every step wait for the device.
    with torch.inference_mode(False):  # scoring may call first, and training needs ordinary tensors
        mean, std = torch.tensor([preprocess.mean, preprocess.std], device=device).view(2, 1, 3, 1, 1) * 255
    return mean, std

"""From a decoded image to the network's input: the same steps in training, scoring and prediction.

Cropping needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8
from pydantic import BaseModel, ConfigDict, Field

from fakeforensics.images.transforms import AnyRgb, Rgb

if TYPE_CHECKING:
    from torch import Tensor


class Preprocess(BaseModel):
    """Center crop without resizing, then mean and standard deviation.

    Resizing would remove traces that generators leave, so images smaller than the crop are padded with
    black instead, as published evaluations of CNN Synth do.

    Args:
        crop_size: Side of the crop in pixels.
        mean: Channel means (R, G, B), in [0, 1].
        std: Channel standard deviations (R, G, B).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    crop_size: int = Field(default=224, ge=32, le=1024)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def crop(self, image: Rgb) -> UInt8[np.ndarray, "size size 3"]:
        """Cut the center out of `image`, uint8 RGB; a smaller image is padded with black."""
        padded = pad(image, self.crop_size)
        top = (padded.shape[0] - self.crop_size) // 2
        left = (padded.shape[1] - self.crop_size) // 2
        return padded[top : top + self.crop_size, left : left + self.crop_size]

    def normalize(self, images: UInt8[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch 3 h w"]:
        """Scale uint8 images to the network's range, on their device and in their memory order."""
        from fakeforensics.models.normalize import normalize

        return normalize(self, images)


def pad(image: Rgb, size: int) -> AnyRgb:
    """Pad `image` with black, evenly on both sides, to at least `size` in height and width."""
    down, right = (max(0, size - side) for side in image.shape[:2])
    if not down and not right:
        return image
    around = ((down // 2, down - down // 2), (right // 2, right - right // 2), (0, 0))
    return np.pad(image, around)

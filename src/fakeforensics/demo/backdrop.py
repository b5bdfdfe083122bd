"""What is behind a person: photographs that scikit-image's wheel carries, far out of focus."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from skimage import data

from fakeforensics.demo.arrays import FloatImage

PHOTOGRAPHS = ("chelsea", "coffee", "rocket")
"""Colour photographs in the wheel itself (scikit-image fetches its others from the network)."""


@cache
def photograph(name: str) -> FloatImage:
    """One of scikit-image's bundled colour photographs, Float["height width 3"] in [0, 1]."""
    pixels = np.asarray(getattr(data, name)())
    return pixels[..., :3].astype(np.float32) / 255


def draw_backdrop(rng: np.random.Generator, width: int, height: int) -> FloatImage:
    """A blurred, tinted crop of a photograph with a soft gradient over it."""
    picture = photograph(PHOTOGRAPHS[rng.integers(len(PHOTOGRAPHS))])
    side = int(rng.integers(120, min(picture.shape[:2])))
    top = int(rng.integers(picture.shape[0] - side + 1))
    left = int(rng.integers(picture.shape[1] - side + 1))
    crop = cv2.resize(
        picture[top : top + side, left : left + side], (width, height), interpolation=cv2.INTER_LINEAR
    )
    crop = cv2.GaussianBlur(crop, (0, 0), float(rng.uniform(5, 16)))
    grey, colour = rng.uniform(0.2, 0.9), rng.uniform(0.1, 0.9, 3)
    tint = (0.6 * grey + 0.4 * colour).astype(np.float32)
    strength = np.float32(rng.uniform(0.3, 0.85))
    mixed = crop * (1 - strength) + tint * strength
    angle = rng.uniform(0, 2 * np.pi)
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    slope = 1 + rng.uniform(0, 0.3) * (x * np.cos(angle) + y * np.sin(angle))
    return np.clip(mixed * slope[..., None], 0, 1).astype(np.float32)

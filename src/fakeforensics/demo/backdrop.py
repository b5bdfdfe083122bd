"""What is behind a person: photographs that scikit-image's wheel carries, far out of focus."""

from __future__ import annotations

from functools import cache

import numpy as np
from skimage import data

from fakeforensics.demo.arrays import FloatImage, as_float
from fakeforensics.demo.pixels import blur, resized

PHOTOGRAPHS = ("chelsea", "coffee", "rocket")
"""Colour photographs in the wheel itself (scikit-image fetches its others from the network)."""


@cache
def photograph(name: str) -> FloatImage:
    """One of scikit-image's bundled colour photographs, Float["height width 3"] in [0, 1]."""
    return as_float(getattr(data, name)()[..., :3] / 255)


def draw_crop(rng: np.random.Generator, names: tuple[str, ...], smallest: int) -> FloatImage:
    """A random square of one of the photographs, at least `smallest` pixels wide, at its own resolution."""
    picture = photograph(names[rng.integers(len(names))])
    height, width = picture.shape[:2]
    side = int(rng.integers(smallest, min(height, width) + 1))
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    return picture[top : top + side, left : left + side]


def draw_backdrop(rng: np.random.Generator, width: int, height: int) -> FloatImage:
    """A blurred, tinted crop of a photograph with a soft gradient over it, Float["height width 3"]."""
    crop = resized(draw_crop(rng, PHOTOGRAPHS, smallest=120), width, height, "linear")
    crop = blur(crop, float(rng.uniform(5, 16)))
    tint = as_float(0.6 * rng.uniform(0.2, 0.9) + 0.4 * rng.uniform(0.1, 0.9, 3))
    crop += as_float(rng.uniform(0.3, 0.85)) * (tint - crop)
    angle, steepness = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.3)
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    slope = 1 + steepness * (x * np.cos(angle) + y * np.sin(angle))
    return as_float(np.clip(crop * slope[..., None], 0, 1))

"""Array types and seeded randomness shared by the demo's files.

Images in this room are float32, RGB, height x width x 3, with values in [0, 1]; they become bytes only in
`finish.encode_still` and `clips.encode_clip`.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]
"""Float["height width 3"] in [0, 1], RGB."""

Mask = NDArray[np.float32]
"""Float["height width"] in [0, 1]."""

Points = NDArray[np.float64]
"""Float["points 2"]: x, y in pixels."""


def as_float(values: Any) -> NDArray[np.float32]:
    """Float32 of the same shape, and a type that NumPy's and OpenCV's loose ones agree on."""
    return np.asarray(values, dtype=np.float32)


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A random generator of its own for each thing that is made, so that order and worker never matter.

    Args:
        seed: The run's seed, at least 0.
        *names: What is made, e.g. `("celeba", 42)`.
    """
    key = zlib.crc32("/".join(map(str, names)).encode())
    return np.random.default_rng([seed, key])

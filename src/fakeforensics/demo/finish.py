"""The camera and the file: what every demo picture goes through last, real and fake alike.

Focus, sensor noise and coding are drawn without looking at the label, so that none of them can become it.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fakeforensics.demo.arrays import FloatImage

JPEG_QUALITY = 92


def photograph_it(rgb: FloatImage, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add a camera's noise and quantise to bytes.

    Args:
        rgb: Float["height width 3"] in [0, 1].
        rng: Draws the noise: deviation 0.6 to 1.6 grey levels, as strong in real pictures as in fakes.

    Returns:
        UInt8["height width 3"], RGB.
    """
    sigma = rng.uniform(0.6, 1.6) / 255
    noise = rng.standard_normal(rgb.shape, dtype=np.float32) * np.float32(sigma)
    return np.round(np.clip(rgb + noise, 0, 1) * 255).astype(np.uint8)


def focus(rgb: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Blur as a lens does: Gaussian, deviation 0 to 0.7 pixels. Belongs to the scene, so before any forgery."""
    sigma = float(rng.uniform(0, 0.7))
    return rgb if sigma < 0.25 else cv2.GaussianBlur(rgb, (0, 0), sigma)


def write_still(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write PNG or JPEG (4:2:0, quality 92), by the path's suffix."""
    options = (
        [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        if path.suffix == ".jpg"
        else [cv2.IMWRITE_PNG_COMPRESSION, 6]
    )
    done, encoded = cv2.imencode(path.suffix, np.ascontiguousarray(pixels[..., ::-1]), options)
    if not done:
        raise OSError(f"cannot encode {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.tobytes())

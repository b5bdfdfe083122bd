"""The camera and the file: what every demo picture goes through last, real and fake alike.

Noise and coding are drawn without looking at the label, so that neither can become it.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fakeforensics.demo.arrays import FloatImage
from fakeforensics.demo.pixels import blur

_CODING = {".jpg": [cv2.IMWRITE_JPEG_QUALITY, 92], ".png": [cv2.IMWRITE_PNG_COMPRESSION, 6]}


def focus(rgb: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Blur as a lens does: Gaussian, deviation 0 to 0.7 pixels. It is the scene's, so before any forgery."""
    sigma = float(rng.uniform(0, 0.7))
    return rgb if sigma < 0.25 else blur(rgb, sigma)


def digitise(rgb: FloatImage, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add a sensor's noise and quantise to bytes.

    Args:
        rgb: Float["height width 3"] in [0, 1].
        rng: Draws the noise, of deviation 0.6 to 1.6 grey levels.

    Returns:
        UInt8["height width 3"], RGB.
    """
    sigma = np.float32(rng.uniform(0.6, 1.6) / 255)
    noise = rng.standard_normal(rgb.shape, dtype=np.float32) * sigma
    return np.asarray(np.round(np.clip(rgb + noise, 0, 1) * 255), dtype=np.uint8)


def write_still(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write `.png` or `.jpg` (quality 92, 4:2:0), by the path's suffix.

    Raises:
        OSError: If the picture cannot be encoded or written.
    """
    done, encoded = cv2.imencode(path.suffix, np.ascontiguousarray(pixels[..., ::-1]), _CODING[path.suffix])
    if not done:
        raise OSError(f"cannot encode {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.tobytes())

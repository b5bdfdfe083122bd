"""Small copies of stored images, for looking at."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

from fakeforensics.images.images import decode

SIDE = 112  # pixels
_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 88)


def thumbnail(data: bytes) -> bytes:
    """A stored image's middle square as a small JPEG.

    Args:
        data: An image file's bytes.

    Returns:
        A JPEG of 112 x 112 pixels.
    """
    rgb = decode(data)
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = rgb[top : top + side, left : left + side]
    return to_jpeg(cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA))


def to_jpeg(rgb: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """Pixels as a JPEG file."""
    return cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), _QUALITY)[1].tobytes()

"""The one place where pixels become bytes and bytes become pixels, for training, scoring and inference."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

from fakeforensics.images import png


def encode_png(rgb: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """Encode pixels losslessly.

    Args:
        rgb: 8-bit RGB.

    Returns:
        A PNG file; the same pixels give the same bytes.
    """
    return png.encode(rgb)


def decode(data: bytes) -> UInt8[np.ndarray, "height width 3"]:
    """Decode an image file held in memory.

    An EXIF orientation is ignored: it was applied when the image was stored. Gray becomes RGB, an alpha
    channel is dropped, 16 bits become 8.

    Raises:
        ValueError: If the bytes are not an image that OpenCV reads.
    """
    if (rgb := png.decode(data)) is not None:
        return rgb
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error as error:
        raise ValueError(f"OpenCV cannot decode it: {error.err}") from None
    if bgr is None:
        raise ValueError("OpenCV cannot decode it")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr)

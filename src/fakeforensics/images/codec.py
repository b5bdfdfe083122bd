"""Encodes and decodes images. Training, scoring and inference all use these functions."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

# OpenCV's wheel holds libpng and plain zlib, which write the same bytes on every processor; faster encoders,
# such as ISA-L's, do not. The filter "up" with run-length coding decodes fastest: docs/benchmarks.md,
# Storage.
_PNG = (
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
)


def encode_png(rgb: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """Encode pixels losslessly.

    Args:
        rgb: 8-bit RGB, at least 1x1.

    Returns:
        A PNG file; the same pixels give the same bytes on every processor, in the same version of OpenCV.
    """
    return cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), _PNG)[1].tobytes()


def decode(data: bytes) -> UInt8[np.ndarray, "height width 3"]:
    """Decode an image file held in memory.

    The EXIF orientation is ignored, because it was applied when the image was stored. Gray images become RGB,
    an alpha channel is dropped, and 16 bits become 8.

    Raises:
        ValueError: If the bytes are not an image that OpenCV reads.
    """
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        rgb = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error as error:
        raise ValueError(f"OpenCV cannot decode it: {error.err}") from None
    if rgb is None or rgb.dtype != np.uint8 or rgb.ndim != 3:
        raise ValueError("OpenCV cannot decode it")
    return rgb

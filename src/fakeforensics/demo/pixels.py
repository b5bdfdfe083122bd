"""OpenCV's few operations that the demo needs, with exact types."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from fakeforensics.demo.arrays import FloatImage, Mask, Points, as_float

_FILTERS = {
    "area": cv2.INTER_AREA,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}
Filter = Literal["area", "linear", "cubic", "lanczos"]


def blend(base: FloatImage, over: NDArray[np.floating[Any]], mask: Mask) -> FloatImage:
    """`over` where the mask is 1, `base` where it is 0: Float["height width 3"] and Float["height width"]."""
    return as_float(base + mask[..., None] * (over - base))


def blur(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Gaussian blur; `sigma` in pixels."""
    return as_float(cv2.GaussianBlur(image, (0, 0), sigma))


def resized(image: NDArray[np.float32], width: int, height: int, how: Filter) -> NDArray[np.float32]:
    """The image at another size."""
    return as_float(cv2.resize(image, (width, height), interpolation=_FILTERS[how]))


def sampled(image: NDArray[np.float32], places: NDArray[np.float32], how: Filter) -> NDArray[np.float32]:
    """Read the image at `places`, Float["height width 2"] (x, y in pixels); its rim goes on outside it."""
    x, y = places[..., 0], places[..., 1]
    return as_float(cv2.remap(image, x, y, _FILTERS[how], borderMode=cv2.BORDER_REPLICATE))


def polygon(corners: Points, height: int, width: int, feather: float) -> Mask:
    """A filled polygon with a soft rim.

    Args:
        corners: Float["points 2"], pixels.
        height: Of the mask, pixels.
        width: The same.
        feather: Deviation of the rim's blur, pixels.

    Returns:
        Float["height width"] in [0, 1].
    """
    canvas = np.zeros((height, width), np.uint8)
    cv2.fillPoly(canvas, [np.round(corners * 16).astype(np.int32)], (255,), cv2.LINE_AA, 4)
    return blur(as_float(canvas / 255), feather)


def hull(points: Points, height: int, width: int, feather: float) -> Mask:
    """The convex hull of some points as a soft mask; arguments as of `polygon`."""
    corners = cv2.convexHull(as_float(points))
    return polygon(np.asarray(corners, dtype=np.float64)[:, 0], height, width, feather)

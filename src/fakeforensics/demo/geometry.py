"""A person's own face geometry and expression, as shifts of the portrait's landmarks.

Everything here is in photograph pixels from the face's middle (`outlines.MIDDLE`), x to the right, y down.
"""

from __future__ import annotations

import numpy as np

from fakeforensics.demo import outlines
from fakeforensics.demo.arrays import Points
from fakeforensics.demo.identity import Identity
from fakeforensics.demo.pose import View

_BROWS = ((slice(17, 22), -1), (slice(22, 27), 1))
_EYES = ((slice(36, 42), -1), (slice(42, 48), 1))


def shaped(identity: Identity, view: View) -> tuple[Points, Points]:
    """Landmarks and hair of a person with an expression, seen from the front.

    Returns:
        (landmarks Float["68 2"], points around the hair Float["points 2"]).
    """
    marks, hair = outlines.LANDMARKS - outlines.MIDDLE, outlines.HAIR - outlines.MIDDLE
    shape = identity.shape
    _contour(marks, hair, shape)
    _eyes(marks, shape)
    _brows(marks, shape, view.brows)
    marks[27:36, 1] += 3.0 * shape["nose_length"] * np.linspace(0, 1.7, 9).clip(max=1)
    marks[31:36, 0] *= 1 + 0.18 * shape["nose_width"]
    _mouth(marks, shape, view.smile)
    return marks, hair


def _contour(marks: Points, hair: Points, shape: dict[str, float]) -> None:
    below = np.clip((marks[:, 1] - 5) / 50, 0, 1)
    marks[:, 0] *= 1 + 0.07 * shape["face_width"] + 0.10 * shape["jaw_width"] * below
    marks[:17, 1] += 6.0 * shape["chin_length"] * below[:17] ** 2
    hair[:, 0] *= 1 + 0.07 * shape["face_width"] + 0.10 * shape["hair_volume"]
    hair[:, 1] -= 14 * shape["hair_height"] * np.clip((-30 - hair[:, 1]) / 70, 0, 1)


def _eyes(marks: Points, shape: dict[str, float]) -> None:
    for points, side in _EYES:
        middle = marks[points].mean(axis=0)
        marks[points] = middle + (marks[points] - middle) * (1 + 0.16 * shape["eye_size"])
        marks[points, 0] += side * 1.8 * shape["eye_distance"]
        marks[points, 1] -= side * (marks[points, 0] - middle[0]) * 0.09 * shape["eye_tilt"]


def _brows(marks: Points, shape: dict[str, float], raised: float) -> None:
    for points, side in _BROWS:
        middle = marks[points].mean(axis=0)
        marks[points, 1] -= 2.2 * shape["brow_height"] + 1.8 * raised
        marks[points, 1] -= side * (marks[points, 0] - middle[0]) * 0.12 * shape["brow_tilt"]


def _mouth(marks: Points, shape: dict[str, float], smile: float) -> None:
    mouth = marks[48:68]
    mouth[:, 0] *= 1 + 0.10 * shape["mouth_width"] + 0.07 * smile
    corners = (np.abs(mouth[:, 0]) / 22) ** 2
    mouth[:, 1] += 1.6 * shape["mouth_height"] - 2.0 * (smile - 0.5) * (corners - 0.4)
    # Less of a smile shows less of the teeth: the inner lips close and the outer ones follow part of the way.
    opening = float(np.clip(0.5 + 0.5 * smile, 0.08, 1.1))
    lip_line = marks[60:68, 1].mean()
    for inner in (slice(61, 64), slice(65, 68)):
        marks[inner, 1] = lip_line + (marks[inner, 1] - lip_line) * opening
    fullness = 1.2 * shape["lip_fullness"]
    marks[49:54, 1] += 2.2 * (1 - opening) - fullness
    marks[55:60, 1] += fullness - 3.2 * (1 - opening)

"""The one portrait that every demo face comes from, with its landmarks and regions.

Source: NASA portrait S91-39885 of Eileen Collins, public domain, which scikit-image's wheel carries as
`skimage.data.astronaut()` (512 x 512 RGB). Landmarks are dlib's 68 points on it; the outlines were traced by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from fakeforensics.demo.arrays import FloatImage, Mask, Points

LEFT, TOP, SIDE = 117, 0, 216
"""The square of the photograph that is used, in its pixels."""

SCALE = 2.25
"""Pixels of the atlas for one pixel of the photograph; makes the eyes 104 pixels apart."""

_JAW = [
    (179, 104),
    (179, 116),
    (180, 127),
    (181, 139),
    (185, 151),
    (191, 160),
    (200, 169),
    (209, 176),
    (221, 178),
]
_JAW += [(232, 177), (243, 171), (253, 164), (260, 154), (265, 144), (268, 132), (270, 120), (272, 108)]
_BROWS = [
    (186, 94),
    (192, 88),
    (200, 87),
    (208, 89),
    (216, 92),
    (236, 93),
    (244, 91),
    (252, 91),
    (260, 92),
    (265, 98),
]
_NOSE = [
    (225, 103),
    (225, 111),
    (225, 119),
    (225, 127),
    (214, 131),
    (219, 132),
    (224, 134),
    (229, 133),
    (234, 132),
]
_EYES = [(195, 101), (200, 98), (207, 98), (212, 104), (206, 104), (199, 104)]
_EYES += [(238, 105), (244, 101), (250, 101), (255, 104), (250, 107), (244, 106)]
_MOUTH = [
    (201, 140),
    (209, 139),
    (218, 139),
    (223, 141),
    (229, 140),
    (237, 140),
    (245, 141),
    (237, 151),
    (229, 155),
]
_MOUTH += [(222, 156), (216, 155), (208, 150), (204, 141), (217, 143), (223, 144), (229, 143), (243, 142)]
_MOUTH += [(229, 150), (223, 150), (217, 150)]
LANDMARKS_68 = np.array(_JAW + _BROWS + _NOSE + _EYES + _MOUTH, dtype=np.float64)

_HEAD = [
    (181, 131),
    (176, 130),
    (172, 122),
    (170, 117),
    (163, 112),
    (157, 103),
    (155, 90),
    (153, 75),
    (155, 62),
]
_HEAD += [(160, 53), (170, 45), (180, 38), (189, 33), (195, 26), (203, 22), (215, 19), (228, 16), (242, 17)]
_HEAD += [(255, 21), (267, 27), (280, 34), (288, 42), (293, 52), (297, 63), (299, 75), (301, 85), (300, 97)]
_HEAD += [(298, 107), (293, 117), (286, 124), (281, 129), (277, 134), (270, 137), (267, 134), (265, 146)]
_HEAD += [(259, 156), (255, 163), (254, 175), (253, 196), (186, 196), (186, 155), (183, 145)]
_FRINGE = [
    (270, 127),
    (269, 110),
    (267, 95),
    (263, 89),
    (255, 84),
    (245, 80),
    (230, 80),
    (215, 81),
    (205, 80),
]
_FRINGE += [(195, 78), (187, 76), (184, 84), (181, 96), (180, 110), (181, 127)]
_EARS_AND_NECK = (
    [(170, 117), (181, 117), (181, 133), (175, 131)],
    [(270, 122), (278, 128), (277, 136), (266, 138)],
)
_NECK = [(185, 150), (222, 176), (259, 152), (255, 165), (254, 196), (186, 196)]
_CLOTHES = [(117, 216), (128, 206), (160, 192), (184, 172), (196, 182), (222, 187), (246, 183), (259, 172)]
_CLOTHES += [(284, 190), (318, 202), (333, 216)]

OUTLINE = np.array(_HEAD[3:37:2], dtype=np.float64)
"""Points around the hair, which steer its volume in a warp."""


@dataclass(frozen=True)
class Atlas:
    """The portrait enlarged, with a soft mask for each region.

    Attributes:
        rgb: Float["486 486 3"] in [0, 1].
        landmarks: Float["68 2"], dlib's order, in atlas pixels.
        outline: Float["points 2"] around the hair.
        masks: Float["486 486"] each: head, face, hair, skin, clothes, eyes, iris, cheeks, brows, lips, teeth,
            beard, and `person` (all of it).
        boxes: Rows and columns that hold all of a region's mask.
    """

    rgb: FloatImage
    landmarks: Points
    outline: Points
    masks: dict[str, Mask]
    boxes: dict[str, tuple[slice, slice]]

    @property
    def size(self) -> int:
        """Width and height in pixels."""
        return self.rgb.shape[0]


def to_atlas(points: Points) -> Points:
    """Photograph pixels to atlas pixels."""
    return (points - (LEFT, TOP)) * SCALE


def _polygon(points: list[tuple[int, int]] | Points, feather: float) -> Mask:
    size = int(SIDE * SCALE)
    canvas = np.zeros((size, size), np.uint8)
    corners = to_atlas(np.asarray(points, dtype=np.float64))
    cv2.fillPoly(canvas, [np.round(corners * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return cv2.GaussianBlur(canvas.astype(np.float32) / 255, (0, 0), feather)


def _box(mask: Mask) -> tuple[slice, slice]:
    rows, columns = np.nonzero(mask > 0.004)
    return slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)


def _discs(centres: list[Points], radius: float, feather: float) -> Mask:
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    ring = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.maximum.reduce([_polygon(centre + ring, feather) for centre in centres])


def _regions() -> dict[str, Mask]:
    marks = LANDMARKS_68
    face = _polygon(list(marks[:17]) + _FRINGE, 2.5)  # type: ignore[operator]
    head = _polygon(_HEAD, 1.5)
    neck = np.maximum.reduce([_polygon(_NECK, 2), *(_polygon(ear, 2) for ear in _EARS_AND_NECK)])
    clothes = _polygon(_CLOTHES, 2)
    eyes = np.maximum(_polygon(marks[36:42], 1.5), _polygon(marks[42:48], 1.5))
    brows = np.zeros_like(face)
    for brow in (marks[17:22], marks[22:27]):
        band = np.concatenate([brow - (0, 2.5), brow[::-1] + (0, 2.5)])
        brows = np.maximum(brows, _polygon(band, 3))
    teeth = _polygon(marks[60:68], 1.2)
    lips = np.clip(_polygon(marks[48:60], 2) - teeth, 0, 1)
    skin = np.clip(np.maximum(face, neck) - eyes - teeth - 0.7 * lips, 0, 1) * (1 - clothes) * head
    beard_area = np.concatenate([marks[2:15], marks[[54, 35, 33, 31, 48]]])
    beard = np.clip(_polygon(beard_area, 9) - _polygon(marks[48:60], 3), 0, 1)
    return {
        "head": head,
        "face": face,
        "hair": np.clip(head - face - neck, 0, 1) * (1 - clothes),
        "skin": skin,
        "clothes": clothes,
        "eyes": eyes,
        "brows": brows * (1 - eyes),
        "lips": lips,
        "teeth": teeth,
        "iris": _discs([marks[36:42].mean(axis=0), marks[42:48].mean(axis=0)], 3.6, 1.5) * eyes,
        "cheeks": _discs([0.55 * marks[i] + 0.45 * marks[33] for i in (2, 14)], 12, 16),
        "beard": beard * (1 - clothes) * head,
        # Kept inside the traced outline: a rim of the studio's bright wall would shine on dark backdrops.
        "person": np.clip(1.7 * np.maximum(head, clothes) - 0.7, 0, 1),
    }


@cache
def load_atlas() -> Atlas:
    """The portrait's atlas, made once a process."""
    photograph: NDArray[np.uint8] = data.astronaut()
    square = photograph[TOP : TOP + SIDE, LEFT : LEFT + SIDE].astype(np.float32) / 255
    size = int(SIDE * SCALE)
    # Pixel centres must map onto each other (as cv2.resize does it): landmarks shift by less than a pixel.
    large = cv2.resize(square, (size, size), interpolation=cv2.INTER_LANCZOS4)
    sharp = large + 0.9 * (large - cv2.GaussianBlur(large, (0, 0), 2.0))
    masks = _regions()
    return Atlas(
        rgb=np.clip(sharp, 0, 1).astype(np.float32),
        landmarks=to_atlas(LANDMARKS_68),
        outline=to_atlas(OUTLINE),
        masks=masks,
        boxes={name: _box(mask) for name, mask in masks.items()},
    )

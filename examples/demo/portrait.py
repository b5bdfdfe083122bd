"""The portrait that every demo face is made from: its outlines, its landmarks, its atlas of regions.

Source: NASA portrait S91-39885 of Eileen Collins, public domain, which scikit-image's wheel carries as
`skimage.data.astronaut()`. Outlines and landmarks are in pixels of that 512 x 512 photograph.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from skimage import data

from examples.demo.arithmetic import settled
from examples.demo.pixels import FloatImage, Mask, Points, as_float, blur, polygon, resized


def _points(text: str) -> Points:
    return np.array([pair.split(",") for pair in text.split()], dtype=np.float64)


LANDMARKS = _points(
    # jaw
    "179,104 179,116 180,127 181,139 185,151 191,160 200,169 209,176 221,178 "
    "232,177 243,171 253,164 260,154 265,144 268,132 270,120 272,108 "
    # brows
    "186,94 192,88 200,87 208,89 216,92 236,93 244,91 252,91 260,92 265,98 "
    # nose
    "225,103 225,111 225,119 225,127 214,131 219,132 224,134 229,133 234,132 "
    # eyes
    "195,101 200,98 207,98 212,104 206,104 199,104 238,105 244,101 250,101 255,104 250,107 244,106 "
    # outer lips, inner lips
    "201,140 209,139 218,139 223,141 229,140 237,140 245,141 237,151 229,155 222,156 216,155 208,150 "
    "204,141 217,143 223,144 229,143 243,142 229,150 223,150 217,150"
)
"""dlib's 68 points, in its order."""

HEAD = _points(
    "181,131 176,130 172,122 170,117 163,112 157,103 155,90 153,75 155,62 160,53 170,45 180,38 189,33 195,26 "
    "203,22 215,19 228,16 242,17 255,21 267,27 280,34 288,42 293,52 297,63 299,75 301,85 300,97 298,107 "
    "293,117 286,124 281,129 277,134 270,137 267,134 265,146 259,156 255,163 254,175 253,196 186,196 "
    "186,155 183,145"
)
"""Hair, face, ears and neck."""

HAIR = HEAD[3:37:2]
"""Points around the hair, which steer its volume in a warp."""

FACE = np.vstack(
    [
        LANDMARKS[:17],
        _points(
            "270,127 269,110 267,95 263,89 255,84 245,80 230,80 215,81 205,80 195,78 187,76 184,84 181,96 "
            "180,110 181,127"
        ),
    ]
)
"""The jaw, and the line where the hair begins."""

EARS = (_points("170,117 181,117 181,133 175,131"), _points("270,122 278,128 277,136 266,138"))
NECK = _points("185,150 222,176 259,152 255,165 254,196 186,196")
CLOTHES = _points(
    "117,216 128,206 160,192 184,172 196,182 222,187 246,183 259,172 284,190 318,202 333,216 117,216"
)
MIDDLE = np.array([225.0, 122.0])
"""The middle of the face: what views turn and place."""

EYE_DISTANCE = 46.0
"""Between the pupils."""

MIRRORED = np.concatenate(
    [
        np.arange(16, -1, -1),
        np.arange(26, 16, -1),
        np.arange(27, 31),
        np.arange(35, 30, -1),
        [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40],
        np.arange(54, 47, -1),
        np.arange(59, 54, -1),
        np.arange(64, 59, -1),
        np.arange(67, 64, -1),
    ]
)
"""Which of the 68 points takes each one's place in a mirror."""


LEFT, TOP, SIDE = 117, 0, 216
"""The square of the photograph that is used, in its pixels."""

SCALE = 2.25
"""Pixels of the atlas for one pixel of the photograph; makes the pupils 104 pixels apart."""

SIZE = int(SIDE * SCALE)
"""Width and height of the atlas."""


@dataclass(frozen=True)
class Atlas:
    """The portrait enlarged, with a soft mask for each region.

    Attributes:
        rgb: Float["486 486 3"] in [0, 1].
        masks: Float["486 486"] each: head, face, hair, skin, clothes, eyes, iris, cheeks, brows, lips, teeth,
            beard, and `person` (all of it).
        boxes: The rows and columns of the bounding box of each mask.
    """

    rgb: FloatImage
    masks: dict[str, Mask]
    boxes: dict[str, tuple[slice, slice]]


def to_atlas(points: Points) -> Points:
    """Convert pixels of the photograph to pixels of the atlas."""
    return (points - (LEFT, TOP)) * SCALE


@cache
def load_atlas() -> Atlas:
    """The portrait's atlas, made once per process."""
    photograph = np.asarray(data.astronaut())  # type: ignore[no-untyped-call]
    square = as_float(photograph[TOP : TOP + SIDE, LEFT : LEFT + SIDE] / 255)
    large = resized(square, SIZE, SIZE, "lanczos")
    sharp = large + 0.9 * (large - blur(large, 2.0))
    masks = _regions()
    return Atlas(
        rgb=as_float(np.clip(sharp, 0, 1)),
        masks=masks,
        boxes={name: _box(mask) for name, mask in masks.items()},
    )


def _regions() -> dict[str, Mask]:
    marks = LANDMARKS
    face, head = _area(FACE, 2.5), _area(HEAD, 1.5)
    neck = _union(_area(NECK, 2), *(_area(ear, 2) for ear in EARS))
    clothes = _area(CLOTHES, 2)
    eyes = _union(_area(marks[36:42], 1.5), _area(marks[42:48], 1.5))
    teeth = _area(marks[60:68], 1.2)
    lips = np.clip(_area(marks[48:60], 2) - teeth, 0, 1)
    brows = _union(*(_area(_band(brow, 2.0), 2.5) for brow in (marks[17:22], marks[22:27])))
    jaw = np.vstack([marks[2:15], marks[[54, 35, 33, 31, 48]]])
    bare = head * (1 - clothes)
    return {
        "head": head,
        "face": face,
        "hair": np.clip(head - face - neck, 0, 1) * (1 - clothes),
        "skin": np.clip(_union(face, neck) - eyes - teeth - as_float(0.7) * lips, 0, 1) * bare,
        "clothes": clothes,
        "eyes": eyes,
        "brows": brows * (1 - eyes),
        "lips": lips,
        "teeth": teeth,
        "iris": _union(*(_disc(marks[i : i + 6].mean(axis=0), 3.6, 1.5) for i in (36, 42))) * eyes,
        "cheeks": _union(*(_disc(0.55 * marks[i] + 0.45 * marks[33], 12, 16) for i in (2, 14))),
        "beard": np.clip(_area(jaw, 9) - _area(marks[48:60], 3), 0, 1) * bare,
        # The mask stays inside the traced outline, so that no edge of the bright studio wall is visible.
        "person": np.clip(as_float(1.7) * _union(head, clothes) - as_float(0.7), 0, 1),
    }


def _area(corners: Points, feather: float) -> Mask:
    return polygon(to_atlas(corners), SIZE, SIZE, feather)


def _union(*masks: Mask) -> Mask:
    return as_float(np.maximum.reduce(masks))


def _band(line: Points, half_width: float) -> Points:
    return np.vstack([line - (0, half_width), line[::-1] + (0, half_width)])  # noqa: RUF005


def _disc(center: Points, radius: float, feather: float) -> Mask:
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    rim = settled(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    return _area(center + radius * rim, feather)


def _box(mask: Mask) -> tuple[slice, slice]:
    rows, columns = np.nonzero(mask > 0.004)
    return slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)

"""The one portrait that every demo face comes from, enlarged, with its landmarks and regions.

Source: NASA portrait S91-39885 of Eileen Collins, public domain, which scikit-image's wheel carries as
`skimage.data.astronaut()`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from skimage import data

from fakeforensics.demo import outlines
from fakeforensics.demo.arrays import FloatImage, Mask, Points, as_float
from fakeforensics.demo.pixels import blur, polygon, resized

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
        boxes: Rows and columns that hold all of a region's mask.
    """

    rgb: FloatImage
    masks: dict[str, Mask]
    boxes: dict[str, tuple[slice, slice]]


def to_atlas(points: Points) -> Points:
    """Photograph pixels to atlas pixels."""
    return (points - (LEFT, TOP)) * SCALE


@cache
def load_atlas() -> Atlas:
    """The portrait's atlas, made once a process."""
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
    marks = outlines.LANDMARKS
    face, head = _area(outlines.FACE, 2.5), _area(outlines.HEAD, 1.5)
    neck = _union(_area(outlines.NECK, 2), *(_area(ear, 2) for ear in outlines.EARS))
    clothes = _area(outlines.CLOTHES, 2)
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
        # Kept inside the traced outline: a rim of the studio's bright wall would shine on dark backdrops.
        "person": np.clip(as_float(1.7) * _union(head, clothes) - as_float(0.7), 0, 1),
    }


def _area(corners: Points, feather: float) -> Mask:
    return polygon(to_atlas(corners), SIZE, SIZE, feather)


def _union(*masks: Mask) -> Mask:
    return as_float(np.maximum.reduce(masks))


def _band(line: Points, half_width: float) -> Points:
    return np.vstack([line - (0, half_width), line[::-1] + (0, half_width)])  # noqa: RUF005


def _disc(centre: Points, radius: float, feather: float) -> Mask:
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    return _area(centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1), feather)


def _box(mask: Mask) -> tuple[slice, slice]:
    rows, columns = np.nonzero(mask > 0.004)
    return slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)

"""Who a synthetic person is: a handful of numbers drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HAIR_COLOURS = (
    (0.10, 0.08, 0.07),
    (0.20, 0.13, 0.09),
    (0.32, 0.21, 0.13),
    (0.47, 0.33, 0.20),
    (0.66, 0.51, 0.31),
    (0.46, 0.22, 0.11),
    (0.52, 0.50, 0.48),
)
"""Black, dark brown, brown, light brown, blond, auburn, grey: sRGB."""

SKIN_TONES = (
    (1.04, 1.03, 1.04),
    (1.0, 1.0, 1.0),
    (0.93, 0.89, 0.84),
    (0.80, 0.72, 0.64),
    (0.66, 0.56, 0.48),
    (0.5, 0.4, 0.33),
)
"""Factors on the portrait's own skin, light to dark."""

EYE_COLOURS = ((0.75, 0.95, 1.35), (0.85, 1.1, 0.85), (1.0, 0.9, 0.75), (0.7, 0.6, 0.5))
"""Factors on the iris: blue, green, hazel, dark."""

SHAPE_NAMES = (
    "face_width",
    "jaw_width",
    "chin_length",
    "eye_size",
    "eye_distance",
    "eye_tilt",
    "brow_height",
    "brow_tilt",
    "nose_width",
    "nose_length",
    "mouth_width",
    "lip_fullness",
    "mouth_height",
    "hair_volume",
    "hair_height",
)


@dataclass(frozen=True)
class Identity:
    """One synthetic person.

    Attributes:
        shape: For each of `SHAPE_NAMES` a deviation from the portrait, about -1 to 1.
        skin: Factors on the portrait's skin, RGB.
        hair: Hair colour, sRGB in [0, 1].
        eyes: Factors on the iris, RGB.
        clothes: Colour of the clothes, sRGB in [0, 1].
        brows, lips, beard, freckles, blush: Strengths, 0 to 1.
        mirrored: The portrait is flipped left to right.
        texture: Seed of skin and hair detail.
    """

    shape: dict[str, float]
    skin: tuple[float, float, float]
    hair: tuple[float, float, float]
    eyes: tuple[float, float, float]
    clothes: tuple[float, float, float]
    brows: float
    lips: float
    beard: float
    freckles: float
    blush: float
    mirrored: bool
    texture: int


def _mix(
    rng: np.random.Generator, palette: tuple[tuple[float, float, float], ...]
) -> tuple[float, float, float]:
    first, second = (np.array(palette[i]) for i in rng.integers(len(palette), size=2))
    red, green, blue = first + rng.uniform(0, 0.5) * (second - first)
    return float(red), float(green), float(blue)


def draw_identity(rng: np.random.Generator) -> Identity:
    """Draw a person; the same generator state gives the same one."""
    shape = dict(
        zip(SHAPE_NAMES, np.clip(rng.normal(0, 0.55, len(SHAPE_NAMES)), -1, 1).tolist(), strict=True)
    )
    red, green, blue = rng.uniform(0.05, 0.8, 3).tolist()
    return Identity(
        shape=shape,
        skin=_mix(rng, SKIN_TONES),
        hair=_mix(rng, HAIR_COLOURS),
        eyes=_mix(rng, EYE_COLOURS),
        clothes=(red, green, blue),
        brows=float(rng.uniform(0, 1)),
        lips=float(rng.uniform(0, 1)),
        beard=float(max(0.0, rng.uniform(-1.2, 1))),
        freckles=float(max(0.0, rng.uniform(-1, 1))),
        blush=float(rng.uniform(0, 1)),
        mirrored=bool(rng.random() < 0.5),
        texture=int(rng.integers(2**31)),
    )

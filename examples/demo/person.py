"""A synthetic person, a view of a person (pose, expression, light), and the face's geometry in a view."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from examples.demo.arithmetic import settled
from examples.demo.pixels import Points
from examples.demo.portrait import EYE_DISTANCE, HAIR, LANDMARKS, MIDDLE

HAIR_COLORS = (
    (0.10, 0.08, 0.07),
    (0.20, 0.13, 0.09),
    (0.32, 0.21, 0.13),
    (0.47, 0.33, 0.20),
    (0.66, 0.51, 0.31),
    (0.46, 0.22, 0.11),
    (0.52, 0.50, 0.48),
)
"""Black, dark brown, brown, light brown, blond, auburn, gray: sRGB."""

SKIN_TONES = (
    (1.04, 1.03, 1.04),
    (1.0, 1.0, 1.0),
    (0.93, 0.89, 0.84),
    (0.80, 0.72, 0.64),
    (0.66, 0.56, 0.48),
    (0.5, 0.4, 0.33),
)
"""Factors on the portrait's own skin, light to dark."""

EYE_COLORS = ((0.75, 0.95, 1.35), (0.85, 1.1, 0.85), (1.0, 0.9, 0.75), (0.7, 0.6, 0.5))
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
        shape: For each of `SHAPE_NAMES` a deviation from the portrait, -1 to 1.
        skin: Factors on the portrait's skin, RGB.
        hair: Hair color, sRGB in [0, 1].
        eyes: Factors on the iris, RGB.
        clothes: Color of the clothes, sRGB in [0, 1].
        brows: Darkness of the brows, 0 to 1.
        lips: Redness of the lips, 0 to 1.
        beard: Strength of the beard, 0 to 1.
        freckles: Strength of the freckles, 0 to 1.
        blush: Redness of the cheeks, 0 to 1.
        mirrored: Whether the portrait is flipped left to right.
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
    """Draw a random person."""
    shape = dict(
        zip(SHAPE_NAMES, np.clip(rng.normal(0, 0.55, len(SHAPE_NAMES)), -1, 1).tolist(), strict=True)
    )
    red, green, blue = rng.uniform(0.05, 0.8, 3).tolist()
    return Identity(
        shape=shape,
        skin=_mix(rng, SKIN_TONES),
        hair=_mix(rng, HAIR_COLORS),
        eyes=_mix(rng, EYE_COLORS),
        clothes=(red, green, blue),
        brows=float(rng.uniform(0, 1)),
        lips=float(rng.uniform(0, 1)),
        beard=float(max(0.0, rng.uniform(-1.2, 1))),
        freckles=float(max(0.0, rng.uniform(-1, 1))),
        blush=float(rng.uniform(0, 1)),
        mirrored=bool(rng.random() < 0.5),
        texture=int(rng.integers(2**31)),
    )


@dataclass(frozen=True)
class View:
    """One picture of a person.

    Attributes:
        yaw: Turn of the head, degrees; positive to the viewer's right.
        pitch: Nod of the head, degrees; positive downwards.
        roll: Tilt of the head, degrees; positive clockwise.
        eye_distance: Size of the face: distance between the pupils in pixels, seen from the front.
        x: Place of the middle of the face, as a share of the picture's width.
        y: The same, as a share of the height.
        smile: From -1 (mouth nearly closed, corners down) to 1 (broader than the portrait's smile).
        brows: From -1 (lowered) to 1 (raised).
        light_from: Direction of the light, degrees: 0 is right, 90 is above.
        light: Strength of its shading on the head, 0 to 1.
        exposure: Factor on all light.
        warmth: From -1 (blue) to 1 (orange).
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    eye_distance: float = 100.0
    x: float = 0.5
    y: float = 0.5
    smile: float = 0.5
    brows: float = 0.0
    light_from: float = 60.0
    light: float = 0.2
    exposure: float = 1.0
    warmth: float = 0.0

    def mirrored(self) -> View:
        """The view that looks like this one in a mirror."""
        return replace(self, x=1 - self.x, yaw=-self.yaw, roll=-self.roll, light_from=180 - self.light_from)


def draw_view(rng: np.random.Generator, eye_distance: float) -> View:
    """Draw a view as in a portrait photograph: nearly frontal, with random light.

    Args:
        rng: The source of random numbers.
        eye_distance: Mean distance between the pupils, in pixels.
    """
    yaw, pitch, roll = np.clip(rng.normal(0, 1, 3), -2, 2) * (6.0, 3.0, 3.5)
    return View(
        yaw=float(yaw),
        pitch=float(pitch),
        roll=float(roll),
        eye_distance=float(eye_distance * rng.uniform(0.95, 1.05)),
        x=float(0.5 + rng.uniform(-0.02, 0.02)),
        y=float(0.53 + rng.uniform(-0.02, 0.02)),
        smile=float(rng.uniform(-1, 0.8)),
        brows=float(rng.uniform(-1, 1)),
        light_from=float(rng.uniform(0, 180)),
        light=float(rng.uniform(0.05, 0.4)),
        exposure=float(rng.uniform(0.8, 1.12)),
        warmth=float(rng.uniform(-1, 1)),
    )


def project(points: Points, view: View, width: int, height: int) -> Points:
    """Turn points of the head and place them in the picture.

    Args:
        points: Float["points 2"] in photograph pixels, relative to the middle of the face.
        view: The view.
        width: Width of the picture, pixels.
        height: Height of the picture, pixels.

    Returns:
        Float["points 2"], picture pixels.
    """
    angles = np.radians([view.yaw, view.pitch, view.roll])
    cos, sin = settled(np.cos(angles)), settled(np.sin(angles))
    x, y = points[:, 0], points[:, 1]
    # The head turns about an axis through its inside.
    z = _depth(points) - 55
    x, z = x * cos[0] + z * sin[0], z * cos[0] - x * sin[0]
    y = y * cos[1] + z * sin[1]
    turned = np.stack([x * cos[2] - y * sin[2], x * sin[2] + y * cos[2]], axis=1)
    return np.asarray(turned * (view.eye_distance / EYE_DISTANCE) + (view.x * width, view.y * height))


def _depth(points: Points) -> Points:
    """Height of the head above the picture plane, photograph pixels: an ellipsoid with a nose."""
    x, y = points[:, 0], points[:, 1]
    ball = np.sqrt(np.clip(1 - (x / 80) ** 2 - ((y + 15) / 105) ** 2, 0.02, None)) * 70
    nose = 14 * settled(np.exp(-((x / 9) ** 2) - ((y - 5) / 14) ** 2))
    return np.asarray(ball + nose)


_BROWS = ((slice(17, 22), -1), (slice(22, 27), 1))
_EYES = ((slice(36, 42), -1), (slice(42, 48), 1))


def shaped(identity: Identity, view: View) -> tuple[Points, Points]:
    """Landmarks and hair of a person with an expression, seen from the front.

    Returns:
        (landmarks Float["68 2"], points around the hair Float["points 2"]).
    """
    marks, hair = LANDMARKS - MIDDLE, HAIR - MIDDLE
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
    # A weaker smile shows less of the teeth: the inner lips close, and the outer lips follow part of the way.
    opening = float(np.clip(0.5 + 0.5 * smile, 0.08, 1.1))
    lip_line = marks[60:68, 1].mean()
    for inner in (slice(61, 64), slice(65, 68)):
        marks[inner, 1] = lip_line + (marks[inner, 1] - lip_line) * opening
    fullness = 1.2 * shape["lip_fullness"]
    marks[49:54, 1] += 2.2 * (1 - opening) - fullness
    marks[55:60, 1] += fullness - 3.2 * (1 - opening)

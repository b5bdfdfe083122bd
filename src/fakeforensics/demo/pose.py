"""How a person is seen: head pose, expression, place in the picture and light."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fakeforensics.demo.arrays import Points
from fakeforensics.demo.identity import Identity
from fakeforensics.demo.portrait import LANDMARKS_68, OUTLINE, SCALE, to_atlas

EYE_DISTANCE = 46.0 * SCALE
"""Between the pupils in the atlas, in pixels."""

_CENTRE = to_atlas(np.array([[225.0, 122.0]]))[0]


@dataclass(frozen=True)
class View:
    """One picture of a person.

    Attributes:
        yaw, pitch, roll: Head pose in degrees; positive yaw turns to the viewer's right.
        eye_distance: Size of the face: pixels between the pupils seen from the front.
        x, y: Where the middle of the face lies, as a share of width and height.
        smile: -1 (closed, neutral mouth) to 1 (the portrait's broad smile and more).
        brows: Raised (1) or lowered (-1).
        light: Direction the light comes from, degrees (0 right, 90 above), and its strength 0 to 1.
        exposure: Factor on all light.
        warmth: -1 (blue) to 1 (orange).
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    eye_distance: float = 100.0
    x: float = 0.5
    y: float = 0.5
    smile: float = 0.5
    brows: float = 0.0
    light: tuple[float, float] = (60.0, 0.2)
    exposure: float = 1.0
    warmth: float = 0.0


def draw_view(rng: np.random.Generator, eye_distance: float) -> View:
    """Draw a view as in a portrait photograph: nearly frontal, with its own light."""
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
        light=(float(rng.uniform(0, 180)), float(rng.uniform(0.05, 0.4))),
        exposure=float(rng.uniform(0.8, 1.12)),
        warmth=float(rng.uniform(-1, 1)),
    )


def restyle(view: View, **changes: float) -> View:
    """The same view with some of its numbers replaced."""
    return replace(view, **changes)  # type: ignore[arg-type]


def shaped_landmarks(identity: Identity, view: View) -> tuple[Points, Points]:
    """A person's own geometry and expression, seen from the front.

    Returns:
        (landmarks Float["68 2"], hair outline Float["points 2"]), in photograph pixels around the face's middle.
    """
    centre = np.array([225.0, 122.0])
    marks, outline = LANDMARKS_68 - centre, OUTLINE - centre
    shape = identity.shape
    _shape_contour(marks, outline, shape)
    _shape_features(marks, shape, view)
    return marks, outline


def _shape_contour(marks: Points, outline: Points, shape: dict[str, float]) -> None:
    below = np.clip((marks[:, 1] - 5) / 50, 0, 1)
    marks[:, 0] *= 1 + 0.07 * shape["face_width"] + 0.10 * shape["jaw_width"] * below
    marks[:17, 1] += 6.0 * shape["chin_length"] * below[:17] ** 2
    outline[:, 0] *= 1 + 0.07 * shape["face_width"] + 0.10 * shape["hair_volume"]
    above = np.clip((-30 - outline[:, 1]) / 70, 0, 1)
    outline[:, 1] -= 14 * shape["hair_height"] * above


def _shape_features(marks: Points, shape: dict[str, float], view: View) -> None:
    for points, side in ((slice(36, 42), -1), (slice(42, 48), 1)):
        middle = marks[points].mean(axis=0)
        marks[points] = middle + (marks[points] - middle) * (1 + 0.16 * shape["eye_size"])
        marks[points, 0] += side * 1.8 * shape["eye_distance"]
        marks[points, 1] += side * (marks[points, 0] - middle[0]) * -0.09 * shape["eye_tilt"]
    for points, side in ((slice(17, 22), -1), (slice(22, 27), 1)):
        middle = marks[points].mean(axis=0)
        marks[points, 1] -= 2.2 * shape["brow_height"] + 1.8 * view.brows
        marks[points, 1] += side * (marks[points, 0] - middle[0]) * -0.12 * shape["brow_tilt"]
    marks[27:36, 1] += 3.0 * shape["nose_length"] * np.linspace(0, 1, 9).clip(0, 0.6) / 0.6
    marks[31:36, 0] *= 1 + 0.18 * shape["nose_width"]
    mouth = marks[48:68]
    mouth[:, 0] *= 1 + 0.10 * shape["mouth_width"] + 0.07 * view.smile
    corners = (np.abs(mouth[:, 0]) / 22) ** 2
    mouth[:, 1] += 1.6 * shape["mouth_height"] - 2.0 * (view.smile - 0.5) * (corners - 0.4)
    # A neutral mouth shows no teeth: the inner lips meet and the outer ones follow part of the way.
    opening = np.clip(0.5 + 0.5 * view.smile, 0.08, 1.1)
    inner = marks[60:68, 1]
    lip_line = float(inner.mean())
    marks[61:64, 1] = lip_line + (marks[61:64, 1] - lip_line) * opening
    marks[65:68, 1] = lip_line + (marks[65:68, 1] - lip_line) * opening
    fullness = 1.2 * shape["lip_fullness"]
    marks[49:54, 1] += 2.2 * (1 - opening) - fullness
    marks[55:60, 1] += -3.2 * (1 - opening) + fullness


def _depth(points: Points) -> Points:
    """Height of the head above the picture plane, photograph pixels: an ellipsoid with a nose."""
    x, y = points[:, 0], points[:, 1]
    ball = np.sqrt(np.clip(1 - (x / 80) ** 2 - ((y + 15) / 105) ** 2, 0.02, None)) * 70
    nose = 14 * np.exp(-((x / 9) ** 2) - ((y - 5) / 14) ** 2)
    return np.asarray(ball + nose)


def project(points: Points, view: View, width: int, height: int) -> Points:
    """Rotate points of the head and place them in the picture.

    Args:
        points: Float["points 2"] in photograph pixels around the face's middle.
        view: The view.
        width, height: Picture size, pixels.

    Returns:
        Float["points 2"], picture pixels.
    """
    yaw, pitch, roll = np.radians([view.yaw, view.pitch, view.roll])
    z = _depth(points) - 55
    x, y = points[:, 0], points[:, 1]
    x, z = x * np.cos(yaw) + z * np.sin(yaw), z * np.cos(yaw) - x * np.sin(yaw)
    y = y * np.cos(pitch) + z * np.sin(pitch)
    rotated = np.stack([x * np.cos(roll) - y * np.sin(roll), x * np.sin(roll) + y * np.cos(roll)], axis=1)
    return rotated * (view.eye_distance / 46.0) + (view.x * width, view.y * height)

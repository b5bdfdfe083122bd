"""How a person is seen: head pose, expression, place in the picture and light."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fakeforensics.demo.arrays import Points
from fakeforensics.demo.outlines import EYE_DISTANCE


@dataclass(frozen=True)
class View:
    """One picture of a person.

    Attributes:
        yaw: Turn of the head, degrees; positive to the viewer's right.
        pitch: Nod of the head, degrees; positive downwards.
        roll: Tilt of the head, degrees; positive clockwise.
        eye_distance: Size of the face: pixels between the pupils, seen from the front.
        x: Where the middle of the face lies, as a share of the width.
        y: The same, of the height.
        smile: From -1 (mouth nearly closed, corners down) to 1 (broader than the portrait's smile).
        brows: From -1 (lowered) to 1 (raised).
        light_from: Where the light comes from, degrees: 0 right, 90 above.
        light: How strongly it models the head, 0 to 1.
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
    """Draw a view as in a portrait photograph: nearly frontal, with its own light.

    Args:
        rng: Draws it.
        eye_distance: Mean size of the face, pixels between the pupils.
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
        points: Float["points 2"] in photograph pixels, from the face's middle.
        view: The view.
        width: Of the picture, pixels.
        height: The same.

    Returns:
        Float["points 2"], picture pixels.
    """
    yaw, pitch, roll = np.radians([view.yaw, view.pitch, view.roll])
    x, y = points[:, 0], points[:, 1]
    # About an axis through the head, not through its surface.
    z = _depth(points) - 55
    x, z = x * np.cos(yaw) + z * np.sin(yaw), z * np.cos(yaw) - x * np.sin(yaw)
    y = y * np.cos(pitch) + z * np.sin(pitch)
    turned = np.stack([x * np.cos(roll) - y * np.sin(roll), x * np.sin(roll) + y * np.cos(roll)], axis=1)
    return np.asarray(turned * (view.eye_distance / EYE_DISTANCE) + (view.x * width, view.y * height))


def _depth(points: Points) -> Points:
    """Height of the head above the picture plane, photograph pixels: an ellipsoid with a nose."""
    x, y = points[:, 0], points[:, 1]
    ball = np.sqrt(np.clip(1 - (x / 80) ** 2 - ((y + 15) / 105) ** 2, 0.02, None)) * 70
    nose = 14 * np.exp(-((x / 9) ** 2) - ((y - 5) / 14) ** 2)
    return np.asarray(ball + nose)

"""Renders one picture of a synthetic person: paint, light, warp, and place before a backdrop."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fakeforensics.demo.arrays import FloatImage, Mask, Points
from fakeforensics.demo.identity import Identity
from fakeforensics.demo.paint import paint
from fakeforensics.demo.portrait import LANDMARKS_68, OUTLINE, SCALE, load_atlas, to_atlas
from fakeforensics.demo.pose import View, project, restyle, shaped_landmarks
from fakeforensics.demo.warp import backward_map

_MIDDLE = np.array([225.0, 122.0])
# The picture's frame and the shoulders: they follow the head's place and size but not its turn.
_FRAME = np.array(
    [
        (117, 0),
        (225, 0),
        (333, 0),
        (117, 72),
        (333, 72),
        (117, 150),
        (333, 150),
        (117, 216),
        (225, 216),
        (333, 216),
    ],
    dtype=np.float64,
)
_MIRROR = np.concatenate(
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


@dataclass(frozen=True)
class Rendering:
    """One picture and where the face lies in it.

    Attributes:
        rgb: Float["height width 3"] in [0, 1]; no camera noise yet.
        landmarks: Float["68 2"], picture pixels.
    """

    rgb: FloatImage
    landmarks: Points


class Person:
    """A synthetic person whose painted atlas is kept, for rendering many pictures (a clip) of them."""

    def __init__(self, identity: Identity) -> None:
        atlas = load_atlas()
        self.identity = identity
        self._layers = np.dstack([paint(identity), atlas.masks["person"]])

    def render(self, view: View, backdrop: FloatImage) -> Rendering:
        """Render the person in a view before a backdrop, whose size the picture gets."""
        height, width = backdrop.shape[:2]
        if self.identity.mirrored:
            view = restyle(view, x=1 - view.x, yaw=-view.yaw, roll=-view.roll)
            view = restyle(view, light=(180 - view.light[0], view.light[1]))
        layers, zoom = self._at_scale(view.eye_distance)
        layers = layers.copy()
        layers[..., :3] *= shading(view, layers.shape[0])[..., None]
        marks, outline = shaped_landmarks(self.identity, view)
        steady = restyle(view, yaw=0.0, pitch=0.0, roll=view.roll * 0.3)
        target = np.vstack(
            [
                landmarks := project(marks, view, width, height),
                project(outline, view, width, height),
                project(_FRAME - _MIDDLE, steady, width, height),
            ]
        )
        source = to_atlas(np.vstack([LANDMARKS_68, OUTLINE, _FRAME])) * zoom
        mapping = backward_map(source, target, width, height)
        warped = cv2.remap(layers, mapping, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
        if self.identity.mirrored:
            warped = warped[:, ::-1]
            landmarks = np.stack([width - 1 - landmarks[:, 0], landmarks[:, 1]], axis=1)[_MIRROR]
        alpha: Mask = np.clip(warped[..., 3:], 0, 1)
        rgb = backdrop + alpha * (warped[..., :3] - backdrop)
        return Rendering(exposed(rgb, view), landmarks)

    def _at_scale(self, eye_distance: float) -> tuple[NDArray[np.float32], float]:
        """The layers, shrunk first where the picture is much smaller than the atlas, so that nothing aliases."""
        zoom = eye_distance / (46.0 * SCALE)
        if zoom > 0.75:
            return self._layers, 1.0
        size = round(self._layers.shape[0] * zoom)
        return cv2.resize(
            self._layers, (size, size), interpolation=cv2.INTER_AREA
        ), size / self._layers.shape[0]


def shading(view: View, size: int) -> Mask:
    """Lambertian light on an ellipsoidal head, as a factor about 1.

    Returns:
        Float["size size"] over the atlas.
    """
    grid = np.linspace(0, 216, 28, dtype=np.float32)
    x, y = np.meshgrid(grid + 117 - 225, grid - 115)
    normal_x, normal_y = np.clip(x / 75, -1, 1), np.clip(y / 100, -1, 1)
    normal_z = np.sqrt(np.clip(1 - normal_x**2 - normal_y**2, 0, 1))
    yaw = np.radians(view.yaw)
    turned = normal_x * np.cos(yaw) + normal_z * np.sin(yaw)
    angle, strength = np.radians(view.light[0]), view.light[1]
    factor = 1 + strength * (turned * np.cos(angle) - normal_y * np.sin(angle))
    return cv2.resize(factor.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)


def exposed(rgb: FloatImage, view: View) -> FloatImage:
    """Apply a view's exposure and colour temperature."""
    balance = np.array([1 + 0.05 * view.warmth, 1.0, 1 - 0.06 * view.warmth], dtype=np.float32)
    return np.clip(rgb * balance * np.float32(view.exposure), 0, 1)

"""Renders pictures of a synthetic person: paint, light, warp, and place before a backdrop."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fakeforensics.demo import outlines
from fakeforensics.demo.arrays import FloatImage, Mask, Points, as_float
from fakeforensics.demo.geometry import shaped
from fakeforensics.demo.identity import Identity
from fakeforensics.demo.paint import paint
from fakeforensics.demo.pixels import blend, resized, sampled
from fakeforensics.demo.portrait import LEFT, SCALE, SIDE, SIZE, TOP, load_atlas, to_atlas
from fakeforensics.demo.pose import View, project
from fakeforensics.demo.warp import backward_map

_ACROSS, _DOWN = (LEFT, LEFT + SIDE / 2, LEFT + SIDE), (TOP, TOP + SIDE / 3, TOP + 2 * SIDE / 3, TOP + SIDE)
_FRAME = np.array([(x, y) for x in _ACROSS for y in _DOWN if x != _ACROSS[1] or y in (TOP, TOP + SIDE)])
"""The atlas's rim and the shoulders: they follow the head's place and size but not its turn."""


@dataclass(frozen=True)
class Rendering:
    """One picture and where the face lies in it.

    Attributes:
        rgb: Float["height width 3"] in [0, 1]; no camera noise yet.
        landmarks: Float["68 2"], picture pixels, dlib's order.
    """

    rgb: FloatImage
    landmarks: Points


class Person:
    """A synthetic person, painted once and rendered as often as wanted.

    Args:
        identity: Who it is.
    """

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self._layers = as_float(np.dstack([paint(identity), load_atlas().masks["person"]]))

    def render(self, view: View, backdrop: FloatImage) -> Rendering:
        """Render the person in a view before a backdrop, whose size the picture gets."""
        height, width = backdrop.shape[:2]
        seen = view.mirrored() if self.identity.mirrored else view
        layers, zoom = self._at_scale(seen.eye_distance)
        light = shading(seen, layers.shape[0])
        lit = as_float(np.dstack([layers[..., :3] * light[..., None], layers[..., 3]]))

        marks, hair = shaped(self.identity, seen)
        steady = replace(seen, yaw=0.0, pitch=0.0, roll=0.3 * seen.roll)
        landmarks = project(marks, seen, width, height)
        hair = project(hair, seen, width, height)
        frame = project(_FRAME - outlines.MIDDLE, steady, width, height)
        source = to_atlas(np.vstack([outlines.LANDMARKS, outlines.HAIR, _FRAME])) * zoom
        places = backward_map(source, np.vstack([landmarks, hair, frame]), width, height)
        picture = sampled(lit, places, "cubic")

        if self.identity.mirrored:
            picture = picture[:, ::-1]
            landmarks = np.stack([width - 1 - landmarks[:, 0], landmarks[:, 1]], axis=1)[outlines.MIRRORED]
        rgb = blend(backdrop, picture[..., :3], as_float(np.clip(picture[..., 3], 0, 1)))
        return Rendering(exposed(rgb, view), landmarks)

    def _at_scale(self, eye_distance: float) -> tuple[NDArray[np.float32], float]:
        """The layers, shrunk where the picture is much smaller than the atlas, so that nothing aliases."""
        zoom = eye_distance / (outlines.EYE_DISTANCE * SCALE)
        if zoom > 0.75:
            return self._layers, 1.0
        size = round(SIZE * zoom)
        return resized(self._layers, size, size, "area"), size / SIZE


def shading(view: View, size: int) -> Mask:
    """Lambertian light on an ellipsoidal head, as a factor about 1, over an atlas of `size` pixels.

    Returns:
        Float["size size"].
    """
    x, y = np.meshgrid(np.linspace(LEFT, LEFT + SIDE, 28), np.linspace(TOP, TOP + SIDE, 28))
    normal_x = np.clip((x - outlines.MIDDLE[0]) / 75, -1, 1)
    normal_y = np.clip((y - 115) / 100, -1, 1)
    normal_z = np.sqrt(np.clip(1 - normal_x**2 - normal_y**2, 0, 1))
    yaw, angle = np.radians([view.yaw, view.light_from])
    turned = normal_x * np.cos(yaw) + normal_z * np.sin(yaw)
    factor = 1 + view.light * (turned * np.cos(angle) - normal_y * np.sin(angle))
    return resized(as_float(factor), size, size, "cubic")


def exposed(rgb: FloatImage, view: View) -> FloatImage:
    """Apply a view's exposure and colour temperature."""
    balance = as_float([1 + 0.05 * view.warmth, 1.0, 1 - 0.06 * view.warmth])
    return as_float(np.clip(rgb * balance * as_float(view.exposure), 0, 1))

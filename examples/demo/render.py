"""Renders pictures of a synthetic person: backdrop, colors, light, warp, and place in the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from skimage import data

from examples.demo import portrait
from examples.demo.arithmetic import settled
from examples.demo.person import Identity, View, project, shaped
from examples.demo.pixels import (
    FloatImage,
    Mask,
    Points,
    as_float,
    backward_map,
    blend,
    blur,
    filtered,
    normal,
    resized,
    sampled,
)
from examples.demo.portrait import LEFT, SIDE, SIZE, TOP, Atlas, load_atlas, to_atlas

PHOTOGRAPHS = ("chelsea", "coffee", "rocket")
"""Color photographs in the wheel itself (scikit-image fetches its others from the network)."""


@cache
def photograph(name: str) -> FloatImage:
    """One of scikit-image's bundled color photographs, Float["height width 3"] in [0, 1]."""
    return as_float(getattr(data, name)()[..., :3] / 255)


def draw_crop(rng: np.random.Generator, names: tuple[str, ...], smallest: int) -> FloatImage:
    """A random square of one of the photographs, at least `smallest` pixels wide, not resized."""
    picture = photograph(names[rng.integers(len(names))])
    height, width = picture.shape[:2]
    side = int(rng.integers(smallest, min(height, width) + 1))
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    return picture[top : top + side, left : left + side]


def draw_backdrop(rng: np.random.Generator, width: int, height: int) -> FloatImage:
    """A blurred, tinted crop of a photograph with a soft gradient over it, Float["height width 3"]."""
    crop = resized(draw_crop(rng, PHOTOGRAPHS, smallest=120), width, height, "cubic")
    crop = blur(crop, float(rng.uniform(5, 16)))
    tint = as_float(0.6 * rng.uniform(0.2, 0.9) + 0.4 * rng.uniform(0.1, 0.9, 3))
    crop += as_float(rng.uniform(0.3, 0.85)) * (tint - crop)
    angle, steepness = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.3)
    toward_x, toward_y = settled([np.cos(angle), np.sin(angle)])
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    slope = 1 + steepness * (x * toward_x + y * toward_y)
    return as_float(np.clip(crop * slope[..., None], 0, 1))


_LUMA = (0.299, 0.587, 0.114)
_BLUSH = as_float([0.03, -0.09, -0.07])
_LIPSTICK = as_float([0.92, 0.66, 0.70])
_FRECKLES = as_float([0.22, 0.30, 0.34])
_FIELD = 1400


def paint(identity: Identity) -> FloatImage:
    """The atlas in a person's colors, Float["486 486 3"] in [0, 1]; its geometry is still the portrait's."""
    atlas = load_atlas()
    rng = np.random.default_rng(identity.texture)
    rgb = _skin(identity, atlas, rng)
    parts = (
        ("brows", 0.5 * (0.4 + 0.7 * as_float(identity.hair)), 0.7 * identity.brows),
        ("lips", _LIPSTICK * (0.45 + 0.55 * as_float(identity.skin)), 0.25 + 0.6 * identity.lips),
        ("iris", 1.1 * as_float(identity.eyes), 1.0),
    )
    for region, factor, strength in parts:
        box = atlas.boxes[region]
        rgb[box] = blend(rgb[box], rgb[box] * factor, atlas.masks[region][box] * as_float(strength))
    box = atlas.boxes["hair"]
    rgb[box] = blend(rgb[box], _hair(rgb[box], identity, atlas, rng), atlas.masks["hair"][box])
    box = atlas.boxes["clothes"]
    folds = 1 + 0.10 * _noise(rng, 14)[box] + 0.05 * _noise(rng, 1.2)[box]
    rgb[box] = blend(rgb[box], as_float(identity.clothes) * folds[..., None], atlas.masks["clothes"][box])
    return as_float(np.clip(rgb, 0, 1))


@cache
def _noise_field(sigma: float) -> Mask:
    # Blurring new noise for every person would take most of the demo's time, and crops of one field differ
    # enough.
    field = normal(np.random.default_rng(round(sigma * 100)), (_FIELD, _FIELD))
    # float64 is needed: a strong blur makes the values so small that float32 steps would keep few bits.
    smooth = blur(field.astype(np.float64), sigma)
    return as_float((smooth - smooth.mean()) / smooth.std())


def _noise(rng: np.random.Generator, sigma: float) -> Mask:
    """A random crop of smooth noise, as large as the atlas, with mean 0 and standard deviation 1.

    Args:
        rng: The source of the crop's place.
        sigma: Standard deviation of the noise's blur, pixels.
    """
    top, left = rng.integers(_FIELD - SIZE, size=2)
    return _noise_field(sigma)[top : top + SIZE, left : left + SIZE]


def _skin(identity: Identity, atlas: Atlas, rng: np.random.Generator) -> FloatImage:
    """The portrait with the person's skin on it."""
    box = atlas.boxes["skin"]
    broad, middle, fine = (_noise(rng, sigma)[box] for sigma in (9, 2.2, 1.0))
    mottle = 1 + 0.025 * broad + 0.02 * middle + 0.018 * fine
    # Both are drawn for every person, so that the same person without a beard has the same skin.
    stubble, spots = _noise(rng, 1.2)[box], _noise(rng, 2.4)[box]
    if identity.beard:
        mottle -= as_float(0.24 * identity.beard) * atlas.masks["beard"][box] * (1 + 0.3 * stubble)
    factor = as_float(identity.skin) * mottle[..., None]
    if identity.freckles:
        factor *= 1 - (as_float(identity.freckles) * np.clip(spots - 1.5, 0, 1))[..., None] * _FRECKLES
    factor += (as_float(identity.blush) * atlas.masks["cheeks"][box])[..., None] * _BLUSH
    factor = 1 + atlas.masks["skin"][box][..., None] * (factor - 1)
    rgb = atlas.rgb.copy()
    rgb[box] *= as_float(factor)
    return rgb


def _hair(rgb: FloatImage, identity: Identity, atlas: Atlas, rng: np.random.Generator) -> FloatImage:
    """The hair in another mean color; its strands keep their light and shade."""
    mask = atlas.masks["hair"][atlas.boxes["hair"]]
    luma = sum(as_float(weight) * rgb[..., channel] for channel, weight in enumerate(_LUMA))
    relative = np.maximum(luma / ((luma * mask).sum() / mask.sum()), 0)
    # Dark hair shows weaker highlights than light hair does.
    contrast = 0.75 + 0.35 * sum(identity.hair) / 3
    strands = 1 + 0.05 * _noise(rng, 1.0)[atlas.boxes["hair"]]
    shade = as_float(settled(relative.astype(np.float64) ** contrast))
    return as_float(as_float(identity.hair) * (strands * shade)[..., None])


_ACROSS, _DOWN = (LEFT, LEFT + SIDE / 2, LEFT + SIDE), (TOP, TOP + SIDE / 3, TOP + 2 * SIDE / 3, TOP + SIDE)
_FRAME = np.array([(x, y) for x in _ACROSS for y in _DOWN if x != _ACROSS[1] or y in (TOP, TOP + SIDE)])
"""The atlas's rim and the shoulders: they follow the head's place and size but not its turn."""


@dataclass(frozen=True)
class Rendering:
    """One picture and the landmarks of the face in it.

    Attributes:
        rgb: Float["height width 3"] in [0, 1], without camera noise.
        landmarks: Float["68 2"], picture pixels, in dlib's order.
    """

    rgb: FloatImage
    landmarks: Points


class Person:
    """A synthetic person, painted once and rendered in any number of views.

    Args:
        identity: The person's features.
    """

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        layers = np.dstack([paint(identity), load_atlas().masks["person"]])
        # Sampling between pixels blurs the picture. This filter sharpens it by the average blur.
        self._layers = filtered(as_float(layers), _CRISP)

    def render(self, view: View, backdrop: FloatImage) -> Rendering:
        """Render the person in a view, in front of a backdrop. The picture has the backdrop's size."""
        height, width = backdrop.shape[:2]
        seen = view.mirrored() if self.identity.mirrored else view
        marks, hair = shaped(self.identity, seen)
        steady = replace(seen, yaw=0.0, pitch=0.0, roll=0.3 * seen.roll)
        landmarks = project(marks, seen, width, height)
        hair = project(hair, seen, width, height)
        frame = project(_FRAME - portrait.MIDDLE, steady, width, height)
        source = to_atlas(np.vstack([portrait.LANDMARKS, portrait.HAIR, _FRAME]))
        places = backward_map(source, np.vstack([landmarks, hair, frame]), width, height)
        picture = sampled(self._layers, places)
        light = sampled(shading(seen), as_float(np.rint(places * (32 * _LIT / SIZE)) / 32))
        lit, alpha = picture[..., :3] * light[..., None], np.clip(picture[..., 3], 0, 1)

        if self.identity.mirrored:
            lit, alpha = lit[:, ::-1], alpha[:, ::-1]
            landmarks = np.stack([width - 1 - landmarks[:, 0], landmarks[:, 1]], axis=1)[portrait.MIRRORED]
        return Rendering(exposed(blend(backdrop, lit, alpha), view), landmarks)


_CRISP = np.array([-0.125, 1.25, -0.125])
_LIT = 162
"""Width and height of the atlas of light."""


def shading(view: View) -> Mask:
    """Lambertian light on an ellipsoidal head, as a factor about 1, over the atlas at a third of its size.

    Returns:
        Float["162 162"].
    """
    x, y = np.meshgrid(np.linspace(LEFT, LEFT + SIDE, 28), np.linspace(TOP, TOP + SIDE, 28))
    normal_x = np.clip((x - portrait.MIDDLE[0]) / 75, -1, 1)
    normal_y = np.clip((y - 115) / 100, -1, 1)
    normal_z = np.sqrt(np.clip(1 - normal_x**2 - normal_y**2, 0, 1))
    angles = np.radians([view.yaw, view.light_from])
    cos, sin = settled(np.cos(angles)), settled(np.sin(angles))
    turned = normal_x * cos[0] + normal_z * sin[0]
    factor = 1 + view.light * (turned * cos[1] - normal_y * sin[1])
    return resized(as_float(factor), _LIT, _LIT, "cubic")


def exposed(rgb: FloatImage, view: View) -> FloatImage:
    """Apply a view's exposure and color temperature."""
    balance = as_float([1 + 0.05 * view.warmth, 1.0, 1 - 0.06 * view.warmth])
    return as_float(np.clip(rgb * balance * as_float(view.exposure), 0, 1))

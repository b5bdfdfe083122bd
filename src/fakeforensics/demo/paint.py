"""Paints a person's own colours and skin onto the portrait's atlas."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from fakeforensics.demo.arrays import FloatImage, Mask
from fakeforensics.demo.identity import Identity
from fakeforensics.demo.portrait import Atlas, load_atlas

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_BLUSH = np.array([0.03, -0.09, -0.07], dtype=np.float32)
_FIELD = 1400


@cache
def _noise_field(sigma: float) -> Mask:
    # Blurring anew for every person would take most of the demo's time: crops of one field differ enough.
    noise = np.random.default_rng(round(sigma * 100)).standard_normal((_FIELD, _FIELD), dtype=np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), sigma)
    return np.asarray((noise - noise.mean()) / noise.std(), dtype=np.float32)


def _noise(rng: np.random.Generator, size: int, sigma: float) -> Mask:
    """A random crop of smooth noise with zero mean and unit deviation; `sigma` is its grain in pixels."""
    top, left = rng.integers(_FIELD - size, size=2)
    return _noise_field(sigma)[top : top + size, left : left + size]


def _blend(base: FloatImage, colour: FloatImage, mask: Mask) -> FloatImage:
    return np.asarray(base + mask[..., None] * (colour - base), dtype=np.float32)


def recolour_hair(
    rgb: FloatImage, hair: tuple[float, float, float], mask: Mask, strands: Mask | float = 1.0
) -> FloatImage:
    """Give the masked hair another colour and keep its strands' light and shade.

    Args:
        rgb: Float["height width 3"].
        hair: The new mean colour, sRGB in [0, 1].
        mask: Float["height width"], 1 where hair is.
        strands: Factor on the new hair, for fine detail.
    """
    luma = rgb @ _LUMA
    relative = luma / max(float((luma * mask).sum() / max(float(mask.sum()), 1.0)), 0.05)
    # Dark hair shows weaker highlights than light hair does.
    contrast = 0.75 + 0.35 * float(np.mean(hair))
    coloured = np.asarray(hair, dtype=np.float32) * (strands * cv2.pow(relative, contrast))[..., None]
    return _blend(rgb, coloured.astype(np.float32), mask)


def _skin(rgb: FloatImage, identity: Identity, atlas: Atlas, rng: np.random.Generator) -> FloatImage:
    size = atlas.size
    mottle = 1 + 0.025 * _noise(rng, size, 9) + 0.02 * _noise(rng, size, 2.2) + 0.018 * _noise(rng, size, 1.0)
    if identity.beard:
        mottle -= 0.24 * identity.beard * atlas.masks["beard"] * (1 + 0.3 * _noise(rng, size, 1.2))
    factor = np.asarray(identity.skin, dtype=np.float32) * mottle[..., None]
    if identity.freckles:
        spots = np.clip(_noise(rng, size, 2.4) - 1.5, 0, 1) * np.float32(identity.freckles)
        factor *= 1 - spots[..., None] * np.array([0.22, 0.30, 0.34], dtype=np.float32)
    factor += (atlas.masks["cheeks"] * np.float32(identity.blush))[..., None] * _BLUSH
    factor -= 1
    factor *= atlas.masks["skin"][..., None]
    factor += 1
    return np.asarray(rgb * factor, dtype=np.float32)


def _brows(rgb: FloatImage, identity: Identity, mask: Mask) -> FloatImage:
    dark = 0.5 * rgb * (0.4 + 0.7 * np.asarray(identity.hair, dtype=np.float32))
    return _blend(rgb, dark.astype(np.float32), mask * np.float32(0.9 * identity.brows))


def _lips(rgb: FloatImage, identity: Identity, mask: Mask) -> FloatImage:
    tone = 0.45 + 0.55 * np.asarray(identity.skin, dtype=np.float32)
    red = rgb * np.array([0.92, 0.66, 0.70], dtype=np.float32) * tone
    return _blend(rgb, red.astype(np.float32), mask * np.float32(0.25 + 0.6 * identity.lips))


def _iris(rgb: FloatImage, identity: Identity, mask: Mask) -> FloatImage:
    return _blend(rgb, (rgb * 1.1 * np.asarray(identity.eyes, dtype=np.float32)).astype(np.float32), mask)


def paint(identity: Identity) -> FloatImage:
    """The atlas in a person's colours, Float["486 486 3"] in [0, 1]; geometry is still the portrait's."""
    atlas = load_atlas()
    rng = np.random.default_rng(identity.texture)
    rgb = _skin(atlas.rgb, identity, atlas, rng)
    for region, part in (("brows", _brows), ("lips", _lips), ("iris", _iris)):
        box = atlas.boxes[region]
        rgb[box] = part(rgb[box], identity, atlas.masks[region][box])
    box = atlas.boxes["hair"]
    strands = 1 + 0.05 * _noise(rng, atlas.size, 1.0)[box]
    rgb[box] = recolour_hair(rgb[box], identity.hair, atlas.masks["hair"][box], strands)
    box = atlas.boxes["clothes"]
    folds = 1 + 0.10 * _noise(rng, atlas.size, 14)[box] + 0.05 * _noise(rng, atlas.size, 1.2)[box]
    cloth = np.asarray(identity.clothes, dtype=np.float32) * folds[..., None]
    rgb[box] = _blend(rgb[box], cloth.astype(np.float32), atlas.masks["clothes"][box])
    return np.clip(rgb, 0, 1)

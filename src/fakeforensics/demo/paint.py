"""Paints a person's own colours and skin onto the portrait's atlas."""

from __future__ import annotations

from functools import cache

import numpy as np

from fakeforensics.demo.arrays import FloatImage, Mask, as_float
from fakeforensics.demo.identity import Identity
from fakeforensics.demo.pixels import blend, blur
from fakeforensics.demo.portrait import SIZE, Atlas, load_atlas

_LUMA = as_float([0.299, 0.587, 0.114])
_BLUSH = as_float([0.03, -0.09, -0.07])
_LIPSTICK = as_float([0.92, 0.66, 0.70])
_FRECKLES = as_float([0.22, 0.30, 0.34])
_FIELD = 1400


def paint(identity: Identity) -> FloatImage:
    """The atlas in a person's colours, Float["486 486 3"] in [0, 1]; its geometry is still the portrait's."""
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
    # Blurring anew for every person would take most of the demo's time: crops of one field differ enough.
    field = np.random.default_rng(round(sigma * 100)).standard_normal((_FIELD, _FIELD), dtype=np.float32)
    smooth = blur(field, sigma)
    return as_float((smooth - smooth.mean()) / smooth.std())


def _noise(rng: np.random.Generator, sigma: float) -> Mask:
    """A random crop, as large as the atlas, of smooth noise with zero mean and unit deviation.

    Args:
        rng: Draws the place of the crop.
        sigma: The noise's grain, pixels.
    """
    top, left = rng.integers(_FIELD - SIZE, size=2)
    return _noise_field(sigma)[top : top + SIZE, left : left + SIZE]


def _skin(identity: Identity, atlas: Atlas, rng: np.random.Generator) -> FloatImage:
    mottle = 1 + 0.025 * _noise(rng, 9) + 0.02 * _noise(rng, 2.2) + 0.018 * _noise(rng, 1.0)
    # Both are drawn for everyone, so that a shaven twin has the same skin.
    stubble, spots = _noise(rng, 1.2), _noise(rng, 2.4)
    if identity.beard:
        mottle -= as_float(0.24 * identity.beard) * atlas.masks["beard"] * (1 + 0.3 * stubble)
    factor = as_float(identity.skin) * mottle[..., None]
    if identity.freckles:
        factor *= 1 - (as_float(identity.freckles) * np.clip(spots - 1.5, 0, 1))[..., None] * _FRECKLES
    factor += (as_float(identity.blush) * atlas.masks["cheeks"])[..., None] * _BLUSH
    factor = 1 + atlas.masks["skin"][..., None] * (factor - 1)
    return as_float(atlas.rgb * factor)


def _hair(rgb: FloatImage, identity: Identity, atlas: Atlas, rng: np.random.Generator) -> FloatImage:
    """Hair of another mean colour whose strands keep their light and shade."""
    mask = atlas.masks["hair"][atlas.boxes["hair"]]
    luma = rgb @ _LUMA
    relative = np.maximum(luma / ((luma * mask).sum() / mask.sum()), 0)
    # Dark hair shows weaker highlights than light hair does.
    contrast = as_float(0.75 + 0.35 * np.mean(identity.hair))
    strands = 1 + 0.05 * _noise(rng, 1.0)[atlas.boxes["hair"]]
    return as_float(as_float(identity.hair) * (strands * relative**contrast)[..., None])

"""Face swap: another person's face, in the target's pose and light, blended into the target's picture.

The steps are those of an improved DeepFake (Li et al., Celeb-DF, CVPR 2020): the donor's face is synthesised
small, in the target's pose and expression, then enlarged, aligned by landmarks, matched in colour and blended
with a feathered mask.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fakeforensics.demo.arrays import FloatImage, as_float
from fakeforensics.demo.pixels import blend, hull, resized, sampled
from fakeforensics.demo.pose import View
from fakeforensics.demo.render import Person, Rendering
from fakeforensics.demo.warp import backward_map

SHRUNK_BY = 1.7
"""How much smaller than in the picture the donor's face is synthesised."""

_TOWARDS_TARGET = 0.65
"""How far the donor's geometry is fitted to the target's; the rest keeps the donor recognisable."""


def swap_face(target: Rendering, donor: Person, view: View) -> FloatImage:
    """Put the donor's face onto a picture.

    Args:
        target: The picture, rendered in `view`.
        donor: Whose face it gets.
        view: Pose, expression and light of the picture.

    Returns:
        Float["height width 3"] in [0, 1].
    """
    height, width = target.rgb.shape[:2]
    source = donor.render(view, np.zeros_like(target.rgb))
    small = resized(source.rgb, round(width / SHRUNK_BY), round(height / SHRUNK_BY), "area")
    fitted = source.landmarks + _TOWARDS_TARGET * (target.landmarks - source.landmarks)
    places = backward_map(source.landmarks, fitted, width, height)
    face = sampled(resized(small, width, height, "cubic"), places, "linear")

    middle = target.landmarks[17:].mean(axis=0)
    oval = middle + 0.94 * (target.landmarks - middle)
    eyes = float(np.linalg.norm(target.landmarks[45] - target.landmarks[36]))
    face = match_colour(face, target.rgb, hull(oval, height, width, 1.0) > 0.5)
    return as_float(np.clip(blend(target.rgb, face, hull(oval, height, width, 0.06 * eyes)), 0, 1))


def match_colour(face: FloatImage, like: FloatImage, where: NDArray[np.bool_]) -> FloatImage:
    """Give `face` the mean and, within limits, the contrast that `like` has in a region, channel by channel.

    Source: Reinhard et al., "Color transfer between images", IEEE CG&A 2001 (in RGB instead of their lab).
    """
    have, want = face[where], like[where]
    ratio = np.clip(want.std(axis=0) / np.maximum(have.std(axis=0), 1e-4), 0.7, 1.4)
    return as_float((face - have.mean(axis=0)) * ratio + want.mean(axis=0))

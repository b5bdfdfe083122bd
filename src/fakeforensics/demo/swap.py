"""Face swap: another person's face, in the target's pose and light, blended into the target's picture.

The steps are those of an improved DeepFake (Li et al., Celeb-DF, CVPR 2020): the donor's face is synthesised
small in the target's pose and expression, enlarged, aligned by landmarks, matched in colour and blended with a
feathered mask.
"""

from __future__ import annotations

import cv2
import numpy as np

from fakeforensics.demo.arrays import FloatImage
from fakeforensics.demo.edits import soft_polygon
from fakeforensics.demo.pose import View
from fakeforensics.demo.render import Person, Rendering
from fakeforensics.demo.warp import backward_map

FACE_SHRUNK_BY = 1.7
"""How much smaller than in the picture the donor's face is synthesised."""

# What of the donor's geometry is fitted to the target: jaw, brows' ends, eyes' corners, nose, mouth's corners.
_FITTED = np.array([*range(0, 17), 17, 21, 22, 26, 27, 30, 33, 36, 39, 42, 45, 48, 54, 57])


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
    size = (round(width / FACE_SHRUNK_BY), round(height / FACE_SHRUNK_BY))
    small = cv2.resize(source.rgb, size, interpolation=cv2.INTER_AREA)
    enlarged = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    fitted = 0.35 * source.landmarks + 0.65 * target.landmarks
    mapping = backward_map(source.landmarks[_FITTED], fitted[_FITTED], width, height)
    face = cv2.remap(enlarged, mapping, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    eyes = np.linalg.norm(target.landmarks[45] - target.landmarks[36])
    hull = target.landmarks[17:].mean(axis=0) + (target.landmarks - target.landmarks[17:].mean(axis=0)) * 0.94
    inner = soft_polygon(hull, height, width, 1.0) > 0.5
    mask = soft_polygon(hull, height, width, float(0.06 * eyes))[..., None]
    blended = target.rgb + mask * (match_colour(face, target.rgb, inner) - target.rgb)
    return np.clip(blended, 0, 1).astype(np.float32)


def match_colour(face: FloatImage, like: FloatImage, where: np.ndarray) -> FloatImage:
    """Give `face` the mean and, in part, the contrast that `like` has in a region, channel by channel.

    Source: Reinhard et al., "Color transfer between images", 2001 (in RGB instead of lab).
    """
    have, want = face[where], like[where]
    ratio = np.clip(want.std(axis=0) / np.maximum(have.std(axis=0), 1e-4), 0.7, 1.4)
    return np.asarray((face - have.mean(axis=0)) * ratio + want.mean(axis=0), dtype=np.float32)

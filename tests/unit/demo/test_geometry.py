from dataclasses import replace

import numpy as np
import pytest

from fakeforensics.demo import outlines
from fakeforensics.demo.geometry import shaped
from fakeforensics.demo.identity import SHAPE_NAMES, Identity, draw_identity
from fakeforensics.demo.pose import View

AVERAGE = replace(draw_identity(np.random.default_rng(0)), shape=dict.fromkeys(SHAPE_NAMES, 0.0))
# The portrait's own smile: the mouth is as open as in the photograph, 0.5 + 0.5 * 1 = 1.
LIKE_THE_PORTRAIT = View(smile=1.0)


def with_shape(**shape: float) -> Identity:
    return replace(AVERAGE, shape=AVERAGE.shape | shape)


def width(marks: np.ndarray, left: int, right: int) -> float:
    return float(marks[right, 0] - marks[left, 0])


def test_the_average_person_has_the_portraits_face_and_hair() -> None:
    marks, hair = shaped(AVERAGE, LIKE_THE_PORTRAIT)
    assert np.allclose(marks[:48], (outlines.LANDMARKS - outlines.MIDDLE)[:48])
    assert np.allclose(hair, outlines.HAIR - outlines.MIDDLE)


def test_the_portrait_itself_is_left_alone() -> None:
    before = outlines.LANDMARKS.copy()
    shaped(with_shape(face_width=1.0, eye_size=1.0), LIKE_THE_PORTRAIT)
    assert np.array_equal(outlines.LANDMARKS, before)


@pytest.mark.parametrize(
    ("name", "left", "right", "factor"),
    [
        ("face_width", 0, 16, 1.07),
        ("nose_width", 31, 35, 1.18),
        ("mouth_width", 48, 54, 1.10),
    ],
)
def test_widths_grow_by_their_share(name: str, left: int, right: int, factor: float) -> None:
    # Without a smile, which widens the mouth as well.
    plain, _ = shaped(AVERAGE, View(smile=0.0))
    wide, _ = shaped(with_shape(**{name: 1.0}), View(smile=0.0))
    assert width(wide, left, right) / width(plain, left, right) == pytest.approx(factor)


def test_a_closed_mouth_hides_the_teeth_and_keeps_the_lips_in_order() -> None:
    for smile, open_by in ((1.0, 1.0), (-1.0, 0.08)):
        marks, _ = shaped(AVERAGE, View(smile=smile))
        plain, _ = shaped(AVERAGE, LIKE_THE_PORTRAIT)
        gap = marks[66, 1] - marks[62, 1]
        assert gap / (plain[66, 1] - plain[62, 1]) == pytest.approx(open_by, abs=0.1)
        assert marks[51, 1] < marks[62, 1] < marks[66, 1] < marks[57, 1]


def test_raised_brows_rise_alone() -> None:
    low, high = (shaped(AVERAGE, View(brows=brows))[0] for brows in (-1.0, 1.0))
    assert np.allclose(low[17:27, 1] - high[17:27, 1], 3.6)  # 1.8 each way
    assert np.allclose(np.delete(low, np.arange(17, 27), axis=0), np.delete(high, np.arange(17, 27), axis=0))

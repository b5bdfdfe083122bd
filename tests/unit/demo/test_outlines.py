import numpy as np

from fakeforensics.demo import outlines


def test_a_mirror_held_to_a_mirror_changes_nothing() -> None:
    assert np.array_equal(outlines.MIRRORED[outlines.MIRRORED], np.arange(68))


def test_mirrored_points_are_those_across_the_face() -> None:
    pairs = {0: 16, 8: 8, 17: 26, 30: 30, 31: 35, 36: 45, 37: 44, 41: 46, 48: 54, 55: 59, 60: 64, 65: 67}
    assert {point: int(outlines.MIRRORED[point]) for point in pairs} == pairs


def test_the_pupils_are_as_far_apart_as_stated() -> None:
    left, right = (outlines.LANDMARKS[i : i + 6].mean(axis=0) for i in (36, 42))
    assert abs(np.linalg.norm(right - left) - outlines.EYE_DISTANCE) < 3

from dataclasses import replace

import numpy as np
import pytest

from fakeforensics.demo import outlines
from fakeforensics.demo.pose import View, draw_view, project

FACE = outlines.LANDMARKS - outlines.MIDDLE


def test_a_frontal_view_only_scales_and_places() -> None:
    marks = project(FACE, View(eye_distance=92.0, x=0.25, y=0.5), 400, 300)
    # 92 pixels are twice the photograph's 46; the middle lies at a quarter of 400 and at half of 300.
    assert np.allclose(marks, 2 * FACE + (100, 150))


def test_turning_right_moves_the_nose_more_than_the_ears() -> None:
    ahead, turned = (project(FACE, View(yaw=yaw), 256, 256)[:, 0] for yaw in (0.0, 10.0))
    assert turned[30] - ahead[30] > 5
    assert turned[30] - ahead[30] > turned[0] - ahead[0]


def test_a_quarter_turn_of_the_picture_puts_right_below() -> None:
    point = project(np.array([[10.0, 0.0]]), View(roll=90.0, eye_distance=46.0), 100, 100)
    assert point[0] == pytest.approx((50, 60))


def test_two_mirrors_give_the_view_back() -> None:
    view = View(yaw=5, roll=-3, x=0.4, light_from=30.0)
    assert view.mirrored() == replace(view, yaw=-5, roll=3, x=0.6, light_from=150.0)
    again = view.mirrored().mirrored()
    assert (again.yaw, again.roll, again.light_from) == (5, -3, 30)
    assert again.x == pytest.approx(0.4)


def test_drawn_views_are_nearly_frontal() -> None:
    for seed in range(50):
        view = draw_view(np.random.default_rng(seed), 100.0)
        assert abs(view.yaw) <= 12
        assert abs(view.pitch) <= 6
        assert abs(view.roll) <= 7
        assert 95 <= view.eye_distance <= 105

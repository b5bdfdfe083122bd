import pytest

from fakeforensics.faces.geometry import Box


def test_half_overlap():
    # 10x10 boxes shifted by 5: 50 shared of 150.
    assert Box(0, 0, 10, 10).iou(Box(5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert Box(0, 0, 10, 10).iou(Box(20, 0, 30, 10)) == 0


def test_distance_is_counted_in_faces():
    # Centres 30 apart, widths 10 and 20: mean width 15.
    assert Box(0, 0, 10, 10).distance(Box(25, -5, 45, 15)) == pytest.approx(2)


def test_scaled_then_moved():
    assert Box(1, 2, 3, 4).scaled(2, left=10, top=20) == Box(12, 24, 16, 28)


def test_between_two_boxes():
    assert Box(0, 0, 10, 10).towards(Box(10, 0, 30, 20), 0.5) == Box(5, 0, 20, 15)

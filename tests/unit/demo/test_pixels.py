import numpy as np
import pytest

from fakeforensics.demo.arrays import as_float
from fakeforensics.demo.pixels import blend, blur, hull, polygon, resized, sampled


def test_a_blend_goes_from_the_base_to_what_is_over_it() -> None:
    base, over = np.zeros((1, 3, 3), np.float32), np.full((1, 3, 3), 0.8, np.float32)
    mixed = blend(base, over, as_float([[0, 0.25, 1]]))
    assert mixed[0, :, 0] == pytest.approx([0, 0.2, 0.8])  # 0.25 * 0.8


def test_blurring_keeps_the_mean_and_spreads_a_point() -> None:
    point = np.zeros((31, 31), np.float32)
    point[15, 15] = 1
    spread = blur(point, 2.0)
    assert spread.sum() == pytest.approx(1, abs=1e-4)
    assert spread[15, 15] == pytest.approx(1 / (2 * np.pi * 4), rel=0.05)  # the Gaussian's density at 0


def test_a_polygon_covers_its_area_and_has_a_soft_rim() -> None:
    mask = polygon(np.array([(10, 10), (30, 10), (30, 20), (10, 20)], dtype=float), 40, 50, 1.0)
    assert mask.shape == (40, 50)
    assert 20 * 10 <= mask.sum() <= 22 * 12  # between its area and that with a whole pixel of rim
    assert mask[15, 20] == pytest.approx(1, abs=1e-3)
    assert 0.2 < mask[10, 20] < 0.8


def test_a_hull_ignores_points_inside_and_their_order() -> None:
    corners = np.array([(10, 10), (30, 10), (30, 20), (10, 20)], dtype=float)
    shuffled = np.vstack([corners[[2, 0, 3, 1]], [(20, 15)]])
    assert np.array_equal(hull(shuffled, 40, 50, 1.0), polygon(corners, 40, 50, 1.0))


def test_sampling_reads_x_before_y_and_continues_the_rim() -> None:
    image = as_float([[0, 1, 2], [3, 4, 5]])
    places = as_float([[(2, 0), (0.5, 0), (1, 0.5), (9, 9)]])
    assert sampled(image, places, "linear")[0].tolist() == [2, 0.5, 2.5, 5]


def test_shrinking_by_area_averages() -> None:
    assert resized(as_float([[0, 2], [4, 6]]), 1, 1, "area").item() == 3

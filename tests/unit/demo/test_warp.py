import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fakeforensics.demo.pixels import sampled
from fakeforensics.demo.warp import backward_map, thin_plate

POINTS = np.array([(10, 10), (90, 15), (20, 80), (85, 90), (50, 45), (60, 20)], dtype=float)
numbers = st.floats(-2, 2)


@settings(deadline=None, max_examples=25)
@given(st.tuples(numbers, numbers, numbers, numbers, numbers, numbers))
def test_an_affine_motion_is_met_exactly_everywhere(motion: tuple[float, ...]) -> None:
    # The spline's affine part alone explains it, so nothing bends, between the points or outside them.
    matrix, shift = np.array(motion[:4]).reshape(2, 2), np.array(motion[4:])
    queries = np.array([(0, 0), (33, 71), (150, -20)], dtype=float)
    found = thin_plate(POINTS, POINTS @ matrix + shift, queries)
    assert np.allclose(found, queries @ matrix + shift, atol=1e-6)


def test_the_spline_passes_through_its_points() -> None:
    target = POINTS + np.random.default_rng(0).normal(0, 3, POINTS.shape)
    assert np.allclose(thin_plate(POINTS, target, POINTS), target)


def test_points_land_where_they_are_sent() -> None:
    source = np.vstack([POINTS, [(0, 0), (99, 0), (0, 99), (99, 99)]])
    target = source.copy()
    target[4] += (6, -4)
    image = np.zeros((100, 100), np.float32)
    image[45, 50] = 1
    moved = sampled(image, backward_map(source, target, 100, 100), "linear")
    row, column = np.unravel_index(np.argmax(moved), moved.shape)
    assert (abs(column - 56), abs(row - 41)) <= (1, 1)  # (50, 45) + (6, -4)


def test_no_motion_reads_every_pixel_where_it_is() -> None:
    places = backward_map(POINTS, POINTS, 41, 23)
    assert places.shape == (23, 41, 2)
    x, y = np.meshgrid(np.arange(41), np.arange(23))
    assert np.allclose(places, np.stack([x, y], axis=-1), atol=1e-3)

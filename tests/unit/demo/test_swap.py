import numpy as np
import pytest

from fakeforensics.demo.arrays import as_float, generator
from fakeforensics.demo.identity import draw_identity
from fakeforensics.demo.pose import View
from fakeforensics.demo.render import Person, Rendering
from fakeforensics.demo.swap import match_colour, swap_face


@pytest.fixture(scope="module")
def swapped(portrait: Rendering, view: View) -> np.ndarray:
    return swap_face(portrait, Person(draw_identity(generator(0, "donor"))), view)


def test_only_the_face_is_replaced(swapped: np.ndarray, portrait: Rendering) -> None:
    change = np.abs(swapped - portrait.rgb).max(axis=2)
    assert change[:20].max() < 1e-3
    assert change[:, :8].max() < 1e-3
    x, y = portrait.landmarks[30].round().astype(int)
    assert change[y - 20 : y + 20, x - 20 : x + 20].mean() > 0.01


def test_the_new_face_has_the_old_ones_colour(swapped: np.ndarray, portrait: Rendering) -> None:
    x, y = portrait.landmarks[30].round().astype(int)
    middle = (slice(y - 40, y + 40), slice(x - 40, x + 40))
    assert swapped[middle].mean(axis=(0, 1)) == pytest.approx(
        portrait.rgb[middle].mean(axis=(0, 1)), abs=0.05
    )


def test_the_new_face_is_less_sharp(swapped: np.ndarray, portrait: Rendering) -> None:
    x, y = portrait.landmarks[30].round().astype(int)
    middle = (slice(y - 40, y + 40), slice(x - 40, x + 40))
    assert np.diff(swapped[middle], axis=1).std() < np.diff(portrait.rgb[middle], axis=1).std()


def test_colours_are_matched_in_mean_and_contrast() -> None:
    face = np.repeat(as_float([[0.2, 0.4]])[..., None], 3, axis=2)
    like = np.repeat(as_float([[0.55, 0.8]])[..., None], 3, axis=2)
    matched = match_colour(face, like, np.ones((1, 2), bool))
    # Means 0.3 and 0.675, deviations 0.1 and 0.125: (0.2 - 0.3) * 1.25 + 0.675 = 0.55, and 0.8.
    assert matched[0, :, 0] == pytest.approx([0.55, 0.8])


def test_contrast_is_never_stretched_by_more_than_the_limit() -> None:
    face = np.repeat(as_float([[0.49, 0.51]])[..., None], 3, axis=2)
    like = np.repeat(as_float([[0.0, 1.0]])[..., None], 3, axis=2)
    matched = match_colour(face, like, np.ones((1, 2), bool))
    assert np.ptp(matched[0, :, 0]) == pytest.approx(0.02 * 1.4)

import numpy as np
import pytest

from fakeforensics.demo.edits import EDITS, Edit, edit_face, smoother_skin
from fakeforensics.demo.render import Rendering


@pytest.mark.parametrize("edit", [*EDITS, smoother_skin], ids=lambda edit: edit.__name__)
def test_edits_are_local(edit: Edit, portrait: Rendering, rng: np.random.Generator) -> None:
    edited = edit(portrait.rgb, portrait.landmarks, rng)
    change = np.abs(edited - portrait.rgb).max(axis=2)
    assert change.max() > 0.02
    # Hair and backdrop, above the brows and beside the jaw, stay as they were.
    assert change[:25].max() < 1e-3
    assert change[:, :8].max() < 1e-3
    assert change[:, -8:].max() < 1e-3


def test_smoothing_takes_fine_texture_from_the_cheek(portrait: Rendering, rng: np.random.Generator) -> None:
    x, y = (0.5 * portrait.landmarks[1] + 0.5 * portrait.landmarks[31]).round().astype(int)
    cheek = (slice(y - 10, y + 10), slice(x - 10, x + 10))
    rough = portrait.rgb.copy()
    rough[cheek] += rng.normal(0, 0.01, rough[cheek].shape)
    smooth = smoother_skin(rough, portrait.landmarks, rng)
    texture = [np.diff(picture[cheek], n=2, axis=0).std() for picture in (rough, smooth)]
    assert texture[1] < 0.7 * texture[0]


def test_a_whole_edit_depends_on_its_generator_alone(portrait: Rendering) -> None:
    first, same, other = (edit_face(portrait, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    assert np.abs(first - portrait.rgb)[:25].max() < 1e-3
    assert first.min() >= 0
    assert first.max() <= 1

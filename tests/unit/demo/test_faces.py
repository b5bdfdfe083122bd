"""What a detector of faces, and a detector of fakes, must find in the demo's faces."""

from pathlib import Path

import cv2
import dlib
import numpy as np
import pytest

from examples.demo.celeb_df import swap_face
from examples.demo.dffd import EDITS, Edit, Still, make_still, smoother_skin
from examples.demo.person import View, draw_identity, draw_view
from examples.demo.pixels import generator
from examples.demo.render import Person, Rendering, draw_backdrop
from fakeforensics.faces.detect import model_path

VIEW = draw_view(generator(0, "tests"), 98.0)


@pytest.fixture(scope="module")
def portrait() -> Rendering:
    person = Person(draw_identity(generator(0, "tests")))
    picture = person.render(VIEW, draw_backdrop(generator(0, "tests"), 256, 256))
    picture.rgb.setflags(write=False)
    picture.landmarks.setflags(write=False)
    return picture


def test_dlib_sees_a_face_with_the_landmarks_that_the_renderer_states(portrait: Rendering) -> None:
    pixels = np.round(portrait.rgb * 255).astype(np.uint8)
    faces = dlib.get_frontal_face_detector()(pixels, 0)
    assert len(faces) == 1
    predictor = dlib.shape_predictor(str(model_path("shape_predictor_5_face_landmarks.dat")))
    found = np.array([(point.x, point.y) for point in predictor(pixels, faces[0]).parts()])
    # dlib's five points: outer and inner corner of one eye, of the other, and below the nose.
    stated = portrait.landmarks[[45, 42, 36, 39, 33]]
    assert np.linalg.norm(found - stated, axis=1).max() < 8  # of 98 pixels between the eyes


def test_the_picture_has_the_landmarks_of_its_view() -> None:
    # A larger face and one turned aside: twice the distance between the eyes, and the nose off the middle.
    person, backdrop = (
        Person(draw_identity(generator(0, "tests"))),
        draw_backdrop(generator(0, "b"), 256, 256),
    )
    small, large = (person.render(View(eye_distance=size), backdrop).landmarks for size in (40.0, 80.0))
    eyes = [np.linalg.norm(marks[45] - marks[36]) for marks in (small, large)]
    assert eyes[1] / eyes[0] == pytest.approx(2, rel=0.01)
    turned = person.render(View(eye_distance=80.0, yaw=10.0), backdrop).landmarks
    assert turned[30, 0] - large[30, 0] > 5


def test_a_swap_replaces_the_face_alone_in_its_color(portrait: Rendering) -> None:
    swapped = swap_face(portrait, Person(draw_identity(generator(0, "donor"))), VIEW)
    change = np.abs(swapped - portrait.rgb).max(axis=2)
    assert change[:20].max() < 1e-3
    assert change[:, :8].max() < 1e-3
    x, y = portrait.landmarks[30].round().astype(int)
    middle = (slice(y - 40, y + 40), slice(x - 40, x + 40))
    assert change[middle].mean() > 0.01
    assert swapped[middle].mean(axis=(0, 1)) == pytest.approx(
        portrait.rgb[middle].mean(axis=(0, 1)), abs=0.05
    )
    # Synthesized small and enlarged, as in a DeepFake: this is what a detector can find.
    assert np.diff(swapped[middle], axis=1).std() < np.diff(portrait.rgb[middle], axis=1).std()


@pytest.mark.parametrize("edit", [*EDITS, smoother_skin], ids=lambda edit: edit.__name__)
def test_edits_are_local(edit: Edit, portrait: Rendering) -> None:
    edited = edit(portrait.rgb, portrait.landmarks, generator(1, "tests"))
    change = np.abs(edited - portrait.rgb).max(axis=2)
    assert change.max() > 0.02
    # Hair and backdrop, above the brows and to the sides of the jaw, stay as they were.
    assert change[:25].max() < 1e-3
    assert change[:, :8].max() < 1e-3
    assert change[:, -8:].max() < 1e-3


def test_an_edit_shows_the_person_of_its_photograph(tmp_path: Path) -> None:
    for folder, number in (("ffhq", 0), ("faceapp", 0), ("ffhq", 1)):
        make_still(Still(folder, "test", number), {}, 0, tmp_path)
    photo, edit, another = (
        cv2.imread(str(tmp_path / name)).astype(int)
        for name in ("ffhq/test/00000.jpg", "faceapp/test/00000.jpg", "ffhq/test/00001.jpg")
    )
    assert 0.5 < np.abs(edit - photo).mean() < 0.3 * np.abs(another - photo).mean()

from dataclasses import replace

import dlib
import numpy as np

from fakeforensics.demo.arrays import FloatImage, generator
from fakeforensics.demo.identity import draw_identity
from fakeforensics.demo.pose import View
from fakeforensics.demo.render import Person, Rendering, exposed, shading
from fakeforensics.faces.models import model_path


def as_bytes(rgb: FloatImage) -> np.ndarray:
    return np.round(rgb * 255).astype(np.uint8)


def test_dlib_sees_a_face_with_the_landmarks_that_the_renderer_states(portrait: Rendering) -> None:
    faces = dlib.get_frontal_face_detector()(as_bytes(portrait.rgb), 0)
    assert len(faces) == 1
    predictor = dlib.shape_predictor(str(model_path("shape_predictor_5_face_landmarks.dat")))
    found = np.array([(point.x, point.y) for point in predictor(as_bytes(portrait.rgb), faces[0]).parts()])
    # dlib's five points: outer and inner corner of one eye, of the other, and below the nose.
    stated = portrait.landmarks[[45, 42, 36, 39, 33]]
    assert np.linalg.norm(found - stated, axis=1).max() < 8  # of 98 pixels between the eyes


def test_a_mirrored_person_in_a_mirrored_view_is_the_mirror_image(view: View, backdrop: FloatImage) -> None:
    identity = replace(draw_identity(generator(0, "tests")), mirrored=False)
    plain = Person(identity).render(replace(view, exposure=1.0), backdrop)
    twin = Person(replace(identity, mirrored=True))
    other = twin.render(replace(view, exposure=1.0).mirrored(), backdrop[:, ::-1].copy())
    assert np.allclose(other.rgb[:, ::-1], plain.rgb, atol=1e-5)
    assert np.allclose(other.landmarks[36], (255 - plain.landmarks[45][0], plain.landmarks[45][1]))


def test_the_backdrop_is_untouched_beside_the_person(person: Person, backdrop: FloatImage) -> None:
    small = person.render(View(eye_distance=40.0), backdrop)
    assert np.array_equal(small.rgb[:20, :20], backdrop[:20, :20])


def test_light_from_the_right_brightens_the_right() -> None:
    factor = shading(View(light_from=0.0, light=0.3), 100)
    assert factor[50, 80] > 1.1 > 1 > factor[50, 20]
    assert np.allclose(shading(View(light=0.0), 100), 1)


def test_exposure_and_warmth_scale_the_channels() -> None:
    grey = np.full((1, 1, 3), 0.5, np.float32)
    warm = exposed(grey, View(exposure=0.8, warmth=1.0))
    # 0.5 * 0.8 * (1.05, 1, 0.94)
    assert np.allclose(warm, (0.42, 0.4, 0.376))

import dlib
import numpy as np
from skimage import data

from fakeforensics.demo import outlines
from fakeforensics.demo.portrait import SIZE, load_atlas, to_atlas


def test_dlib_finds_the_face_around_the_landmarks() -> None:
    # The landmarks are constants: if the photograph were another one, everything would go wrong unnoticed.
    faces = dlib.get_frontal_face_detector()(data.astronaut(), 0)
    assert len(faces) == 1
    middle = outlines.LANDMARKS.mean(axis=0)
    assert abs(faces[0].center().x - middle[0]) < 10
    assert abs(faces[0].center().y - middle[1]) < 10


def test_masks_lie_in_their_boxes_and_between_0_and_1() -> None:
    atlas = load_atlas()
    assert atlas.rgb.shape == (SIZE, SIZE, 3)
    for name, mask in atlas.masks.items():
        assert mask.shape == (SIZE, SIZE), name
        assert mask.min() >= 0, name
        assert 0.5 < mask.max() <= 1.001, name
        assert np.delete(mask, np.r_[atlas.boxes[name][0]], axis=0).max(initial=0) <= 0.004, name


def test_regions_lie_where_their_landmarks_are() -> None:
    masks = load_atlas().masks
    marks = to_atlas(outlines.LANDMARKS)
    for name, points in {"eyes": (36, 42), "teeth": (60, 68), "beard": (6, 11), "skin": (28, 30)}.items():
        x, y = marks[slice(*points)].mean(axis=0).round().astype(int)
        assert masks[name][y, x] > 0.5, name
    assert masks["person"][5, 5] == 0

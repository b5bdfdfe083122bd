import cv2
import numpy as np
import pytest

from fakeforensics.faces.align import align
from fakeforensics.faces.detect import Detector
from fakeforensics.faces.geometry import Box
from fakeforensics.faces.landmarks import Predictor, eye_centres

from .conftest import FACE, portrait


@pytest.fixture(scope="module")
def detector():
    return Detector(40)


def luma(rgb):
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


def test_the_face_is_found_at_every_size(detector):
    for side in (220, 512, 1024):
        hit = detector.largest(luma(portrait(side)), 0.31)[0]  # the best first
        x, y = hit.box.scaled(512 / side).centre
        assert abs(x - FACE[0]) < 15
        assert abs(y - FACE[1]) < 15


def test_nothing_is_found_in_noise(detector):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)
    assert detector.largest(noise, 0.5) == []


def test_searching_near_a_face_gives_frame_coordinates(detector, rgb):
    (hit,) = detector.near(luma(rgb), Box(180, 70, 280, 170), 1.7, 85, 0)
    assert hit.box.iou(detector.all(luma(rgb))[0].box) > 0.6


def test_searching_near_a_box_outside_the_frame_finds_nothing(detector, rgb):
    assert detector.near(luma(rgb), Box(600, 600, 700, 700), 1.7, 85, 0) == []


def test_all_finds_both_faces_of_a_pair(detector, rgb):
    pair = np.hstack([rgb, portrait(flip=True)])
    left, right = sorted(hit.box.centre[0] for hit in detector.all(luma(pair))[:2])
    assert abs(left - FACE[0]) < 15
    assert abs(right - (1023 - FACE[0])) < 15


@pytest.mark.parametrize("points", [5, 68])
def test_the_crop_is_upright_whatever_the_angle(detector, points):
    # dlib's mean face puts the eyes on one row; a picture turned by 15 degrees must come out level.
    predict = Predictor(points)
    for angle in (0, 15):
        picture = portrait(angle=angle)
        shape = predict(luma(picture), detector.all(luma(picture))[0].box)
        crop = align(picture, shape, 256, 0.25)
        again = predict(luma(crop), Box(50, 60, 205, 215))
        left, right = eye_centres(again.points)
        assert abs(left[1] - right[1]) < 10
        assert right[0] - left[0] > 60

import cv2
import numpy as np
import pytest

from fakeforensics.faces.align import align
from fakeforensics.faces.detect import Box, FaceDetector, LandmarkPredictor, eye_centers, with_contrast

from .conftest import FACE, portrait


def test_half_overlap():
    # 10x10 boxes shifted by 5: 50 shared of 150.
    assert Box(0, 0, 10, 10).iou(Box(5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert Box(0, 0, 10, 10).iou(Box(20, 0, 30, 10)) == 0


def test_distance_is_counted_in_faces():
    # Centers 30 apart, widths 10 and 20: mean width 15.
    assert Box(0, 0, 10, 10).distance(Box(25, -5, 45, 15)) == pytest.approx(2)


def test_scaled_then_moved():
    assert Box(1, 2, 3, 4).scaled(2, left=10, top=20) == Box(12, 24, 16, 28)


def test_between_two_boxes():
    assert Box(0, 0, 10, 10).towards(Box(10, 0, 30, 20), 0.5) == Box(5, 0, 20, 15)


@pytest.fixture(scope="module")
def detector():
    return FaceDetector(40)


def gray(rgb):
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


def test_the_face_is_found_at_every_size(detector):
    for side in (220, 512, 1024):
        hit = detector.largest(gray(portrait(side)), 0.31)[0]  # the best first
        x, y = hit.box.scaled(512 / side).center
        assert abs(x - FACE[0]) < 15
        assert abs(y - FACE[1]) < 15


def test_nothing_is_found_in_noise(detector):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8)
    assert detector.largest(noise, 0.5) == []


def test_searching_near_a_face_gives_frame_coordinates(detector, rgb):
    (hit,) = detector.near(gray(rgb), Box(180, 70, 280, 170), 1.7, 85, 0)
    assert hit.box.iou(detector.all(gray(rgb))[0].box) > 0.6


def test_searching_near_a_box_outside_the_frame_finds_nothing(detector, rgb):
    assert detector.near(gray(rgb), Box(600, 600, 700, 700), 1.7, 85, 0) == []


def test_all_finds_both_faces_of_a_pair(detector, rgb):
    pair = np.hstack([rgb, portrait(flip=True)])
    left, right = sorted(hit.box.center[0] for hit in detector.all(gray(pair))[:2])
    assert abs(left - FACE[0]) < 15
    assert abs(right - (1023 - FACE[0])) < 15


@pytest.mark.parametrize("points", [5, 68])
def test_the_crop_is_upright_whatever_the_angle(detector, points):
    # dlib's mean face puts the eyes on one row; a picture turned by 15 degrees must come out level.
    predict = LandmarkPredictor(points)
    for angle in (0, 15):
        picture = portrait(angle=angle)
        landmarks = predict(gray(picture), detector.all(gray(picture))[0].box)
        crop = align(picture, landmarks, 256, 0.25)
        again = predict(gray(crop), Box(50, 60, 205, 215))
        left, right = eye_centers(again.points)
        assert abs(left[1] - right[1]) < 10
        assert right[0] - left[0] > 60


def test_one_search_finds_the_largest_faces_and_all_as_two_do(detector, monkeypatch):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (90, 120)).astype(np.uint8)
    scales = []
    at_scale = FaceDetector.at_scale

    def counted(self, image, scale):
        scales.append(scale)
        return at_scale(self, image, scale)

    monkeypatch.setattr(FaceDetector, "at_scale", counted)
    face = gray(portrait())
    assert detector.largest_and_all(face, 0.5) == (detector.largest(face, 0.5), detector.all(face))
    scales.clear()
    assert detector.largest_and_all(noise, 0.5) == ([], [])
    assert scales[-1] == 2  # 80 / 40: once, although both would search it
    assert len(scales) == len(set(scales))


def test_gray_levels_of_a_dark_face_are_spread():
    # Levels 10 and 40 in the face: 30 levels become 150, five times as many; 60 and more saturate.
    frame = np.full((100, 100), 255, np.uint8)
    frame[:50], frame[0, 0] = 10, 25
    frame[20:50] = 40
    spread = with_contrast(frame, Box(0, 0, 50, 50))
    assert {*np.unique(spread)} == {0, 75, 150, 255}


def test_a_face_with_contrast_stays_as_it_is(rgb):
    np.testing.assert_array_equal(with_contrast(gray(rgb), Box(175, 68, 275, 168)), gray(rgb))


def test_noise_is_not_spread_more_than_eightfold():
    frame = np.full((50, 50), 10, np.uint8)
    frame[::2] = 11
    assert {*np.unique(with_contrast(frame, Box(0, 0, 50, 50)))} == {0, 8}


def test_landmarks_in_the_dark_are_those_in_the_light(rgb):
    # An eighth of the light: without spread levels an eye is 3.5 pixels off; the eyes are 43 apart.
    box, dark = Box(175, 68, 275, 168), gray(rgb) // 8
    light = eye_centers(LandmarkPredictor(5)(gray(rgb), box).points)
    assert np.abs(eye_centers(LandmarkPredictor(5)(dark, box).points) - light).max() < 2

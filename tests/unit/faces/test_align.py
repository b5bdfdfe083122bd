import cv2
import dlib
import numpy as np
import pytest

from fakeforensics.faces.align import align
from fakeforensics.faces.detect import Box, LandmarkPredictor


@pytest.fixture(scope="module")
def landmarks(rgb):
    return LandmarkPredictor(5)(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), Box(177, 71, 275, 165))


@pytest.mark.parametrize("padding", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("size", [128, 256])
def test_the_pixels_are_dlibs_up_to_rounding(rgb, landmarks, size, padding):
    # dlib truncates where OpenCV rounds: half a level on average.
    ours = align(rgb, landmarks, size, padding).astype(float)
    dlibs = dlib.get_face_chip(rgb, landmarks.parts, size=size, padding=padding).astype(float)
    inside = (slice(2, -2), slice(2, -2))
    assert np.abs(ours - dlibs)[inside].mean() < 0.7


def test_shrinking_keeps_the_geometry(rgb, landmarks):
    # On a picture without fine detail, averaging before sampling changes nothing: only a shift would show.
    smooth = cv2.GaussianBlur(rgb, (0, 0), 8)
    large = align(smooth, landmarks, 253, 0.5).astype(float)
    # The corners' centers coincide: every 9th of 253 pixels is one of 29.
    small = align(smooth, landmarks, 29, 0.5).astype(float)
    assert np.abs(small - large[::9, ::9])[1:-1, 1:-1].mean() < 0.7


def test_shrinking_averages_what_sampling_would_skip(rgb, landmarks):
    noise = np.random.default_rng(0).integers(0, 256, rgb.shape, np.uint8)
    assert align(noise, landmarks, 32, 0.5).std() < 0.6 * noise.std()


def test_what_lies_outside_is_black(rgb, landmarks):
    assert np.all(align(rgb, landmarks, 64, 2.0)[:4] == 0)

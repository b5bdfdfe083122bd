"""Changes of images, each by what it must do to pixels."""

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fakeforensics.errors import UserError
from fakeforensics.images.transforms import Corruption, blur, jpeg
from fakeforensics.params import EvaluateParams

IMAGE = np.random.default_rng(0).integers(0, 256, (48, 40, 3), dtype=np.uint8)
FLAT = np.full((48, 40, 3), 100, dtype=np.uint8)


@pytest.mark.parametrize("name", EvaluateParams().corruptions)
def test_every_default_changes_the_pixels_alike_each_time(name):
    before = IMAGE.copy()
    once, again = Corruption(name)(IMAGE), Corruption(name)(IMAGE)
    assert np.array_equal(once, again)
    assert once.dtype == np.uint8
    assert once.shape != IMAGE.shape or not np.array_equal(once, IMAGE)
    assert np.array_equal(IMAGE, before)  # the image itself is left alone


def test_stronger_compression_is_farther_from_the_image():
    error = [np.abs(Corruption(f"jpeg_{q}")(IMAGE).astype(int) - IMAGE).mean() for q in (90, 50, 30)]
    assert error == sorted(error)


def test_blur_takes_away_variance_and_keeps_the_mean():
    # White noise blurred with σ keeps 1 / (4 π σ²) of its variance: 0.02 at σ = 2.
    blurred = Corruption("blur_2")(IMAGE).astype(float)
    assert blurred.var() / IMAGE.var() == pytest.approx(0.02, abs=0.01)
    assert blurred.mean() == pytest.approx(IMAGE.mean(), abs=2)


def test_noise_has_the_deviation_asked_for():
    added = Corruption("noise_8")(FLAT).astype(int) - 100
    assert added.std() == pytest.approx(8, rel=0.05)  # 5,760 draws: three standard errors are 3%
    assert added.mean() == pytest.approx(0, abs=0.4)


def test_noise_differs_between_images():
    other = np.full((48, 40, 3), 101, dtype=np.uint8)
    assert not np.array_equal(Corruption("noise_8")(FLAT), Corruption("noise_8")(other) - 1)


@pytest.mark.parametrize(("name", "shape"), [("resize_0.5", (24, 20, 3)), ("resize_2", (96, 80, 3))])
def test_whole_images_stay_resized_and_faces_get_their_size_back(name, shape):
    assert Corruption(name)(IMAGE).shape == shape
    assert Corruption(name, aligned=True)(IMAGE).shape == IMAGE.shape


def test_halving_averages_four_pixels():
    image = np.zeros((2, 2, 3), dtype=np.uint8)
    image[0, 0] = 200
    assert Corruption("resize_0.5")(image).tolist() == [[[50, 50, 50]]]


@pytest.mark.parametrize(
    "name", ["jpeg", "jpeg_0", "jpeg_101", "jpeg_high", "swirl_3", "blur_-1", "resize_0"]
)
def test_unknown_names_are_refused(name):
    with pytest.raises(UserError, match="unknown corruption"):
        Corruption(name)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 3.0])
def test_blur_is_scipys_gaussian(sigma):
    expected = np.stack([gaussian_filter(IMAGE[..., c].astype(float), sigma) for c in range(3)], axis=2)
    # OpenCV sums in fixed point: 8 bits for the kernel's weights
    assert np.abs(blur(IMAGE, sigma) - expected).max() <= 2


def test_no_blur_at_sigma_zero():
    assert np.array_equal(blur(IMAGE, 0.0), IMAGE)


def test_jpeg_is_a_round_trip_at_that_quality():
    data = cv2.imencode(".jpg", IMAGE[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, 30))[1]
    assert np.array_equal(jpeg(IMAGE, 30), cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])

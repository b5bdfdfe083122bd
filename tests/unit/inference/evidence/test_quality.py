"""Estimates of what was done to a picture, on pictures to which it was done."""

import cv2
import numpy as np
import pytest

from fakeforensics.inference.evidence.quality import (
    SHARP,
    earlier_compression,
    edge_blur,
    nearest_corruptions,
    resampling,
)
from fakeforensics.inference.training_data import TrainingData

CORRUPTIONS = (
    "jpeg_90",
    "jpeg_50",
    "jpeg_30",
    "blur_1",
    "blur_2",
    "blur_4",
    "resize_0.5",
    "resize_2",
    "noise_8",
)


def jpeg(gray, quality):
    data = cv2.imencode(".jpg", gray, (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


@pytest.fixture(scope="module")
def gray(portrait):
    """The portrait, shrunk so that nothing of its own history is left."""
    return cv2.resize(cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY), (416, 416), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0])
def test_a_blur_adds_to_the_blur_that_was_there(gray, sigma):
    # Variances of Gaussians add up.
    expected = np.hypot(edge_blur(gray), sigma)
    assert edge_blur(cv2.GaussianBlur(gray, (0, 0), sigma)) == pytest.approx(expected, rel=0.15)


def test_a_flat_picture_has_no_blur():
    assert edge_blur(np.full((96, 96), 60, np.uint8)) is None


@pytest.mark.parametrize(("first", "second"), [(60, 90), (50, 85), (70, 95)])
def test_an_earlier_compression_is_found(gray, first, second):
    assert earlier_compression(jpeg(jpeg(gray, first), second), second) == pytest.approx(first, abs=2)


@pytest.mark.parametrize("quality", [75, 90, 95])
def test_a_single_compression_is_not_called_double(gray, quality):
    assert earlier_compression(jpeg(gray, quality), quality) is None


def test_a_png_of_a_jpeg_shows_its_quality_and_a_png_of_nothing_none(gray):
    assert earlier_compression(jpeg(gray, 80), None) == 80
    assert earlier_compression(gray, None) is None


@pytest.mark.parametrize("factor", [1.4, 1.5, 1.75])
def test_an_enlargement_is_found_among_the_factors(portrait, factor):
    gray = cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)
    large = cv2.resize(gray, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    assert any(found == pytest.approx(factor, abs=0.05) for found in resampling(large))


def test_a_picture_as_it_was_taken_has_no_trace(portrait):
    gray = cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)
    assert resampling(gray) == ()
    assert resampling(jpeg(gray, 75)) == ()


def known(quality=None, width=None):
    ranges = {
        name: None if value is None else {"low": value, "median": value, "high": value}
        for name, value in (("jpeg_quality", quality), ("face_width", width))
    }
    return TrainingData.model_validate(ranges)


@pytest.mark.parametrize(
    ("training", "quality", "blur", "width", "expected"),
    [
        (known(), 55, None, None, {"JPEG quality": "jpeg_50"}),
        (known(), 97, None, None, {}),  # nearer to no compression, 100, than to 90
        (known(quality=75), 80, None, None, {}),  # the test images themselves are of 75
        (known(quality=75), 30, None, None, {"JPEG quality": "jpeg_30"}),
        (None, None, SHARP, None, {}),
        (None, None, 2.1, None, {"blur": "blur_2"}),  # √(0.7² + 2²) = 2.12
        (known(width=100), None, None, 45.0, {"face width": "resize_0.5"}),
        (known(width=100), None, None, 80.0, {}),  # 0.8 is nearer to 1 than to 0.5, by ratio
        (known(width=100), None, None, 900.0, {}),  # a larger face loses nothing
    ],
)
def test_the_nearest_corruptions(training, quality, blur, width, expected):
    assert nearest_corruptions(CORRUPTIONS, training, quality, blur, width) == expected

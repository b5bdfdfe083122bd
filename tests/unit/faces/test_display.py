import io
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps

from fakeforensics.faces.display import (
    convert,
    luminance,
    matrix_orientation,
    square_size,
    squared,
    swaps_sides,
    upright,
)

STORED = np.arange(24, dtype=np.uint8).reshape(4, 6)
ONE = 1 << 16


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_orientation_means_what_it_means_to_pillow(orientation):
    image = Image.fromarray(STORED)
    exif = image.getexif()
    exif[ExifTags.Base.Orientation] = orientation
    file = io.BytesIO()
    image.save(file, "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(file)))
    assert np.array_equal(upright(STORED, orientation), expected)
    assert swaps_sides(orientation) == (expected.shape == (6, 4))


def matrix(a, b, c, d, scale=ONE):
    values = (a * scale, b * scale, 0, c * scale, d * scale, 0, 0, 0, 1 << 30)
    return np.array(values, np.int32).tobytes()


@pytest.mark.parametrize(
    ("values", "orientation"),
    # A stored place (column p, row q) is shown at column a·p + c·q and row b·p + d·q.
    [
        ((1, 0, 0, 1), 1),
        ((-1, 0, 0, 1), 2),  # column −p: mirrored left to right
        ((-1, 0, 0, -1), 3),
        ((1, 0, 0, -1), 4),  # row −q: upside down
        ((0, 1, 1, 0), 5),  # column q, row p: mirrored at the diagonal
        ((0, 1, -1, 0), 6),  # column −q, row p: the top row becomes the right column, a turn clockwise
        ((0, -1, -1, 0), 7),
        ((0, -1, 1, 0), 8),
        ((0, 0, 0, 0), 1),
    ],
)
def test_a_display_matrix_is_one_of_the_eight_orientations(values, orientation):
    assert matrix_orientation(matrix(*values)) == orientation
    # a slight turn, and another scale, change nothing
    turned = [100 * value + small for value, small in zip(values, (3, -2, 2, 3), strict=True)]
    if any(values):
        assert matrix_orientation(matrix(*turned, scale=ONE // 50)) == orientation


def test_without_a_matrix_nothing_is_turned():
    assert matrix_orientation(None) == 1


def test_no_side_gets_shorter_when_pixels_become_square():
    assert square_size(624, 456, Fraction(4, 3)) == (832, 456)
    assert square_size(720, 480, Fraction(8, 9)) == (720, 540)
    assert square_size(640, 480, Fraction(1)) == (640, 480)
    assert squared(STORED, Fraction(3, 2)).shape == (4, 9)


def frame(form, values, **stated):
    """A frame of one color; `values` are those of each plane."""
    made = av.VideoFrame(16, 16, form)
    for plane, value in zip(made.planes, values, strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    for name, value in stated.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("form", "stated", "expected"),
    # Y, Cb, Cr = 81, 90, 240 is red by BT.601 in limited range: R = 1.164 · 65 + 1.596 · 112 = 254,
    # G = 75.7 − 0.813 · 112 + 0.392 · 38 = −0.5, B = 75.7 − 2.017 · 38 = −1.
    [
        ("yuv420p", {}, (254, 0, 0)),
        # By BT.709: R = 75.7 + 1.793 · 112 = 276, G = 75.7 − 0.533 · 112 + 0.213 · 38 = 24,
        # B = 75.7 − 2.112 · 38 = −5.
        ("yuv420p", {"colorspace": 1}, (255, 24, 0)),
        # In full range by BT.601: R = 81 + 1.402 · 112 = 238, G = 81 − 0.714 · 112 + 0.344 · 38 = 14,
        # B = 81 − 1.772 · 38 = 14.
        ("yuv420p", {"color_range": 2}, (238, 14, 14)),
        ("yuv444p", {}, (254, 0, 0)),
    ],
)
def test_color_follows_the_matrix_and_the_range_that_are_stated(form, stated, expected):
    pixels = convert(frame(form, (81, 90, 240), **stated), "rgb24")
    assert pixels.shape == (16, 16, 3)
    assert np.abs(pixels.astype(int) - expected).max() <= 2


@given(st.integers(0, 255))
def test_rgb_stays_as_it_is(value):
    made = av.VideoFrame.from_ndarray(np.full((4, 6, 3), value, np.uint8), format="rgb24")
    assert (convert(made, "rgb24") == value).all()


@pytest.mark.parametrize("stated", [{}, {"color_range": 2}])
def test_luminance_spans_the_whole_range_as_ffmpeg_makes_it(stated):
    made = av.VideoFrame(256, 16, "yuv420p")
    row = np.arange(256, dtype=np.uint8).tobytes()
    plane = made.planes[0]
    plane.update((row + bytes(plane.line_size - 256)) * 16)
    for chroma in made.planes[1:]:
        chroma.update(bytes([128]) * chroma.buffer_size)
    for name, value in stated.items():
        setattr(made, name, value)
    found = luminance(made)
    # limited range: 16 is black, 235 white, 126 is (126 − 16) · 255 / 219 = 128
    assert found[0, [0, 16, 126, 235, 255]].tolist() == (
        [0, 16, 126, 235, 255] if stated else [0, 0, 128, 255, 255]
    )
    assert np.abs(found.astype(int) - convert(made, "gray")).max() <= 1

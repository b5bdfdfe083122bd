import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from fakeforensics.images.images import decode, encode_png

pixels = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: arrays(np.uint8, (*shape, 3))
)


@given(pixels)
def test_png_is_lossless(rgb):
    assert np.array_equal(decode(encode_png(rgb)), rgb)


@given(pixels)
def test_other_readers_agree(rgb):
    with Image.open(io.BytesIO(encode_png(rgb))) as image:
        image.verify()
    with Image.open(io.BytesIO(encode_png(rgb))) as image:
        assert image.mode == "RGB"
        assert np.array_equal(np.asarray(image), rgb)


def test_a_view_of_a_larger_picture_is_encoded_as_it_looks():
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    view = rgb[2:10, 3:9, ::-1]
    assert np.array_equal(decode(encode_png(view)), view)


def test_gray_alpha_and_16_bit_become_8_bit_rgb():
    gray = np.full((4, 5), 77, np.uint8)
    assert decode(cv2.imencode(".png", gray)[1].tobytes()).tolist() == [[[77] * 3] * 5] * 4
    deep = np.full((4, 5, 3), 0x8000, np.uint16)
    assert decode(cv2.imencode(".png", deep)[1].tobytes()).tolist() == [[[128] * 3] * 5] * 4
    clear = np.full((4, 5, 4), 9, np.uint8)
    assert decode(cv2.imencode(".png", clear)[1].tobytes()).shape == (4, 5, 3)


def test_exif_orientation_is_ignored():
    # It was applied at storing time; applying it again would turn the image twice.
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    Image.new("RGB", (8, 4)).save(out, "JPEG", exif=exif)
    assert decode(out.getvalue()).shape == (4, 8, 3)


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_raises(data):
    with pytest.raises(ValueError, match="cannot decode"):
        decode(data)

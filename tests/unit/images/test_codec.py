import io
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from fakeforensics.images.codec import decode, encode_png
from tests.processors import old_processor

pixels = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: arrays(np.uint8, (*shape, 3))
)


@given(pixels)
def test_png_is_lossless_for_us_and_for_other_readers(rgb):
    data = encode_png(rgb)
    assert data == encode_png(rgb)
    assert np.array_equal(decode(data), rgb)
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGB"
        assert np.array_equal(np.asarray(image), rgb)


SHOWS = """
import sys, numpy
from fakeforensics.images.codec import encode_png
rows, columns = numpy.ogrid[:256, :256]
rgb = numpy.stack([rows * columns // 97 % 256, rows ^ columns, (rows // 8 + columns // 3) % 256], axis=-1)
sys.stdout.buffer.write(encode_png(rgb.astype(numpy.uint8)))
"""


def test_a_png_has_the_same_bytes_on_every_processor():
    # A picture with texture and plain areas, so that the encoder has something to decide.
    new, old = (
        subprocess.run((sys.executable, "-c", SHOWS), env=os.environ | more, capture_output=True, check=True)
        for more in ({}, old_processor())
    )
    assert new.stdout.startswith(b"\x89PNG")
    assert new.stdout == old.stdout


def test_a_view_of_a_larger_image_is_encoded_as_it_looks():
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    view = rgb[2:10, 3:9, ::-1]
    assert np.array_equal(decode(encode_png(view)), view)


def test_the_pixels_are_the_callers_own():
    decoded = decode(encode_png(np.zeros((4, 5, 3), np.uint8)))
    decoded[0, 0] = 1  # augmentation and corruptions write into what they are given
    assert decoded.flags.c_contiguous


def test_gray_alpha_and_16_bit_become_8_bit_rgb():
    gray = np.full((4, 5), 77, np.uint8)
    assert decode(cv2.imencode(".png", gray)[1].tobytes()).tolist() == [[[77] * 3] * 5] * 4
    deep = np.full((4, 5, 3), 0x8000, np.uint16)
    assert decode(cv2.imencode(".png", deep)[1].tobytes()).tolist() == [[[128] * 3] * 5] * 4
    clear = np.full((4, 5, 4), 9, np.uint8)
    assert decode(cv2.imencode(".png", clear)[1].tobytes()).shape == (4, 5, 3)


def test_exif_orientation_is_ignored():
    # It was applied when the image was stored; applying it again would turn the image twice.
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    Image.new("RGB", (8, 4)).save(out, "JPEG", exif=exif)
    assert decode(out.getvalue()).shape == (4, 8, 3)


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_raises(data):
    with pytest.raises(ValueError, match="cannot decode"):
        decode(data)


def test_damage_is_never_pixels():
    data = encode_png(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
    for place in range(8, len(data) - 16, 7):  # from the signature to the end of the image data
        flipped = bytearray(data)
        flipped[place] ^= 0x10
        with pytest.raises(ValueError, match="cannot decode"):
            decode(bytes(flipped))
    for length in (10, 40, 45, len(data) // 2, len(data) - 20):
        with pytest.raises(ValueError, match="cannot decode"):
            decode(data[:length])


def test_a_small_file_cannot_ask_for_all_memory():
    data = bytearray(encode_png(np.zeros((20, 20, 3), np.uint8)))
    data[16:24] = (1 << 30).to_bytes(4, "big") * 2  # claims 2^60 pixels
    with pytest.raises(ValueError, match="cannot decode"):
        decode(bytes(data))

import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fakeforensics.images import images, png

# Heights around squares: rows are added up in blocks of about the root of their number.
pixels = st.tuples(st.integers(1, 40), st.integers(1, 6)).flatmap(lambda shape: arrays(np.uint8, (*shape, 3)))


@given(pixels)
def test_what_was_encoded_is_decoded_as_opencv_does(rgb):
    data = png.encode(rgb)
    assert np.array_equal(png.decode(data), rgb)
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(bgr[:, :, ::-1], rgb)


def test_the_pixels_are_the_callers_own():
    rgb = np.zeros((4, 5, 3), np.uint8)
    decoded = png.decode(png.encode(rgb))
    decoded[0, 0] = 1  # augmentation and corruptions write into what they are given
    assert decoded.flags.c_contiguous


def test_files_of_other_writers_are_left_to_another_reader():
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    for pixels in (rgb, rgb[:, :, 0], np.dstack([rgb, rgb[:, :, :1]]), rgb.astype(np.uint16)):
        data = cv2.imencode(".png", pixels)[1].tobytes()
        assert data.startswith(png.SIGNATURE)
        assert png.decode(data) is None
        assert images.decode(data).shape == (20, 30, 3)


def test_damage_is_never_pixels():
    data = png.encode(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
    for place in range(len(png.SIGNATURE), len(data) - 16):  # up to the end of the image data
        flipped = bytearray(data)
        flipped[place] ^= 0x10
        try:
            decoded = images.decode(bytes(flipped))
        except ValueError:
            continue
        # What no check sum covers here (names, lengths) does not reach the pixels.
        assert np.array_equal(decoded, images.decode(data)), place
    for length in (10, 40, 45, len(data) // 2, len(data) - 20):
        with pytest.raises(ValueError, match="cannot decode"):
            images.decode(data[:length])


def test_a_small_file_cannot_ask_for_all_memory():
    data = bytearray(png.encode(np.zeros((2000, 2000, 3), np.uint8)))
    assert len(data) < 100_000
    data[16:24] = (1).to_bytes(4, "big") * 2  # says that it is a single pixel
    assert png.decode(bytes(data)) is None
    data[16:24] = (1 << 30).to_bytes(4, "big") * 2
    assert png.decode(bytes(data)) is None


def test_without_isal_the_other_reader_gives_the_same(monkeypatch):
    rgb = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    data = png.encode(rgb)
    monkeypatch.setattr(png, "_isal", lambda: None)
    assert png.decode(data) is None
    assert np.array_equal(images.decode(data), rgb)


def test_several_files_come_back_in_their_order():
    rng = np.random.default_rng(0)
    shapes = [(9, 7), (5, 5), (9, 7), (9, 8)] * 5  # more than are decoded ahead
    pictures = [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in shapes]
    files = [png.encode(rgb) for rgb in pictures]
    files[3] = cv2.imencode(".png", pictures[3])[1].tobytes()
    decoded = list(png.decode_all(files))
    assert decoded.pop(3) is None
    pictures.pop(3)
    assert all(np.array_equal(*pair) for pair in zip(decoded, pictures, strict=True))


def test_the_first_decodes_of_a_process_may_come_from_several_threads():
    # A thread may find `isal` imported before its submodule is bound to it; switching often shows that.
    code = (
        "import sys; from concurrent.futures import ThreadPoolExecutor;"
        "from fakeforensics.images import png;"
        "data = bytes.fromhex(sys.argv[1]); sys.setswitchinterval(1e-6); pool = ThreadPoolExecutor(8);"
        "print(sum(image is not None for image in pool.map(png.decode, [data] * 64)))"
    )
    data = png.encode(np.zeros((1, 1, 3), np.uint8)).hex()
    for _ in range(4):
        done = subprocess.run([sys.executable, "-c", code, data], capture_output=True, text=True)
        assert done.stdout == "64\n", done.stderr

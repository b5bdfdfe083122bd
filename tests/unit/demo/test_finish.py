from pathlib import Path

import cv2
import numpy as np
import pytest

from fakeforensics.demo.finish import digitise, focus, write_still

GREY = np.full((128, 128, 3), 0.5, np.float32)


def test_noise_has_the_stated_strength_and_no_bias() -> None:
    for seed in range(5):
        pixels = digitise(GREY, np.random.default_rng(seed)).astype(float)
        assert abs(pixels.mean() - 127.5) < 0.1
        assert 0.6 < pixels.std() < 1.7  # rounding adds a variance of 1/12


def test_a_sharp_lens_leaves_the_picture_and_a_soft_one_blurs_it() -> None:
    edge = np.zeros((8, 8, 3), np.float32)
    edge[:, 4:] = 1
    steps = {float(np.diff(focus(edge, np.random.default_rng(seed)), axis=1).max()) for seed in range(30)}
    assert max(steps) == 1.0
    assert min(steps) < 0.8


def test_pngs_are_lossless(tmp_path: Path) -> None:
    pixels = digitise(GREY, np.random.default_rng(0))
    write_still(tmp_path / "a/b.png", pixels)
    assert np.array_equal(cv2.imread(str(tmp_path / "a/b.png"))[..., ::-1], pixels)


def test_jpegs_are_close_and_the_same_each_time(tmp_path: Path) -> None:
    pixels = digitise(GREY, np.random.default_rng(0))
    for name in ("a.jpg", "b.jpg"):
        write_still(tmp_path / name, pixels)
    assert (tmp_path / "a.jpg").read_bytes() == (tmp_path / "b.jpg").read_bytes()
    assert np.abs(cv2.imread(str(tmp_path / "a.jpg"))[..., ::-1].astype(int) - pixels).max() < 12


def test_a_strange_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write_still(tmp_path / "a.webp", digitise(GREY, np.random.default_rng(0)))

import socket

import numpy as np
import pytest

from fakeforensics.demo.backdrop import PHOTOGRAPHS, draw_backdrop, draw_crop, photograph


def test_photographs_come_from_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the demo asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    photograph.cache_clear()
    for name in PHOTOGRAPHS:
        picture = photograph(name)
        assert picture.shape[2] == 3
        assert 0 <= picture.min() < picture.max() <= 1


def test_crops_are_square_and_no_smaller_than_asked(rng: np.random.Generator) -> None:
    for _ in range(20):
        height, width, _ = draw_crop(rng, PHOTOGRAPHS, smallest=224).shape
        assert height == width >= 224


def test_a_backdrop_has_the_size_asked_for_and_no_detail(rng: np.random.Generator) -> None:
    backdrop = draw_backdrop(rng, 320, 200)
    assert backdrop.shape == (200, 320, 3)
    assert np.abs(np.diff(backdrop, axis=1)).max() < 0.06

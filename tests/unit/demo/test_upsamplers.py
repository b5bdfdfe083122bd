from typing import get_args

import numpy as np
import pytest
import torch

from fakeforensics.demo.arrays import FloatImage, as_float
from fakeforensics.demo.backdrop import draw_crop
from fakeforensics.demo.pixels import resized
from fakeforensics.demo.upsamplers import UpSampler, UpSampling, generate, train_upsampler

KINDS = get_args(UpSampling)


@pytest.fixture(scope="module")
def crops() -> list[FloatImage]:
    rng = np.random.default_rng(0)
    return [resized(draw_crop(rng, ("chelsea",), smallest=200), 96, 96, "area") for _ in range(4)]


def error(made: FloatImage, wanted: FloatImage) -> float:
    return float(np.abs(made - wanted).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_before_training_the_colours_are_interpolated(kind: UpSampling) -> None:
    network = UpSampler(kind)
    for parameter in network.decoder[-1].parameters():
        torch.nn.init.zeros_(parameter)
    flat = np.full((32, 32, 3), 0.3, np.float32)
    assert np.allclose(generate(network.eval(), flat)[8:-8, 8:-8], 0.3, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_training_learns_to_generate_the_picture_again(kind: UpSampling, crops: list[FloatImage]) -> None:
    pairs = [(crop, crop) for crop in crops]
    raw, trained = (train_upsampler(kind, pairs, seed=0, steps=steps, patch=32) for steps in (1, 25))
    assert error(generate(trained, crops[0]), crops[0]) < 0.8 * error(generate(raw, crops[0]), crops[0])


def test_the_same_seed_gives_the_same_generator(crops: list[FloatImage]) -> None:
    pairs = [(crop, crop) for crop in crops]
    first, same, other = (
        generate(train_upsampler("nearest", pairs, seed=seed, steps=2, patch=32), crops[0])
        for seed in (0, 0, 1)
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_training_leaves_the_callers_random_state_and_threads_alone(crops: list[FloatImage]) -> None:
    torch.manual_seed(5)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    train_upsampler("shuffle", [(crops[0], crops[0])], seed=0, steps=1, patch=32)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_without_a_code_only_the_shrunken_picture_is_seen() -> None:
    network = UpSampler("shuffle", code=0).eval()
    rng = np.random.default_rng(0)
    picture = as_float(rng.random((16, 16, 3)))
    # Swapping pixels inside each block of 4 x 4 keeps the blocks' means, which is all the network is shown.
    shuffled = picture.reshape(4, 4, 4, 4, 3)[:, ::-1].reshape(16, 16, 3)
    assert np.allclose(generate(network, picture), generate(network, as_float(shuffled)), atol=1e-6)


def test_transposed_convolutions_leave_a_periodic_trace(crops: list[FloatImage]) -> None:
    network = train_upsampler("transposed", [(crop, crop) for crop in crops], seed=0, steps=25, patch=32)

    def unevenness(picture: FloatImage) -> float:
        """How much the strength of fine detail depends on a pixel's place modulo 4."""
        detail = np.abs(np.diff(picture.mean(axis=2), n=2, axis=1))[:, :92]
        phases = detail.reshape(96, 23, 4).mean(axis=(0, 1))
        return float(phases.std() / phases.mean())

    assert unevenness(generate(network, crops[0])) > 2 * unevenness(crops[0])

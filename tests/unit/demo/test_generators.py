"""The demo's generators, clips and photographs."""

import socket
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from examples.demo.celeb_df import RATE, write_clip
from examples.demo.pixels import FloatImage, resized
from examples.demo.render import PHOTOGRAPHS, draw_crop, photograph
from examples.demo.upsamplers import generate, train_upsampler


@pytest.fixture(scope="module")
def crops() -> list[FloatImage]:
    rng = np.random.default_rng(0)
    return [resized(draw_crop(rng, ("chelsea",), smallest=200), 96, 96, "area") for _ in range(4)]


def test_a_trained_generator_shows_its_picture_again_and_leaves_a_periodic_trace(
    crops: list[FloatImage],
) -> None:
    pairs = [(crop, crop) for crop in crops]
    raw, made = (
        generate(train_upsampler("transposed", pairs, seed=0, steps=steps, patch=32), crops[0])
        for steps in (1, 25)
    )
    assert np.abs(made - crops[0]).mean() < 0.8 * np.abs(raw - crops[0]).mean()

    def unevenness(picture: FloatImage) -> float:
        """How much the strength of fine detail depends on a pixel's place modulo 4."""
        detail = np.abs(np.diff(picture.mean(axis=2), n=2, axis=1))[:, :92]
        phases = detail.reshape(96, 23, 4).mean(axis=(0, 1))
        return float(phases.std() / phases.mean())

    # The trace of transposed convolutions with stride 2 is what detectors of generated images find.
    assert unevenness(made) > 2 * unevenness(crops[0])


def test_training_leaves_the_callers_random_state_and_threads_alone(crops: list[FloatImage]) -> None:
    torch.manual_seed(5)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    train_upsampler("shuffle", [(crops[0], crops[0])], seed=0, steps=1, patch=32)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_a_clip_has_all_frames_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    # Large frames with noise and motion: small smooth ones leave the encoder nothing to decide.
    rng = np.random.default_rng(1)
    still = rng.integers(0, 60, (288, 320, 3))
    moving = [np.roll(still, 3 * number, axis=1).astype(np.uint8) + 40 * (number % 2) for number in range(6)]
    clips = set()
    for _ in range(6):
        filler = np.full(int(rng.integers(400_000)), rng.random())  # so that memory lies elsewhere each time
        write_clip(tmp_path / "sub/clip.mp4", [frame.astype(np.uint8) for frame in moving])
        del filler
        clips.add((tmp_path / "sub/clip.mp4").read_bytes())
    assert len(clips) == 1
    with av.open(str(tmp_path / "sub/clip.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.average_rate) == (320, 288, RATE)
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(decoded) == 6
    assert abs(decoded[5].mean() - moving[5].mean()) < 2


def test_photographs_come_from_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the demo asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    photograph.cache_clear()
    for name in PHOTOGRAPHS:
        picture = photograph(name)
        assert picture.shape[2] == 3
        assert 0 <= picture.min() < picture.max() <= 1

from pathlib import Path

import av
import numpy as np

from fakeforensics.demo.clips import RATE, draw_motion, write_clip
from fakeforensics.demo.pose import View


def frames(count: int) -> list[np.ndarray]:
    ramp = np.linspace(0, 200, 64 * 48 * 3).reshape(48, 64, 3)
    return [(ramp + 5 * number).astype(np.uint8) for number in range(count)]


def test_a_head_moves_a_little_from_frame_to_frame(rng: np.random.Generator) -> None:
    views = draw_motion(rng, View(), 24)
    yaw = np.array([view.yaw for view in views])
    assert len(views) == 24
    assert 1 < np.ptp(yaw) <= 18  # an amplitude of 4.5 to 9 degrees, either way
    assert np.abs(np.diff(yaw)).max() < 9 * 2 * np.pi / RATE  # at most one swing a second
    assert len({view.light_from for view in views}) > 1
    assert all(-1 <= view.smile <= 1 for view in views)


def test_a_clip_has_all_frames_at_its_size_and_rate(tmp_path: Path) -> None:
    write_clip(tmp_path / "sub/clip.mp4", frames(10))
    with av.open(str(tmp_path / "sub/clip.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (64, 48)
        assert stream.average_rate == RATE
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(decoded) == 10
    assert np.abs(decoded[9].astype(int) - frames(10)[9]).mean() < 5


def test_coding_the_same_frames_gives_the_same_bytes(tmp_path: Path, rng: np.random.Generator) -> None:
    # Large frames with noise and motion: small smooth ones leave the encoder nothing to decide.
    still = rng.integers(0, 60, (288, 320, 3))
    moving = [np.roll(still, 3 * number, axis=1).astype(np.uint8) + 40 * (number % 2) for number in range(6)]
    clips = set()
    for _ in range(6):
        rubbish = np.full(int(rng.integers(400_000)), rng.random())
        write_clip(tmp_path / "clip.mp4", [frame.astype(np.uint8) for frame in moving])
        del rubbish
        clips.add((tmp_path / "clip.mp4").read_bytes())
    assert len(clips) == 1

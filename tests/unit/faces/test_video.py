from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeforensics.faces.display import convert
from fakeforensics.faces.video import Frame, UnreadableError, open_clip, spread_frames

from .conftest import numbered, portrait, write_video


def test_frames_are_the_middles_of_equal_parts():
    # 100 frames in 4 parts of 25: middles 12.5, 37.5, … floored.
    assert spread_frames(100, 4) == [12, 37, 62, 87]
    assert spread_frames(3, 32) == [0, 1, 2]


@given(st.integers(1, 10_000), st.integers(1, 64))
def test_spread_frames_are_distinct_and_cover_the_whole_clip(count, wanted):
    frames = spread_frames(count, wanted)
    assert len(frames) == min(count, wanted)
    assert all(0 <= a < b < count for a, b in pairwise(frames))
    longest_gap = -(-count // len(frames))
    assert frames[0] <= longest_gap
    assert count - 1 - frames[-1] <= longest_gap


def test_at_a_variable_rate_frames_are_spread_over_time():
    # 90 frames in the first 3 seconds, then one a second for 30: 33 seconds and 120 frames, whose last one is
    # shown for the average of 32 / 119 seconds. Of 32 parts of about a second, 3 are in the first 3 seconds.
    times = [number / 30 for number in range(90)] + [3.0 + number for number in range(30)]
    frames = spread_frames(120, 32, times)
    assert sum(frame < 90 for frame in frames) == 3
    assert frames[:3] == [15, 45, 75]


def test_at_a_constant_rate_in_rounded_milliseconds_frames_are_those_of_equal_numbers():
    times = [round(1000 * number / 30) for number in range(300)]
    assert spread_frames(300, 32, times) == spread_frames(300, 32)


def test_a_clock_that_jumps_does_not_count_as_a_pause():
    # 60 frames, an hour's jump, 60 frames: of 8 parts, 4 lie on each side, as without the jump.
    times = [40 * number for number in range(60)] + [3_600_000 + 40 * number for number in range(60, 120)]
    assert spread_frames(120, 8, times) == [7, 22, 37, 52, 67, 82, 97, 112] == spread_frames(120, 8)


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=200), st.integers(1, 64))
def test_at_any_rate_frames_are_distinct_and_ascend(steps, wanted):
    times = np.cumsum(steps).tolist()
    frames = spread_frames(len(times), wanted, times)
    assert len(frames) == min(len(times), wanted)
    assert all(a < b for a, b in pairwise(frames))
    assert 0 <= frames[0] <= frames[-1] < len(times)


def brightness(path, frames):
    with open_clip(path) as clip:
        return {item.number: item.gray.mean() for item in clip.frames(frames)}


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize(
    "options",
    [{"g": "10", "bf": "3"}, {"g": "250", "bf": "8", "x264-params": "open-gop=1:keyint=20"}, {"bf": "0"}],
)
def test_the_frames_asked_for_come_out_exactly(tmp_path, suffix, options):
    frames = [np.roll(portrait(96), 3 * number, axis=1) for number in range(60)]
    path = write_video(tmp_path / f"a.{suffix}", frames, **options)
    with av.open(str(path)) as container:
        everything = [convert(frame, "rgb24") for frame in container.decode(video=0)]
    with open_clip(path) as clip:
        assert (clip.count, clip.format, clip.chroma) == (60, "H264", "4:2:0")
        for wanted in ([0, 7, 21, 22, 45, 59], [38], list(range(60))):
            found = list(clip.frames(wanted))
            assert [frame.number for frame in found] == wanted
            assert all(np.array_equal(frame.rgb, everything[frame.number]) for frame in found)


def test_a_container_without_times_is_decoded_in_order(tmp_path):
    path = write_video(tmp_path / "a.avi", numbered(20), codec="mpeg4", bf="2")
    found = brightness(path, [3, 11])
    assert found[11] - found[3] == pytest.approx(16 * 219 / 255, abs=3)  # 2 levels per frame, limited range


def test_a_display_rotation_is_applied(tmp_path):
    tall = [np.vstack([np.full((32, 64, 3), 200, np.uint8), np.zeros((64, 64, 3), np.uint8)])] * 5
    path = write_video(tmp_path / "a.mp4", tall, rotation=90)
    with open_clip(path) as clip:
        frame = next(clip.frames([2]))
    with av.open(str(path)) as container:
        turns = round(next(container.decode(video=0)).rotation / 90) % 4
    assert turns in (1, 3)
    assert frame.gray.shape == (64, 96)
    assert np.array_equal(frame.rgb, np.rot90(np.rot90(frame.rgb, -turns), turns))
    bright_left = frame.gray[:, :32].mean() > 150
    assert bright_left == (turns == 1)


CODECS = {
    "libx264": "yuv420p",
    "libx265": "yuv420p10le",
    "libsvtav1": "yuv420p",
    "libvpx": "yuv420p",
    "libvpx-vp9": "yuv444p",
    "mpeg4": "yuv420p",
    "mpeg2video": "yuv422p",
    "mjpeg": "yuvj420p",
    "prores": "yuv422p10le",
    "ffv1": "gray",
    "qtrle": "argb",
}


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_gives_the_frames_asked_for(tmp_path, codec):
    frames = [np.roll(portrait(96), 3 * number, axis=1) for number in range(24)]
    options = {"libx265": {"x265-params": "log-level=none"}, "libsvtav1": {"preset": "12"}}
    b_frames = {"bf": "2"} if codec.startswith("mpeg") else {}
    path = tmp_path / ("a.mov" if codec == "qtrle" else "a.mkv")
    write_video(path, frames, codec, pix_fmt=CODECS[codec], **options.get(codec, {}), **b_frames)
    with av.open(str(path)) as container:
        everything = [convert(frame, "rgb24") for frame in container.decode(video=0)]
    wanted = [0, 1, 5, 12, 22, 23]
    with open_clip(path) as clip:
        found = list(clip.frames(wanted))
    assert [frame.number for frame in found] == wanted
    assert all(np.array_equal(frame.rgb, everything[frame.number]) for frame in found)


def test_what_a_clip_states_about_its_coding(tmp_path):
    path = write_video(
        tmp_path / "a.mp4", numbered(6), aspect=Fraction(4, 3), color_trc=18, color_primaries=9
    )
    with open_clip(path) as clip:
        assert (clip.format, clip.profile, clip.chroma) == ("H264", "High", "4:2:0")
        assert (clip.transfer, clip.primaries) == ("arib-std-b67", "bt2020")
        assert (clip.pixel_aspect, clip.rate, clip.count) == (Fraction(4, 3), 25, 6)
        frame = next(clip.frames([2]))
    assert frame.gray.shape == (64, 85)  # 64 · 4/3, rounded
    assert frame.rgb.shape == (64, 85, 3)
    plain = write_video(tmp_path / "b.mp4", numbered(6))
    with open_clip(plain) as clip:
        assert (clip.transfer, clip.primaries, clip.pixel_aspect) == ("", "", 1)


def test_pixels_of_an_absurd_shape_are_refused(tmp_path):
    path = write_video(tmp_path / "a.mp4", numbered(6), aspect=Fraction(20, 1))
    with pytest.raises(UnreadableError, match="20 times as wide"), open_clip(path):
        pass


def test_an_avi_with_frames_left_out_is_whole_and_a_cut_one_is_not(tmp_path):
    path = tmp_path / "a.avi"
    write_video(path, [np.roll(portrait(96), 3 * n, axis=1) for n in range(40)], "mpeg4", skip=range(10, 16))
    with open_clip(path) as clip:
        assert clip.count == 34
        assert [frame.number for frame in clip.frames([0, 9, 10, 33])] == [0, 9, 10, 33]
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(UnreadableError, match="truncated"), open_clip(path):
        pass


def test_damaged_frames_are_named(tmp_path):
    path = write_video(tmp_path / "a.mkv", [np.roll(portrait(96), n, axis=1) for n in range(30)], g="10")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    path.write_bytes(data)
    with open_clip(path) as clip:
        items = list(clip.frames(range(clip.count)))
    assert len(items) == clip.count
    assert any(isinstance(item, Frame) for item in items)


@pytest.mark.parametrize("kept", [0.3, 0.7])
def test_a_truncated_mp4_is_refused(tmp_path, kept):
    path = write_video(tmp_path / "a.mp4", [np.roll(portrait(96), n, axis=1) for n in range(30)])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(UnreadableError, match="not a video"), open_clip(path):
        pass


def test_a_truncated_mp4_whose_index_comes_first_is_refused(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width = stream.height = 96
        for number in range(40):
            frame = av.VideoFrame.from_ndarray(np.roll(portrait(96), 5 * number, axis=0), format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableError, match=r"truncated: \d+ of 40 frames|damaged"), open_clip(path):
        pass


def audio(path):
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        out.mux(stream.encode(frame))
        out.mux(stream.encode())


def test_files_that_are_no_video(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("<html>404</html>" * 100)
    audio(tmp_path / "audio.mp4")
    for name, reason in (("empty", "empty file"), ("text", "not a video"), ("audio", "no video stream")):
        with pytest.raises(UnreadableError, match=reason), open_clip(tmp_path / f"{name}.mp4"):
            pass


@pytest.mark.parametrize("name", ["a b.mp4", "http:x.mp4", "100%03d.mp4", "line\nbreak.mp4", "caf\udce9.mp4"])
def test_any_file_name(tmp_path, name):
    plain = write_video(tmp_path / "plain.mp4", numbered(5))
    plain.rename(tmp_path / name)
    assert len(brightness(tmp_path / name, [0, 4])) == 2

"""Frames and crops against the RGB that the program ffmpeg makes of the same files."""

import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fakeforensics.faces.extract import FaceExtractor, WorkItem
from fakeforensics.faces.results import MemoryStore, stored_pixels
from fakeforensics.faces.video import open_clip

from .conftest import portrait, write_video

FFMPEG = shutil.which("ffmpeg")
pytestmark = pytest.mark.skipif(FFMPEG is None, reason="the program ffmpeg is not installed")
# Mean difference in gray levels. ffmpeg's quick conversion repeats each chroma sample for two pixels, ours
# interpolates between them.
LEVELS = 2.0
SIZE = (360, 480)  # height and width


def ffmpeg(*arguments):
    command = [FFMPEG, "-hide_banner", "-loglevel", "error", "-y", "-threads", "1", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True).stdout


def reference(path, height, width):
    """All frames as ffmpeg shows them: turned, with square pixels, each once."""
    shown = f"scale={width}:{height},setsar=1"
    data = ffmpeg(
        "-i", path, "-vf", shown, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"
    )
    return np.frombuffer(data, np.uint8).reshape(-1, height, width, 3)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """24 frames of a face that moves, 480x360."""
    wide = np.zeros((*SIZE, 3), np.uint8) + np.uint8(90)
    wide[:, 60:420] = portrait(360)
    frames = [np.roll(wide, 2 * number, axis=1) for number in range(24)]
    return write_video(tmp_path_factory.mktemp("base") / "base.mp4", frames, qp="0", g="12", bf="2")


X264 = ("-c:v", "libx264", "-preset", "veryfast", "-qp", "0")  # lossless
STORED = {
    "full range": (".mp4", "-vf", "scale=out_range=pc", *X264, "-pix_fmt", "yuvj420p"),
    "bt709": (".mp4", "-vf", "scale=out_color_matrix=bt709", *X264, "-colorspace", "bt709"),
    "4:2:2": (".mp4", *X264, "-pix_fmt", "yuv422p"),
    "4:4:4": (".mp4", *X264, "-pix_fmt", "yuv444p"),
    "10 bits": (".mp4", *X264, "-pix_fmt", "yuv420p10le"),
    "gray": (".mkv", *X264, "-pix_fmt", "gray"),
    "rgb": (".mkv", "-c:v", "ffv1", "-pix_fmt", "bgr0"),
    "alpha": (".mov", "-c:v", "qtrle", "-pix_fmt", "argb"),
    "interlaced": (".mp4", *X264, "-flags", "+ildct+ilme"),
    "transport stream": (".ts", *X264),
    "mpeg2": (".mpg", "-c:v", "mpeg2video", "-q:v", "2", "-bf", "2"),
    "avi with b-frames": (".avi", "-c:v", "copy"),
    "negative times": (".mkv", *X264, "-output_ts_offset", "-0.5"),
    "wide pixels": (".mp4", "-vf", "scale=360:360,setsar=4/3", *X264),
    "tall pixels": (".mkv", "-vf", "scale=480:180,setsar=1/2", *X264),
    "odd sides": (".mkv", "-vf", "crop=479:359:0:0", "-c:v", "ffv1"),
}


# Other pixels in the gray that faces are sought in: landmarks move by a fraction of a pixel, and crops with
# them.
MOVED = {"bt709", "10 bits", "rgb", "alpha", "mpeg2", "wide pixels", "tall pixels", "odd sides"}
MOVED_LEVELS = 6.0


@pytest.fixture(scope="module")
def extractor(params):
    return FaceExtractor(params.model_copy(update={"frames_per_video": 6, "size": 256}))


def differences(found, expected):
    """Mean difference of each crop in gray levels, ascending."""
    return sorted(float(np.abs(a - b).mean()) for a, b in zip(found, expected, strict=True))


def crops(extractor, path):
    store = MemoryStore()
    (found,) = extractor.extract([WorkItem(path, "video", "faces")], [store])
    assert not found.rejections, found.rejections
    return found, [stored_pixels(store[crop.stored.name]).astype(int) for crop in found.crops]


@pytest.fixture(scope="module")
def plain(extractor, base):
    """What the plain clip gives, and its crops."""
    return crops(extractor, base)


@pytest.mark.parametrize("name", STORED)
def test_frames_are_what_ffmpeg_shows_and_crops_those_of_the_plain_clip(
    base, plain, tmp_path, extractor, name
):
    suffix, *how = STORED[name]
    path = tmp_path / f"a{suffix}"
    ffmpeg("-i", base, *how, path)
    with open_clip(path) as clip:
        assert clip.count == 24
        ours = list(clip.frames(range(0, 24, 5)))
    theirs = reference(path, *ours[0].gray.shape)
    assert len(theirs) == 24
    for frame in ours:
        assert np.abs(frame.rgb.astype(int) - theirs[frame.number]).mean() <= LEVELS, frame.number
    _, expected = plain
    _, found = crops(extractor, path)
    assert len(found) == len(expected) == 6
    if name != "gray":
        assert differences(found, expected)[3] <= (MOVED_LEVELS if name in MOVED else LEVELS)


# How pixels are stored, so that a display matrix must undo it: rotations by ffmpeg's filters, and the
# matrix (a, b, c, d) that its muxer cannot write but a patch of the file can.
TURNED = {
    (1, 0, 0, 1): "null",
    (-1, 0, 0, 1): "hflip",
    (-1, 0, 0, -1): "hflip,vflip",
    (1, 0, 0, -1): "vflip",
    (0, 1, 1, 0): "transpose=0",
    (0, 1, -1, 0): "transpose=2",
    (0, -1, -1, 0): "transpose=3",
    (0, -1, 1, 0): "transpose=1",
}


def set_matrix(path: Path, a, b, c, d):
    """Write a display matrix into the track header of an MP4 file."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4
    place += 40 if data[place] == 0 else 52  # version 1 has longer times
    for position, value in zip((0, 4, 12, 16), (a, b, c, d), strict=True):
        data[place + position : place + position + 4] = (value << 16).to_bytes(4, "big", signed=True)
    path.write_bytes(data)


@pytest.mark.parametrize("matrix", TURNED)
def test_all_eight_orientations_give_the_crops_of_the_plain_clip(base, plain, tmp_path, extractor, matrix):
    path = tmp_path / "a.mp4"
    ffmpeg("-i", base, "-vf", TURNED[matrix], *X264, path)
    set_matrix(path, *matrix)
    with open_clip(path) as clip:
        ours = list(clip.frames([3, 20]))
    theirs = reference(path, *SIZE)
    for frame in ours:
        assert frame.gray.shape == SIZE
        assert np.abs(frame.rgb.astype(int) - theirs[frame.number]).mean() <= LEVELS
    of_plain, expected = plain
    extraction, found = crops(extractor, path)
    assert (extraction.metadata.width, extraction.metadata.height) == SIZE[::-1]
    for one, other, a, b in zip(extraction.crops, of_plain.crops, found, expected, strict=True):
        assert np.abs(a - b).mean() <= LEVELS
        assert np.allclose(one.box, other.box, atol=3)  # in displayed pixels


def joined(tmp_path, base, change, suffix=".webm"):
    """Two halves of the clip in one stream, the second one changed."""
    quick = ("-deadline", "realtime", "-cpu-used", "8")
    vp8 = ("-c:v", "libvpx", *quick, "-b:v", "4M", "-g", "12", "-auto-alt-ref", "0")
    ffmpeg("-i", base, "-frames:v", "12", *vp8, tmp_path / "a.webm")
    ffmpeg("-ss", "0.48", "-i", base, "-vf", change, *vp8, tmp_path / "b.webm")
    (tmp_path / "list.txt").write_text("file a.webm\nfile b.webm\n")
    ffmpeg("-f", "concat", "-i", tmp_path / "list.txt", "-c", "copy", tmp_path / f"ab{suffix}")
    return tmp_path / f"ab{suffix}"


@pytest.mark.parametrize("change", ["scale=240:180", "scale=960:720"])
def test_a_clip_whose_frames_change_their_size_gives_crops_of_both(base, plain, tmp_path, extractor, change):
    path = joined(tmp_path, base, change)
    with open_clip(path) as clip:
        shapes = [frame.gray.shape for frame in clip.frames([0, 11, 12, 23])]
    assert shapes[0] == shapes[1] == SIZE
    assert shapes[2] == shapes[3] != SIZE
    found, pictures = crops(extractor, path)
    _, expected = plain
    assert [crop.frame for crop in found.crops] == [2, 6, 10, 14, 18, 22]
    assert {crop.track for crop in found.crops} == {0}
    assert differences(pictures, expected)[-1] <= 12  # VP8 is lossy, and one half is interpolated
    assert (found.metadata.width, found.metadata.height) == SIZE[::-1]


def test_a_variable_rate_is_sampled_over_its_time(base, tmp_path, extractor):
    # The second half of the frames takes five times as long.
    path = tmp_path / "a.mkv"
    slowed = "setpts='if(lt(N,12),N,12+(N-12)*5)/25/TB'"
    ffmpeg("-i", base, "-vf", slowed, "-fps_mode", "passthrough", "-c:v", "ffv1", path)
    found, _ = crops(extractor, path)
    frames = [crop.frame for crop in found.crops]
    # 12 + 12 · 5 = 72 units: parts of about 12, the first of which is the first half
    assert sum(frame < 12 for frame in frames) == 1
    assert all(a < b for a, b in pairwise(frames))


def test_an_edit_list_hides_the_frames_before_its_start(base, tmp_path):
    path = tmp_path / "a.mp4"
    # frame 12 is a key frame; the cut at frame 15 keeps 12 … 14 as hidden references
    ffmpeg("-ss", "0.6", "-i", base, "-c", "copy", path)
    theirs = reference(path, *SIZE)
    with open_clip(path) as clip:
        assert clip.count == len(theirs) == 9
        for frame in clip.frames([0, 4, 8]):
            assert np.abs(frame.rgb.astype(int) - theirs[frame.number]).mean() <= LEVELS

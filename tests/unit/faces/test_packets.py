from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

from fakeforensics.faces.display import convert
from fakeforensics.faces.packets import Packet, average_rate, distinct, is_hidden, needed
from fakeforensics.faces.video import UnreadableError, open_clip

from .conftest import portrait, write_video
from .streams import combed, repeat_frames, write_fields


def test_only_groups_with_a_wanted_frame_are_decoded():
    # I0 P2 b1 | I3 P5 b4 | I6: a frame of the second group needs that group alone, up to itself.
    packets = [Packet(0, True), Packet(2, False), Packet(1, False)]
    packets += [Packet(3, True), Packet(5, False), Packet(4, False), Packet(6, True)]
    assert needed(packets, {5}) == [False, False, False, True, True, False, False]


def test_a_frame_shown_before_its_key_frame_needs_the_group_before():
    # Open group: b5 follows I6 in the file, is shown before it and refers to both.
    packets = [Packet(0, True), Packet(3, False), Packet(6, True), Packet(5, False)]
    assert needed(packets, {5}) == [True, True, True, True]


def test_a_key_frame_that_is_wanted_as_well_does_not_cut_off_the_group_before():
    # Decoding order: key 0, frames 1 and 2, key 4, then frame 3, which is shown before key 4 and may refer to
    # the group before it.
    packets = [Packet(0, True), Packet(1, False), Packet(2, False), Packet(4, True), Packet(3, False)]
    assert needed(packets, {3, 4}) == [True] * 5
    assert needed(packets, {4}) == [False, False, False, True, False]


def test_times_count_only_if_all_are_known_and_different():
    assert distinct([30, 10, 20]) == [10, 20, 30]
    assert distinct([10, None, 20]) is None
    assert distinct([10, 10, 20]) is None


def test_a_rate_of_one_frame_per_unit_of_time_is_not_believed():
    # A DV file is said to have 60,000 frames a second, which is its clock.
    stream = SimpleNamespace(
        average_rate=Fraction(60_000), time_base=Fraction(1, 60_000), guessed_rate=Fraction(25)
    )
    assert average_rate(stream) == 25
    stream.average_rate = Fraction(30_000, 1001)
    assert average_rate(stream) == pytest.approx(29.97, abs=0.001)
    stream.average_rate = stream.guessed_rate = None
    assert average_rate(stream) == 0


# The first byte from its lowest bit: 0 for a key frame, three bits of the version, 1 for a shown frame.
@pytest.mark.parametrize(("first", "hidden"), [(0x10, False), (0x11, False), (0x01, True), (0x07, True)])
def test_a_vp8_packet_says_whether_it_is_shown(first, hidden):
    def stream(name):
        return SimpleNamespace(codec_context=SimpleNamespace(name=name))

    assert is_hidden(stream("vp8"), bytes([first, 0])) == hidden
    assert not is_hidden(stream("vp9"), bytes([first, 0]))


def decoded(path):
    with av.open(str(path)) as container:
        return [convert(frame, "rgb24") for frame in container.decode(video=0)]


def moving(count, height=96, width=96):
    return [np.roll(portrait(max(height, width))[:height, :width], 3 * n, axis=1) for n in range(count)]


@pytest.mark.parametrize(
    ("suffix", "together"),
    [(".ts", False), (".mkv", False), (".mkv", True), (".mp4", False), (".mp4", True), (".avi", False)],
)
def test_two_fields_make_one_frame_whether_in_one_packet_or_two(tmp_path, suffix, together):
    frames = combed(moving(12))
    path = write_fields(tmp_path / f"a{suffix}", frames, together)
    with open_clip(path) as clip:
        assert clip.count == 12
        found = list(clip.frames([0, 1, 5, 11]))
    assert [frame.number for frame in found] == [0, 1, 5, 11]
    everything = decoded(path)
    for frame in found:
        assert np.array_equal(frame.rgb, everything[frame.number])
        # both fields are there: only the sampling of chroma is lost
        assert np.abs(frame.gray.astype(int) - frames[frame.number] @ [0.299, 0.587, 0.114]).mean() < 3


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv"])
def test_mpeg4_packets_that_repeat_a_frame_are_no_frames(tmp_path, suffix):
    source = write_video(tmp_path / "source.mp4", moving(24), "mpeg4", bf="0")
    path = repeat_frames(source, tmp_path / f"a{suffix}", {2, 3, 9, 17})
    everything = decoded(path)
    assert len(everything) == 20
    with open_clip(path) as clip:
        assert clip.count == 20
        for frame in clip.frames([0, 2, 3, 19]):
            assert np.array_equal(frame.rgb, everything[frame.number])


def test_fields_that_the_decoder_gives_as_frames_are_refused(tmp_path):
    fields = [frame[parity::2] for frame in moving(6, 192, 96) for parity in (0, 1)]
    options = {"x265-params": "log-level=none:interlace=tff"}
    path = write_video(tmp_path / "a.mp4", fields, "libx265", preset="ultrafast", **options)
    with open_clip(path) as clip:
        (_, error), *_ = clip.frames([3])
    assert isinstance(error, UnreadableError)
    assert "interlaced HEVC" in str(error)


@pytest.mark.parametrize(("matrix", "name"), [("YCgCo", "YCgCo"), ("bt2020c", "constant luminance")])
def test_colors_that_ffmpeg_cannot_convert_are_refused_frame_by_frame(tmp_path, matrix, name):
    path = write_video(tmp_path / "a.mp4", moving(3), **{"x264-params": f"colormatrix={matrix}"})
    with open_clip(path) as clip:
        found = list(clip.frames([0, 2]))
    assert [number for number, _ in found] == [0, 2]
    assert all(name in str(error) for _, error in found)


def test_a_file_of_which_nothing_decodes_is_refused(tmp_path):
    path = write_fields(tmp_path / "a.ts", moving(3))
    # Without the sequence's parameters, the fields mean nothing.
    with av.open(str(path.with_suffix(".h264"))) as source:
        data = [bytes(packet) for packet in source.demux(video=0) if packet.size]
    path.with_suffix(".h264").write_bytes(b"".join(data).replace(b"\0\0\0\1\x67", b"\0\0\0\1\x6c"))
    with pytest.raises(UnreadableError, match="no frame decodes"), open_clip(path.with_suffix(".h264")):
        pass


def test_the_number_in_an_ivf_header_is_not_believed(tmp_path):
    path = write_video(tmp_path / "a.ivf", moving(5), "libvpx")
    data = bytearray(path.read_bytes())
    data[24:28] = (2400).to_bytes(4, "little")  # ffmpeg 5.1 writes a duration here
    path.write_bytes(data)
    with open_clip(path) as clip:
        assert clip.count == 5


def test_pixels_that_do_not_convert_are_the_reason_for_this_file_alone(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mkv", moving(3), "ffv1", pix_fmt="bgr0")

    def fail(*_, **__):
        raise av.error.OSError(95, "Operation not supported")

    monkeypatch.setattr("fakeforensics.faces.display.convert", fail)
    with open_clip(path) as clip:
        assert all("does not convert" in str(error) for _, error in clip.frames([0, 2]))

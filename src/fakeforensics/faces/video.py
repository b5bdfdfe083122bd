"""Decodes chosen frames of a clip exactly, with as few other frames as the codec allows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import accumulate, chain, pairwise
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorTrc
from jaxtyping import UInt8

from fakeforensics.faces.display import (
    luminance,
    matrix_orientation,
    rgb,
    square_size,
    squared,
    unknown_matrix,
    upright,
)
from fakeforensics.faces.packets import (
    Packet,
    average_rate,
    distinct,
    is_hidden,
    may_hold_fields,
    may_repeat,
    needed,
    stated,
)

Gray = UInt8[np.ndarray, "height width"]
Rgb = UInt8[np.ndarray, "height width 3"]
# Two copies of a frame's pixels are in memory while decoding: with 50 megapixels a worker stays below 600 MB.
MAX_PIXELS = 50_000_000
# A file counts as truncated if more than this share of the frames in its index is missing.
_MISSING_TOLERATED = 0.05
_USUAL_RATE = 25  # frames per second that are assumed if a clip states no rate
# Packets of clips up to this size stay in memory between counting and decoding.
_KEPT_BYTES = 16 * 2**20
# For these codecs FFmpeg's own decoders check for each packet whether to skip unreferenced frames; libraries
# such as libdav1d check it only once.
_SKIPPING = frozenset(["h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "vp8", "vp9"])
# A rate is constant if the steps between frames differ from the median by at most this share; containers that
# count milliseconds vary by less.
_STEADY = 0.5
_LONGEST_STEP = 250
_PIXELS_PER_BYTE = 54
# Pixels that are more than this times as wide as high, or the reverse, are a fault of the file.
_MOST_ASPECT = 8
# Containers whose index has the number of frames. In IVF files this number has no fixed meaning.
_COUNTING = ("mov", "avi")
_SAMPLINGS = {"nv12": "4:2:0", "420": "4:2:0", "422": "4:2:2", "444": "4:4:4", "411": "4:1:1", "440": "4:4:0"}


class UnreadableError(Exception):
    """A raw file, or one frame of it, that cannot be used; the message is the reason given to the user."""


class Frame:
    """The pixels of one upright frame or still.

    Args:
        gray: Grayscale pixels, 8-bit, for the search for faces.
        rgb: Makes the color pixels when they are first needed; most of the search does not need them.
        number: Number from 0 in display order; -1 for a still.
        seconds: Time since the clip's start in seconds; 0 for a still.
    """

    def __init__(self, gray: Gray, rgb: Callable[[], Rgb], number: int = -1, seconds: float = 0.0) -> None:
        self.gray = gray
        self.number = number
        self.seconds = seconds
        self._make_rgb = rgb
        self._rgb: Rgb | None = None

    @property
    def rgb(self) -> Rgb:
        """Color pixels, 8-bit RGB, contiguous in memory."""
        if self._rgb is None:
            self._rgb = np.ascontiguousarray(self._make_rgb())
        return self._rgb


def spread_frames(count: int, wanted: int, times: Sequence[float] | None = None) -> list[int]:
    """Choose frames of a clip that are evenly spread over its time: the middles of equal parts.

    At a constant frame rate these are the middles of equal numbers of frames. At a variable rate they are the
    frames that are shown at the middles of equal parts of the duration. If one frame is shown in several of
    these parts, its neighbors are chosen for the other parts. A step of more than 250 times the median step
    counts as a fault of the clock.

    Args:
        count: Number of frames of the clip.
        wanted: Maximum number of frames to choose.
        times: Display time of each frame, ascending, in any unit; None if not known.

    Returns:
        Numbers of the chosen frames, ascending.
    """
    wanted = min(count, wanted)
    steps = [] if times is None else [after - before for before, after in pairwise(times)]
    usual = median(steps) if steps else 0
    if count <= wanted or all(abs(step - usual) <= _STEADY * usual for step in steps):
        return [(2 * part + 1) * count // (2 * wanted) for part in range(wanted)]
    starts = [0, *accumulate(step if step <= _LONGEST_STEP * usual else usual for step in steps)]
    length = starts[-1] * count / (count - 1)  # assumes that the last frame is shown as long as the average
    chosen: list[int] = []
    for part in range(wanted):
        shown = bisect_right(starts, (2 * part + 1) * length / (2 * wanted)) - 1
        after = chosen[-1] + 1 if chosen else 0
        chosen.append(min(max(shown, after), count - wanted + part))
    return chosen


class Clip:
    """An opened video whose frames are numbered in display order.

    Args:
        container: The opened PyAV container.
        path: Its file, for reopening.

    Attributes:
        count: Number of frames.
        times: When each frame is shown, in display order and in the stream's units; None if it is not known.
        pixels: Number of pixels per displayed frame, of the size that the file states.
        format: The codec's name, upper case.
        chroma: Chroma sampling, "4:2:0" …, or "".
        profile: The codec's profile, or "".
        transfer: The transfer function, as FFmpeg names it; "" if none is stated.
        primaries: The color primaries, likewise.
        pixel_aspect: Width to height of a stored pixel.
        rate: Frames per second, on average.
        work: What decoding all frames costs, in pixels of an easy clip, where a byte costs as much as 54.
    """

    def __init__(self, container: Any, path: Path) -> None:
        self._container = container
        self._stream = _video_stream(container)
        self._path = path
        self._packets: list[Packet] = []
        self._kept: list[Any] | None = []
        coded_bytes = 0
        uncertain = False  # whether only decoding tells how many frames there are
        self._last_unit = 0
        # Read before the packets, because libavformat changes it while it reads them.
        self._declared_duration = self._stream.duration or 0
        for packet in _packets(container, self._stream):
            self._last_unit = max(self._last_unit, packet.dts or 0)
            shown = not packet.is_discard and not is_hidden(self._stream, packet)
            uncertain = uncertain or may_repeat(self._stream, packet)
            self._packets.append(Packet(packet.pts, packet.is_keyframe, shown))
            coded_bytes += packet.size
            if coded_bytes > _KEPT_BYTES:
                self._kept = None
            if self._kept is not None:
                self._kept.append(packet)
        self.count = sum(packet.shown for packet in self._packets)
        if self.count == 0:
            raise UnreadableError("no video frame in the file")
        self._check_whole()
        # AVI has no display times, and the times that libavformat invents differ from those of the decoder.
        has_times = container.format.name != "avi"
        self.times = distinct(packet.time for packet in self._packets if packet.shown) if has_times else None
        self._decodes_all = self.times is None
        if uncertain or may_hold_fields(self._stream) or (has_times and self.times is None):
            decoded = [frame.pts for _, frame in self._by_order()]
            if len(decoded) != self.count:
                self.count, self._decodes_all = len(decoded), True
                self.times = distinct(decoded) if has_times else None
            if self.count == 0:
                raise UnreadableError("no frame decodes")
        self.pixel_aspect = _pixel_aspect(self._stream)
        width, height = square_size(self._stream.width, self._stream.height, self.pixel_aspect)
        self.pixels = width * height
        # Within a fifth of the times of eight H.264 clips of 360p to 1080p.
        self.work = self.count * self.pixels + _PIXELS_PER_BYTE * coded_bytes
        _check_size(width, height)
        self.rate = average_rate(self._stream)
        codec = self._stream.codec_context
        self.format = str(codec.codec.canonical_name).upper()
        name = codec.pix_fmt or ""
        self.chroma = next((value for key, value in _SAMPLINGS.items() if key in name), "")
        self.profile = codec.profile or ""
        self.transfer = stated(ColorTrc, codec.color_trc)
        self.primaries = stated(ColorPrimaries, codec.color_primaries)

    def _check_whole(self) -> None:
        """Refuse a file whose end is missing.

        In AVI, a frame that repeats the previous frame is an empty chunk. It counts as a unit of time but
        gives no packet.

        Raises:
            UnreadableError: If frames are missing.
        """
        declared, found = self._stream.frames, len(self._packets)
        if not self._container.format.name.startswith(_COUNTING):
            return
        if self._container.format.name == "avi":
            found = max(found, self._last_unit + 1, self._declared_duration)
        if found < declared * (1 - _MISSING_TOLERATED):
            raise UnreadableError(f"truncated: {found} of {declared} frames are there")

    def frames(self, numbers: Sequence[int]) -> Iterator[Frame | tuple[int, UnreadableError]]:
        """Decode chosen frames, upright, in display order.

        Other frames are skipped if no frame refers to them, and so are groups of pictures without a chosen
        frame. The chosen frames are still exact.

        Args:
            numbers: Frame numbers, ascending, each below `count`.

        Yields:
            Each frame, or its number with the reason why it does not decode.
        """
        if self._decodes_all or self.times is None:
            found = self._among(numbers)
        else:
            found = self._by_time(numbers, self.times)
        missing = list(numbers)
        for number, decoded in found:
            while missing and missing[0] < number:
                yield missing.pop(0), UnreadableError("the frame does not decode")
            if missing and missing[0] == number:
                missing.pop(0)
                try:
                    yield self._frame(decoded, number)
                except UnreadableError as error:
                    yield number, error
        for number in missing:
            yield number, UnreadableError("the frame does not decode")

    def _by_time(self, numbers: Sequence[int], times: Sequence[int]) -> Iterator[tuple[int, Any]]:
        wanted: dict[int | None, int] = {times[number]: number for number in numbers}
        fed = needed(self._packets, set(wanted))
        with self._from_start() as (codec, packets):
            skips = codec.name in _SKIPPING
            jumped = False
            for is_fed, packet in zip(fed, packets, strict=False):
                if not is_fed:
                    if not jumped:
                        yield from _known(_decode(codec, None), wanted)
                        jumped = True
                    continue
                if jumped:
                    codec.flush_buffers()
                    jumped = False
                if skips:
                    codec.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
                yield from _known(_decode(codec, packet), wanted)
            if not jumped:
                yield from _known(_decode(codec, None), wanted)

    def _among(self, numbers: Sequence[int]) -> Iterator[tuple[int, Any]]:
        wanted = {*numbers}
        yield from ((number, frame) for number, frame in self._by_order() if number in wanted)

    def _by_order(self) -> Iterator[tuple[int, Any]]:
        with self._from_start() as (codec, packets):
            every = (_decode(codec, packet) for packet in chain(packets, [None]))
            yield from enumerate(chain.from_iterable(every))

    @contextmanager
    def _from_start(self) -> Iterator[tuple[Any, Iterable[Any]]]:
        if self._kept is not None:
            codec = self._stream.codec_context
            if codec.is_open:
                codec.flush_buffers()
            yield codec, self._kept
            return
        with _reopened(self._path) as container:
            stream = _video_stream(container)
            yield stream.codec_context, _packets(container, stream)

    def _frame(self, decoded: Any, number: int) -> Frame:
        # Frames may change their size within a clip.
        _check_size(*square_size(decoded.width, decoded.height, self.pixel_aspect))
        orientation = matrix_orientation(decoded.side_data.get("DISPLAYMATRIX"))
        # Checked here, because colors are converted later.
        if matrix := unknown_matrix(decoded):
            raise UnreadableError(f"colors by the matrix {matrix}, which FFmpeg does not convert to RGB")
        if self.format == "HEVC" and decoded.interlaced_frame:
            raise UnreadableError("interlaced HEVC: each field is a frame of its own, which we do not join")

        def displayed(make: Callable[[Any], np.ndarray]) -> np.ndarray:
            try:
                pixels = make(decoded)
            except av.error.FFmpegError as error:
                raise UnreadableError(f"pixels that FFmpeg does not convert: {error.strerror}") from None
            return upright(squared(pixels, self.pixel_aspect), orientation)

        return Frame(
            displayed(luminance),
            lambda: displayed(rgb),
            number,
            # A frame that is drained at the end of a run has no time base, so the stream's is used.
            float(decoded.pts * self._stream.time_base)
            if decoded.pts is not None
            else number / (self.rate or _USUAL_RATE),
        )


@contextmanager
def open_clip(path: Path) -> Iterator[Clip]:
    """Open a video.

    Raises:
        UnreadableError: If the file is empty, not a video, has no video stream, or is truncated.
        OSError: If the file cannot be read at all.
    """
    if path.stat().st_size == 0:
        raise UnreadableError("empty file")
    with _reopened(path) as container:
        yield Clip(container, path)


@contextmanager
def _reopened(path: Path) -> Iterator[Any]:
    try:
        # A plain path could be taken for a protocol ("a:b.mp4") or a number pattern ("%03d").
        container = av.open(f"file:{path.absolute()}", metadata_errors="replace")
    except av.error.FFmpegError as error:
        if isinstance(error, (av.error.PermissionError, av.error.FileNotFoundError)):
            raise
        raise UnreadableError(f"not a video that FFmpeg reads: {error.strerror}") from None
    with container:
        yield container


def _video_stream(container: Any) -> Any:
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            if stream.codec_context is None:
                raise UnreadableError("no decoder for the video stream")
            if not stream.codec_context.is_open:
                # Files are processed in parallel, one per core. Frame threads would also skip frames too
                # late.
                stream.codec_context.thread_count = 1
                # Some inverse transforms round differently on each processor.
                stream.codec_context.flags |= av.codec.context.Flags.bitexact
            return stream
    raise UnreadableError("no video stream")


def _pixel_aspect(stream: Any) -> Fraction:
    """Ratio of width to height of a stored pixel; 1 if the file states none."""
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    if aspect <= 0:
        return Fraction(1)
    if not 1 / Fraction(_MOST_ASPECT) <= aspect <= _MOST_ASPECT:
        raise UnreadableError(f"pixels that are {aspect} times as wide as high")
    return aspect


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise UnreadableError(f"frames of more than {MAX_PIXELS // 10**6} megapixels")


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except av.error.FFmpegError as error:
        raise UnreadableError(f"damaged video: {error.strerror}") from None


def _decode(codec: Any, packet: Any) -> list[Any]:
    try:
        return list(codec.decode(packet))
    except av.error.FFmpegError:
        return []  # `frames` notices and reports the missing frame


def _known(frames: list[Any], wanted: dict[int | None, int]) -> Iterator[tuple[int, Any]]:
    for frame in frames:
        if frame.pts in wanted:
            yield wanted[frame.pts], frame

"""Frames, and decoding those asked for of a clip: exactly, and as few others as the codec allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from jaxtyping import UInt8

Gray = UInt8[np.ndarray, "height width"]
Rgb = UInt8[np.ndarray, "height width 3"]
# Two copies of a frame's pixels are alive while decoding: 50 megapixels keep a worker under 600 MB.
MAX_PIXELS = 50_000_000
# A file whose index promises this share of frames more than it holds was cut off.
_MISSING_TOLERATED = 0.05
# Packets of clips up to this size are kept from counting the frames until decoding them.
_KEPT_BYTES = 16 * 2**20
_PLANAR = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12", "gray")
_SAMPLINGS = {"nv12": "4:2:0", "420": "4:2:0", "422": "4:2:2", "444": "4:4:4", "411": "4:1:1", "440": "4:4:0"}


class UnreadableError(Exception):
    """A raw file, or one frame of it, that cannot be used; the message is the reason given to the user."""


class Frame:
    """The pixels of one upright frame or still.

    Args:
        gray: Grayscale pixels, in which faces are found.
        rgb: Makes the color pixels when they are first needed; most of a search needs none.
        number: 0-based in display order, -1 for a still.
        seconds: Time since the clip's start; 0 for a still.
    """

    def __init__(self, gray: Gray, rgb: Callable[[], Rgb], number: int = -1, seconds: float = 0.0) -> None:
        self.gray = gray
        self.number = number
        self.seconds = seconds
        self._make_rgb = rgb
        self._rgb: Rgb | None = None

    @property
    def rgb(self) -> Rgb:
        """Color pixels, 8-bit RGB, contiguous."""
        if self._rgb is None:
            self._rgb = np.ascontiguousarray(self._make_rgb())
        return self._rgb


def spread_frames(count: int, wanted: int) -> list[int]:
    """Up to `wanted` of a clip's `count` frames, evenly spread: the middles of equal parts."""
    wanted = min(count, wanted)
    return [(2 * part + 1) * count // (2 * wanted) for part in range(wanted)]


@dataclass(frozen=True)
class Packet:
    """One coded frame, in decoding order."""

    time: int | None  # when it is shown, in the stream's units; None if the container gives none
    key: bool  # whether decoding can start here
    shown: bool = True  # an edit list may hide frames that others refer to


class Clip:
    """An opened video whose frames are numbered in display order.

    Args:
        container: The opened PyAV container.
        path: Its file, for reopening.

    Attributes:
        count: Number of frames.
        pixels: Number of pixels per frame.
        format: The codec's name, upper case.
        chroma: Chroma sampling, "4:2:0" …, or "".
    """

    def __init__(self, container: Any, path: Path) -> None:
        self._container = container
        self._stream = _video_stream(container)
        self._path = path
        self._packets: list[Packet] = []
        self._kept: list[Any] | None = []
        kept_bytes = 0
        for packet in _packets(container, self._stream):
            self._packets.append(Packet(packet.pts, packet.is_keyframe, not packet.is_discard))
            kept_bytes += packet.size
            if kept_bytes > _KEPT_BYTES:
                self._kept = None
            if self._kept is not None:
                self._kept.append(packet)
        declared = self._stream.frames
        self.count = sum(packet.shown for packet in self._packets)
        if self.count == 0:
            raise UnreadableError("no video frame in the file")
        if len(self._packets) < declared * (1 - _MISSING_TOLERATED):
            raise UnreadableError(f"truncated: {len(self._packets)} of {declared} frames are there")
        self.pixels = self._stream.width * self._stream.height
        if self.pixels > MAX_PIXELS:
            raise UnreadableError(f"frames of more than {MAX_PIXELS // 10**6} megapixels")
        self._rate = float(self._stream.average_rate or 25)
        codec = self._stream.codec_context
        self.format = str(codec.name).upper()
        name = codec.pix_fmt or ""
        self.chroma = next((value for key, value in _SAMPLINGS.items() if key in name), "")

    def frames(self, numbers: Sequence[int]) -> Iterator[Frame | tuple[int, UnreadableError]]:
        """Decode the frames asked for, upright, in display order.

        Frames that no other frame refers to are not decoded unless asked for, nor are groups of pictures
        without a frame asked for; the result is exact all the same.

        Args:
            numbers: Ascending, each below `count`.

        Yields:
            Each frame, or its number with the reason why it does not decode.
        """
        times = [packet.time for packet in self._packets if packet.shown]
        exact = None not in times and len(set(times)) == len(times)
        found = self._by_time(numbers) if exact else self._by_order(numbers)
        missing = list(numbers)
        for number, decoded in found:
            while missing and missing[0] < number:
                yield missing.pop(0), UnreadableError("the frame does not decode")
            if missing and missing[0] == number:
                missing.pop(0)
                yield self._frame(decoded, number)
        for number in missing:
            yield number, UnreadableError("the frame does not decode")

    def _by_time(self, numbers: Sequence[int]) -> Iterator[tuple[int, Any]]:
        display = sorted(packet.time for packet in self._packets if packet.shown and packet.time is not None)
        wanted: dict[int | None, int] = {display[number]: number for number in numbers}
        feed = _needed(self._packets, set(wanted))
        with self._from_start() as (codec, packets):
            jumped = False
            for needed, packet in zip(feed, packets, strict=False):
                if not needed:
                    if not jumped:
                        yield from _known(_decode(codec, None), wanted)
                        jumped = True
                    continue
                if jumped:
                    codec.flush_buffers()
                    jumped = False
                codec.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
                yield from _known(_decode(codec, packet), wanted)
            if not jumped:
                yield from _known(_decode(codec, None), wanted)

    def _by_order(self, numbers: Sequence[int]) -> Iterator[tuple[int, Any]]:
        wanted = set(numbers)
        index = 0
        with self._from_start() as (codec, packets):
            for packet in chain(packets, [None]):
                for frame in _decode(codec, packet):
                    if index in wanted:
                        yield index, frame
                    index += 1

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
        turns = round(decoded.rotation / 90) % 4
        if decoded.format.name in _PLANAR:
            plane = decoded.planes[0]
            rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
            gray = rows[: decoded.height, : decoded.width]
        else:
            gray = decoded.to_ndarray(format="gray")
        return Frame(
            np.ascontiguousarray(np.rot90(gray, turns)),
            lambda: np.rot90(decoded.to_ndarray(format="rgb24"), turns),
            number,
            # A frame drained at the end of a run knows no time base.
            float(decoded.pts * self._stream.time_base) if decoded.pts is not None else number / self._rate,
        )


@contextmanager
def open_clip(path: Path) -> Iterator[Clip]:
    """Open a video.

    Raises:
        UnreadableError: If it is empty, no video, without a video stream, or cut off.
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
                # Files are processed in parallel, one per core; and frame threads would skip late.
                stream.codec_context.thread_count = 1
            return stream
    raise UnreadableError("no video stream")


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except av.error.FFmpegError as error:
        raise UnreadableError(f"damaged video: {error.strerror}") from None


def _needed(packets: Sequence[Packet], wanted: set[int | None]) -> list[bool]:
    """Which packets must be decoded so that the frames at the `wanted` times come out exactly."""
    feed = [False] * len(packets)
    keys: list[int] = [0]
    for position, packet in enumerate(packets):
        if packet.key and position:
            keys.append(position)
        if packet.time in wanted:
            # A frame shown before its key frame (an open group) refers to the group before as well.
            start = next((key for key in reversed(keys) if _not_after(packets[key], packet)), 0)
            done = position
            while done >= start and not feed[done]:
                feed[done] = True
                done -= 1
    return feed


def _not_after(key: Packet, packet: Packet) -> bool:
    return key.time is not None and packet.time is not None and key.time <= packet.time


def _decode(codec: Any, packet: Any) -> list[Any]:
    try:
        return list(codec.decode(packet))
    except av.error.FFmpegError:
        return []  # the frame is then missed by `frames`, which reports it


def _known(frames: list[Any], wanted: dict[int | None, int]) -> Iterator[tuple[int, Any]]:
    for frame in frames:
        if frame.pts in wanted:
            yield wanted[frame.pts], frame

"""Reads facts from a video's packets without decoding: display times, and the packets that a frame needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from av.video.reformatter import ColorPrimaries, ColorTrc

_PROGRESSIVE = 1  # libavcodec's AVFieldOrder
_LONGEST_REPETITION = 19  # bytes; FFmpeg's mpeg4_unpack_bframes.c, MAX_NVOP_SIZE


@dataclass(frozen=True)
class Packet:
    """One coded frame, in decoding order."""

    time: int | None  # display time in the stream's units; None if the container states none
    key: bool  # whether decoding can start here
    shown: bool = True  # False if an edit list or the codec hides the frame


def needed(packets: Sequence[Packet], wanted: set[int | None]) -> list[bool]:
    """Which packets must be decoded to get the frames at the `wanted` times exactly."""
    begins = [0] * (len(packets) + 1)  # runs of needed packets that begin here minus those that ended before
    keys: list[int] = [0]
    for position, packet in enumerate(packets):
        if packet.key and position:
            keys.append(position)
        if packet.time in wanted:
            # A frame that is shown before its key frame (an open group) also refers to the previous group.
            start = next((key for key in reversed(keys) if _not_after(packets[key], packet)), 0)
            begins[start] += 1
            begins[position + 1] -= 1
    return [open_runs > 0 for open_runs in accumulate(begins)][: len(packets)]


def _not_after(key: Packet, packet: Packet) -> bool:
    return key.time is not None and packet.time is not None and key.time <= packet.time


def is_hidden(stream: Any, packet: Any) -> bool:
    """Whether a packet holds a frame that is never shown and that other frames refer to.

    VP9 and AV1 store such a frame in one packet with a visible frame.

    Source: RFC 6386 (VP8), section 9.1, the bit `show_frame`.
    """
    return bool(stream.codec_context.name == "vp8" and not bytes(packet)[0] >> 4 & 1)


def may_hold_fields(stream: Any) -> bool:
    """Whether the two fields of a frame may be separate packets, as in H.264 from transport streams."""
    codec = stream.codec_context
    return bool(codec.name == "h264" and codec.field_order != _PROGRESSIVE)


def may_repeat(stream: Any, packet: Any) -> bool:
    """Whether a packet of MPEG-4 may be only a header that means "repeat the last frame" and gives no frame.

    In files with packed B-frames, such a header stands for the frame that was packed into an earlier packet.
    """
    return bool(stream.codec_context.name == "mpeg4" and packet.size <= _LONGEST_REPETITION)


def average_rate(stream: Any) -> float:
    """Frames per second; 0 if unknown."""
    rate = stream.average_rate
    # If a container states no rate, libavformat may report one frame per unit of time.
    if rate is None or rate * stream.time_base == 1:
        rate = stream.guessed_rate
    return float(rate or 0)


def distinct(times: Iterable[int | None]) -> list[int] | None:
    """All times in ascending order; None if a time is unknown or two are equal."""
    every = list(times)
    known = {time for time in every if time is not None}
    return sorted(known) if len(known) == len(every) else None


def stated(names: type[ColorTrc] | type[ColorPrimaries], value: int) -> str:
    """FFmpeg's name of a color property; "" if it is not specified, its number if PyAV has no name for it."""
    try:
        name = names(value).name
    except ValueError:
        return "" if value == 0 else str(value)
    return "" if name == "UNSPECIFIED" else name.lower().replace("_", "-")

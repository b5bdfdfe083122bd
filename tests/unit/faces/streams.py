"""Streams that PyAV's encoders do not write: H.264 with a packet per field, MPEG-4 that repeats frames."""

from fractions import Fraction
from itertools import pairwise

import av
import numpy as np


def _golomb(value):
    bits = f"{value + 1:b}"
    return "0" * (len(bits) - 1) + bits


def _bytes(bits):
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def _unit(header, bits, body=b""):
    """A unit of H.264's byte stream; without a body, `bits` get their end."""
    bits += "0" * (-len(bits) % 8) if body else "1" + "0" * (-(len(bits) + 1) % 8)
    escaped, zeros = bytearray(), 0
    for byte in _bytes(bits) + body:
        if zeros >= 2 and byte <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return b"\0\0\0\1" + bytes([header]) + bytes(escaped)


def _field(planes, bottom, number):
    """One field of plain samples (I_PCM), coded as a picture of its own."""
    slice_header = _golomb(0) + _golomb(7) + _golomb(0) + "0000" + "1" + str(bottom)
    slice_header += "" if bottom else _golomb(number % 2)
    slice_header += f"{bottom:08b}" + ("0" if bottom else "00") + _golomb(0) + _golomb(1)
    plain = _golomb(25)
    first, body = slice_header + plain, b""
    for row in range(planes[0].shape[0] // 16):
        for column in range(planes[0].shape[1] // 16):
            if row or column:
                body += _bytes(plain + "0" * (-len(plain) % 8))
            for plane, side in zip(planes, (16, 8, 8), strict=True):
                block = plane[row * side : (row + 1) * side, column * side : (column + 1) * side]
                body += block.tobytes()
    return _unit(0x61 if bottom else 0x65, first, body + b"\x80")


def field_coded(frames):
    """H.264 whose frames are two separate fields each, without loss but for the sampling of chroma.

    Args:
        frames: RGB, the sides multiples of 16 (width) and 32 (height).

    Returns:
        For each frame the bytes of its two fields.

    Source: ITU-T H.264, sections 7.3.2.1, 7.3.2.2, 7.3.3 and 7.3.5.
    """
    height, width = frames[0].shape[:2]
    sides = _golomb(width // 16 - 1) + _golomb(height // 32 - 1)
    sequence = (
        f"{77:08b}{0:08b}{30:08b}" + _golomb(0) + _golomb(0) + _golomb(0) + _golomb(4) + _golomb(1) + "0"
    )
    parameters = _unit(0x67, sequence + sides + "00100")
    pictures = _golomb(0) * 2 + "00" + _golomb(0) * 3 + "000" + _golomb(0) * 3 + "100"
    parameters += _unit(0x68, pictures)
    coded = []
    for number, frame in enumerate(frames):
        stored = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="yuv420p").to_ndarray()
        luma, chroma = stored[:height], stored[height:].reshape(2, height // 2, width // 2)
        top, bottom = (_field([p[b::2] for p in (luma, *chroma)], b, number) for b in (0, 1))
        coded.append((parameters + top, bottom))
    return coded


def write_fields(path, frames, together=False):
    """Write a field-coded clip of 25 frames a second, one packet per field, or one per frame."""
    raw = path.with_suffix(".h264")
    coded = field_coded(frames)
    raw.write_bytes(b"".join(top + bottom for top, bottom in coded))
    with av.open(str(raw)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        stream.time_base = Fraction(1, 50)
        packets = (
            [top + bottom for top, bottom in coded] if together else [one for both in coded for one in both]
        )
        for number, data in enumerate(packets):
            packet = av.Packet(data)
            packet.stream = stream
            packet.time_base = Fraction(1, 50)
            packet.pts = packet.dts = number * (1 + together)
            packet.duration = 1 + together
            packet.is_keyframe = True
            out.mux(packet)
    return path


def _repetition(data, increment_bits):
    """The header of an MPEG-4 packet, with its bit `vop_coded` cleared."""
    start = data.index(b"\0\0\1\xb6") + 4
    bits = "".join(f"{byte:08b}" for byte in data[start : start + 8])
    header = bits[: bits.index("0", 2) + 1 + 1 + increment_bits + 1] + "00"
    return data[: start - 4] + b"\0\0\1\xb6" + _bytes(header + "1" * (-len(header) % 8))


def repeat_frames(source, path, numbers, increment_bits=5):
    """Copy an MPEG-4 file; the packets of these numbers say "the last frame once more" (N-VOP).

    Source: ISO/IEC 14496-2, section 6.2.5.
    """
    with av.open(str(source)) as given, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(given.streams.video[0])
        packets = [packet for packet in given.demux(video=0) if packet.size]
        for number, packet in enumerate(packets):
            if number in numbers:
                times = packet.pts, packet.dts, packet.time_base, packet.duration
                packet = av.Packet(_repetition(bytes(packet), increment_bits))
                packet.pts, packet.dts, packet.time_base, packet.duration = times
            packet.stream = stream
            out.mux(packet)
    return path


def combed(frames):
    """Frames whose odd rows are those of the next one."""
    odd = np.arange(len(frames[0]))[:, None, None] % 2
    return [*(np.where(odd, after, frame) for frame, after in pairwise(frames)), frames[-1]]

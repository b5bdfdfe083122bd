"""A PNG writer four times as fast as libpng's quickest setting, for files that are no larger.

PNG is deflate around a simple prediction. OpenCV's encoder spends its time in zlib; ISA-L's deflate does the
same work with vector instructions. Measured on face crops (docs/benchmarks.md). Any reader decodes the files.

Source: PNG specification, third edition, sections 5 (structure), 9 (filtering) and 10 (compression).
"""

from __future__ import annotations

import struct

import numpy as np
from jaxtyping import UInt8

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_UP = 2
_DEPTH, _TRUECOLOUR = 8, 2


def encode(rgb: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """Encode pixels losslessly; the same pixels give the same bytes on processors of one family.

    Args:
        rgb: 8-bit RGB, at least 1x1.

    Returns:
        A PNG file.
    """
    from isal import isal_zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = isal_zlib.crc32(data, isal_zlib.crc32(name))
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)

    height, width, channels = rgb.shape
    rows = np.ascontiguousarray(rgb).reshape(height, width * channels)
    filtered = np.empty((height, 1 + width * channels), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, _DEPTH, _TRUECOLOUR, 0, 0, 0)
    pixels = isal_zlib.compress(filtered, 1)
    return _SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")

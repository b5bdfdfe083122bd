"""Converts stored pixels to displayed pixels: orientation, pixel shape and color.

The result is the same on every processor. The code computes in integers, or with functions of OpenCV and
swscale whose result does not depend on the instruction set (tests/pipeline/test_portable.py).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import cv2
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from jaxtyping import UInt8

Pixels = UInt8[np.ndarray, "_ _ ..."]
_LUMA_FIRST = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "nv12")
# Maps luma of the limited range 16 … 235 to 0 … 255.
_FULL_RANGE = np.clip(((np.arange(256) - 16) * 255 * 2 + 219) // (2 * 219), 0, 255).astype(np.uint8)
# swscale's default functions round differently on each processor.
_EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
# Color matrices that swscale converts to RGB, and the names of others. Source: ITU-T H.273, table 4.
_MATRICES = frozenset([0, 1, 2, 4, 5, 6, 7, 9])
_OTHER_MATRICES = {
    8: "YCgCo",
    10: "BT.2020, constant luminance",
    11: "SMPTE ST 2085",
    12: "chromaticity-derived",
    13: "chromaticity-derived, constant luminance",
    14: "ICtCp",
}
# EXIF orientation by (axes swapped, rows reversed afterwards, columns reversed afterwards).
_ORIENTATIONS = {
    (False, False, False): 1,
    (False, False, True): 2,
    (False, True, True): 3,
    (False, True, False): 4,
    (True, False, False): 5,
    (True, False, True): 6,
    (True, True, True): 7,
    (True, True, False): 8,
}
_STEPS = {orientation: steps for steps, orientation in _ORIENTATIONS.items()}


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turn and mirror stored pixels as they are displayed.

    Args:
        pixels: Rows and columns as stored.
        orientation: 1 … 8 as in EXIF; any other value leaves the pixels as they are.

    Source: EXIF 2.32, tag 0x0112.
    """
    swapped, rows, columns = _STEPS.get(orientation, _STEPS[1])
    if swapped:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels[:: -1 if rows else 1, :: -1 if columns else 1])


def swaps_sides(orientation: int) -> bool:
    """Whether width and height are exchanged by `upright`."""
    return _STEPS.get(orientation, _STEPS[1])[0]


def matrix_orientation(matrix: bytes | None) -> int:
    """The orientation, 1 … 8 as in EXIF, that a video's display matrix states.

    Args:
        matrix: Nine 32-bit integers (a, b, u, c, d, v, x, y, w) in the machine's byte order, which map a
            stored place (p, q) to the column a·p + c·q + x and the row b·p + d·q + y; None for no matrix.
            An angle that is not a multiple of 90 degrees counts as the nearest multiple.

    Source: ISO/IEC 14496-12, section 8.2.2; libavutil, display.h.
    """
    if matrix is None:
        return 1
    a, b, _, c, d, *_ = (int(value) for value in np.frombuffer(matrix, np.int32, 9))
    swapped = abs(b) + abs(c) > abs(a) + abs(d)
    row, column = (b, c) if swapped else (d, a)
    return _ORIENTATIONS[swapped, row < 0, column < 0]


def square_size(width: int, height: int, pixel_aspect: Fraction) -> tuple[int, int]:
    """The width and height after resampling to square pixels; no side gets shorter.

    Args:
        width: Stored width in pixels.
        height: Stored height in pixels.
        pixel_aspect: Ratio of width to height of a stored pixel.
    """
    if pixel_aspect > 1:
        width = round(width * pixel_aspect)
    elif pixel_aspect < 1:
        height = round(height / pixel_aspect)
    return width, height


def squared(pixels: Pixels, pixel_aspect: Fraction) -> Pixels:
    """Resample to square pixels with OpenCV's bit-exact bilinear interpolation."""
    size = square_size(pixels.shape[1], pixels.shape[0], pixel_aspect)
    if size == (pixels.shape[1], pixels.shape[0]):
        return pixels
    return cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR_EXACT)


def luminance(decoded: Any) -> Pixels:
    """The brightness of a decoded frame in the full range 0 … 255; fast if a plane of the frame holds it."""
    if decoded.format.name not in _LUMA_FIRST:
        return convert(decoded, "gray")
    plane = decoded.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    luma: Pixels = np.ascontiguousarray(rows[: decoded.height, : decoded.width])
    if decoded.color_range != ColorRange.JPEG and "yuvj" not in decoded.format.name:
        luma = cv2.LUT(luma, _FULL_RANGE)
    return luma


def rgb(decoded: Any) -> Pixels:
    """The RGB pixels of a decoded frame."""
    return convert(decoded, "rgb24")


def unknown_matrix(decoded: Any) -> str:
    """The name of a frame's color matrix if `convert` cannot convert it; otherwise ""."""
    number = int(decoded.colorspace)
    return "" if number in _MATRICES else _OTHER_MATRICES.get(number, str(number))


def convert(decoded: Any, form: str) -> Pixels:
    """Convert a decoded frame to `rgb24` or `gray`, by the matrix and range that the frame states.

    If it states no matrix, BT.601 is used, as in FFmpeg. The transfer function is not applied, so HDR looks
    dark and pale; the index records it (raw_transfer).

    Args:
        decoded: PyAV's frame.
        form: A pixel format of FFmpeg with 8 bits.
    """
    frame = VideoReformatter().reformat(decoded, format=form, interpolation=_EXACT, threads=1)
    pixels: Pixels = frame.to_ndarray()
    return pixels

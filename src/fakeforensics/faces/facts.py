"""What a raw file says about its own coding: facts that betray a format bias between real and fake."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Facts(NamedTuple):
    """Facts of one raw file.

    Args:
        sha256: Of its bytes.
        format: "JPEG", "PNG", … of an image, "H264", … of a video; "" if not recognised.
        width: Pixels, upright.
        height: Pixels, upright.
        jpeg_quality: 1 … 100 as libjpeg counts, estimated; -1 if not a JPEG.
        chroma_sampling: "4:4:4", "4:2:2", "4:2:0", …; "" if not known.
    """

    sha256: str
    format: str = ""
    width: int = 0
    height: int = 0
    jpeg_quality: int = -1
    chroma_sampling: str = ""


# ITU-T T.81, table K.1 (luminance), row by row.
_LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
).ravel()
_QUALITIES = np.arange(1, 101)


# libjpeg's jpeg_quality_scaling and jpeg_add_quant_table.
_PERCENT = np.where(_QUALITIES < 50, 5000 // _QUALITIES, 200 - 2 * _QUALITIES)
_TABLES = np.sort(np.clip((_LUMINANCE[None] * _PERCENT[:, None] + 50) // 100, 1, 255), axis=1)


def jpeg_quality(table: list[int]) -> int:
    """The libjpeg quality whose luminance table is nearest to a file's.

    Values are compared sorted, as their order (zigzag or rows) depends on the reader.

    Args:
        table: The file's 64 luminance quantisation steps.

    Returns:
        1 … 100; exact for files that libjpeg wrote with its standard tables, else the nearest.
    """
    distances = np.abs(_TABLES - np.sort(np.asarray(table))[None]).sum(axis=1)
    return int(_QUALITIES[np.flatnonzero(distances == distances.min())[-1]])


def chroma_sampling(layers: list[tuple[int, int, int, int]]) -> str:
    """The chroma sampling in the usual notation.

    Args:
        layers: (id, horizontal factor, vertical factor, table) of each component, as a JPEG's frame header
            lists them.

    Returns:
        "4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "4:0:0" for gray; else "".
    """
    if len(layers) == 1:
        return "4:0:0"
    if len(layers) != 3 or layers[1][1:3] != layers[2][1:3]:
        return ""
    (_, luma_x, luma_y, _), (_, chroma_x, chroma_y, _) = layers[:2]
    known = {
        (1.0, 1.0): "4:4:4",
        (2.0, 1.0): "4:2:2",
        (2.0, 2.0): "4:2:0",
        (1.0, 2.0): "4:4:0",
        (4.0, 1.0): "4:1:1",
    }
    return known.get((luma_x / chroma_x, luma_y / chroma_y), "")

"""One upright frame or still: luma for finding faces, RGB for cutting them out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8

# Two copies of a picture's pixels are alive while decoding: 50 megapixels keep a worker under 600 MB.
MAX_PIXELS = 50_000_000


class UnreadableError(Exception):
    """A raw file, or one frame of it, that cannot be used; the message is the reason given to the user."""


class Picture:
    """The pixels of one upright frame.

    Args:
        luma: Brightness, 8-bit.
        rgb: Makes the colour pixels; called when they are first needed, as most of a search needs none.
        frame: 0-based frame in display order, -1 for a still.
        seconds: Time since the clip's start; 0 for a still.
    """

    def __init__(
        self,
        luma: UInt8[np.ndarray, "height width"],
        rgb: Callable[[], UInt8[np.ndarray, "height width 3"]],
        frame: int = -1,
        seconds: float = 0.0,
    ) -> None:
        self.luma = luma
        self.frame = frame
        self.seconds = seconds
        self._make_rgb = rgb
        self._rgb: UInt8[np.ndarray, "height width 3"] | None = None

    @property
    def rgb(self) -> UInt8[np.ndarray, "height width 3"]:
        """Colour pixels, 8-bit RGB, contiguous."""
        if self._rgb is None:
            self._rgb = np.ascontiguousarray(self._make_rgb())
        return self._rgb

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.luma.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.luma.shape[1])

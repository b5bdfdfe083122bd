"""Boxes in pixels of the upright raw frame."""

from __future__ import annotations

from typing import NamedTuple


class Box(NamedTuple):
    """A face's square, as dlib's detector draws it: from the eyebrows to the chin.

    Args:
        left: First column.
        top: First row.
        right: Last column.
        bottom: Last row.
    """

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Pixels from side to side."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.bottom - self.top

    @property
    def centre(self) -> tuple[float, float]:
        """Column and row of the middle."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height

    def scaled(self, factor: float, left: float = 0.0, top: float = 0.0) -> Box:
        """The box in a frame enlarged by `factor`, then moved by (left, top)."""
        return Box(*(value * factor + move for value, move in zip(self, (left, top) * 2, strict=True)))

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 … 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.area + other.area - shared)

    def distance(self, other: Box) -> float:
        """Distance of the centres in units of the two boxes' mean width."""
        (x0, y0), (x1, y1) = self.centre, other.centre
        size = (self.width + other.width) / 2
        return float(((x0 - x1) ** 2 + (y0 - y1) ** 2) ** 0.5 / size)

    def towards(self, other: Box, share: float) -> Box:
        """The box at `share` (0 … 1) of the way to `other`."""
        return Box(*(a + (b - a) * share for a, b in zip(self, other, strict=True)))

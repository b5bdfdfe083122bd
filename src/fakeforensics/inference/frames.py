"""Whole frames of a file, for showing what was judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import UInt8

from fakeforensics.faces.picture import Picture
from fakeforensics.faces.still import read_still
from fakeforensics.faces.video import open_clip
from fakeforensics.inference.inputs import Item, Kind

Rgb = UInt8[np.ndarray, "_ _ 3"]  # of any size, each of its own
VIEW_WIDTH = 960


@runtime_checkable
class OfFrame(Protocol):
    """Whatever belongs to a frame: a crop, a face."""

    @property
    def frame(self) -> int:
        """0-based frame of a video; -1 for a still."""


class View(NamedTuple):
    """A frame, shrunk for looking at.

    Args:
        frame: Its number; -1 for a still.
        pixels: At most 960 columns.
        scale: By how much it was shrunk, at most 1.
    """

    frame: int
    pixels: Rgb
    scale: float


def spread_frames(parts: Sequence[OfFrame], count: int) -> list[int]:
    """Up to `count` of the frames that have a part, evenly spread, in order."""
    frames = sorted({part.frame for part in parts})
    places = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [frames[place] for place in places]


def frames_of(path: Path, kind: Kind, frames: Sequence[int]) -> Iterator[tuple[int, Rgb]]:
    """Upright pixels of a still, or of those frames of a video that decode.

    Raises:
        UnreadableError: If the file is not what it was when it was judged.
    """
    if kind == "image":
        yield -1, read_still(path).picture.rgb
        return
    with open_clip(path) as clip:
        for picture in clip.pictures(frames):
            if isinstance(picture, Picture):
                yield picture.frame, picture.rgb


def views_of(item: Item, frames: Sequence[int], width: int = VIEW_WIDTH) -> list[View]:
    """Frames shrunk to at most `width` columns; none without `frames`."""
    return (
        [_view(frame, rgb, width) for frame, rgb in frames_of(item.path, item.kind, frames)] if frames else []
    )


def _view(frame: int, rgb: Rgb, width: int) -> View:
    scale = min(1.0, width / rgb.shape[1])
    if scale == 1.0:
        return View(frame, rgb, scale)
    size = (width, max(1, round(rgb.shape[0] * scale)))
    return View(frame, cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), scale)

"""The files to score: from the user's arguments to images and videos, and their frames for display."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from fakeforensics.faces.still import read_still
from fakeforensics.faces.video import Frame, open_clip
from fakeforensics.sources.base import IMAGE_SUFFIXES, VIDEO_SUFFIXES

Kind = Literal["image", "video"]
Rgb = UInt8[np.ndarray, "_ _ 3"]  # any size
VIEW_WIDTH = 960


@dataclass(frozen=True)
class UploadLimits:
    """What an upload to the web page may cost.

    Args:
        max_mb: Largest upload, in MB.
        max_seconds: Longest time for finding a file's faces.
        memory_mb: Largest address space of the process that does it, in MiB.
        at_once: Files scored at once; others wait.
        waiting: Files that may wait; others are turned away.
        total_mb: Most that uploads and the pictures of results may take together, in MB.
    """

    max_mb: int = 50
    max_seconds: float = 60
    memory_mb: int = 4096
    at_once: int = 2
    waiting: int = 20
    total_mb: int = 2000


@dataclass(frozen=True)
class Item:
    """One file to score, what to read it as, and why it cannot be opened if it cannot."""

    path: Path
    kind: Kind
    missing: str | None = None


@dataclass(frozen=True)
class Inputs:
    """All files to score, each once, and the number of files in the given folders that were ignored."""

    items: Sequence[Item]
    ignored: int


def find_inputs(arguments: Sequence[str], listed: Iterable[str] = ()) -> Inputs:
    """Expand the user's arguments, in their order.

    Args:
        arguments: Files (with an unknown suffix they are tried as images), folders (searched recursively, in
            the order of names), and globs such as `'shots/**/*.jpg'`. If a file's own name looks like a glob,
            it is that file. A name that matches nothing becomes an item with the reason.
        listed: More names, one per line; blank lines are skipped.
    """
    names = [*arguments, *(line.rstrip("\r\n") for line in listed if line.strip())]
    items: dict[Path, Item] = {}
    ignored = 0
    for path in (path for name in names for path in _expand(name)):
        if path.is_dir():
            for inside in _walk(path):
                kind = kind_of(inside)
                if kind is None:
                    ignored += 1
                else:
                    items.setdefault(inside, _item(inside, kind))
        else:
            items.setdefault(path, _item(path, kind_of(path) or "image"))
    return Inputs(list(items.values()), ignored)


def kind_of(path: Path) -> Kind | None:
    """What a file is by its suffix; None if it is neither an image nor a video."""
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return "image"
    return "video" if suffix in VIDEO_SUFFIXES else None


def _expand(name: str) -> Iterator[Path]:
    if Path(name).exists() or not glob.has_magic(name):
        yield Path(name)
        return
    found = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 (patterns may be absolute)
    yield from (Path(one) for one in found or [name])


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(files) if not name.startswith("."))


def _item(path: Path, kind: Kind) -> Item:
    if not path.exists():
        return Item(path, kind, "no such file")
    return Item(path, kind, None if path.is_file() else "not a regular file")


class View(NamedTuple):
    """A frame (-1 for a still), shrunk by the factor `scale` to at most `VIEW_WIDTH` columns for display."""

    frame: int
    pixels: Rgb
    scale: float


def pick_frames(frames: Iterable[int], count: int) -> list[int]:
    """Up to `count` different frames, evenly spread, in order."""
    different = sorted(set(frames))
    places = np.linspace(0, len(different) - 1, min(count, len(different))).round().astype(int)
    return [different[place] for place in places]


def read_frames(path: Path, kind: Kind, frames: Sequence[int]) -> Iterator[tuple[int, Rgb]]:
    """Upright pixels of a still, or of those of a video's frames that decode.

    Raises:
        UnreadableError: If the file changed since it was scored.
    """
    if kind == "image":
        yield -1, read_still(path).frame.rgb
        return
    with open_clip(path) as clip:
        for frame in clip.frames(frames):
            if isinstance(frame, Frame):
                yield frame.number, frame.rgb


def read_views(item: Item, frames: Sequence[int]) -> list[View]:
    """Frames shrunk for display; none without `frames`."""
    return [_view(*frame) for frame in read_frames(item.path, item.kind, frames)] if frames else []


def shrink(image: Rgb, width: int) -> Rgb:
    """Shrink an image to at most `width` columns."""
    if image.shape[1] <= width:
        return image
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _view(frame: int, image: Rgb) -> View:
    return View(frame, shrink(image, VIEW_WIDTH), min(1.0, VIEW_WIDTH / image.shape[1]))

"""Finds the files to score from the user's arguments, and reads frames for display."""

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
    """Limits of the web page.

    Args:
        max_mb: Largest upload, in MB (2^20 bytes).
        max_seconds: Longest time for finding the faces of a file, in seconds.
        memory_mb: Largest address space of the process that finds faces, in MiB.
        at_once: Files that are scored at the same time; others wait.
        waiting: Files that may wait; further files are refused.
        total_mb: Maximum total size of uploads and pictures of results, in MB (2^20 bytes).
    """

    max_mb: int = 50
    max_seconds: float = 60
    memory_mb: int = 4096
    at_once: int = 2
    waiting: int = 20
    total_mb: int = 2000


@dataclass(frozen=True)
class Item:
    """One file to score, how to read it, and the reason if it cannot be opened."""

    path: Path
    kind: Kind
    missing: str | None = None


@dataclass(frozen=True)
class Inputs:
    """All files to score, each once, and the number of ignored files in the given folders."""

    items: Sequence[Item]
    ignored: int


def find_inputs(arguments: Sequence[str], listed: Iterable[str] = ()) -> Inputs:
    """Expand the user's arguments, in their order.

    Args:
        arguments: Files, folders, and globs such as `'shots/**/*.jpg'`. A file with an unknown suffix is read
            as an image. Folders are searched recursively, in the order of names. If a file's own name looks
            like a glob, the name means that file. A name that matches nothing becomes an item with the
            reason.
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
    """The kind of a file by its suffix; None if it is neither an image nor a video."""
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
    """A frame for display, shrunk by the factor `scale` to at most `VIEW_WIDTH` columns; -1 is a still."""

    frame: int
    pixels: Rgb
    scale: float


def pick_frames(frames: Iterable[int], count: int) -> list[int]:
    """Choose up to `count` different frames, evenly spread, in order."""
    different = sorted(set(frames))
    places = np.linspace(0, len(different) - 1, min(count, len(different))).round().astype(int)
    return [different[place] for place in places]


def read_frames(path: Path, kind: Kind, frames: Sequence[int]) -> Iterator[tuple[int, Rgb]]:
    """Read the upright pixels of a still, or of a video's frames; frames that do not decode are skipped.

    Yields:
        The frame number (-1 for a still) and its pixels.

    Raises:
        UnreadableError: If the file cannot be read, because it changed since it was scored.
    """
    if kind == "image":
        yield -1, read_still(path).frame.rgb
        return
    with open_clip(path) as clip:
        for frame in clip.frames(frames):
            if isinstance(frame, Frame):
                yield frame.number, frame.rgb


def read_views(item: Item, frames: Sequence[int]) -> list[View]:
    """Read frames and shrink them for display; empty if `frames` is empty."""
    return [_view(*frame) for frame in read_frames(item.path, item.kind, frames)] if frames else []


def shrink(image: Rgb, width: int) -> Rgb:
    """Shrink an image to at most `width` columns."""
    if image.shape[1] <= width:
        return image
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _view(frame: int, image: Rgb) -> View:
    return View(frame, shrink(image, VIEW_WIDTH), min(1.0, VIEW_WIDTH / image.shape[1]))

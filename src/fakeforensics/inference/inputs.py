"""What the user asked to be judged: files, folders, globs and lists become images and videos."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fakeforensics.sources.layout import IMAGE_SUFFIXES, VIDEO_SUFFIXES

Kind = Literal["image", "video"]
_IMAGE_SUFFIXES = IMAGE_SUFFIXES | {".gif", ".jp2", ".ppm", ".pgm"}
_VIDEO_SUFFIXES = VIDEO_SUFFIXES | {".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv", ".ts"}


@dataclass(frozen=True)
class Item:
    """One file to judge.

    Args:
        path: The file, as the user or the folder named it.
        kind: What to read it as; a file of an unknown suffix is tried as an image.
        missing: Why there is no such file; None where there is one.
    """

    path: Path
    kind: Kind
    missing: str | None = None


@dataclass(frozen=True)
class Inputs:
    """All files to judge.

    Args:
        items: In the order asked for, folders sorted by name; each file once.
        ignored: Files in the given folders that are neither images nor videos by their suffix.
    """

    items: Sequence[Item]
    ignored: int


def find_inputs(arguments: Sequence[str], listed: Iterable[str] = ()) -> Inputs:
    """Expand what the user typed.

    Args:
        arguments: Files, folders (searched to the bottom), and globs such as `'shots/**/*.jpg'`. What exists
            under a name with `*` or `[` in it is that file.
        listed: Further names, one a line, as a list on standard input gives them; blank lines are left out.

    Returns:
        The files; a name that stands for nothing becomes an item that says so.
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
    if suffix in _IMAGE_SUFFIXES:
        return "image"
    return "video" if suffix in _VIDEO_SUFFIXES else None


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
    if not path.is_file():
        return Item(path, kind, "not a regular file")
    return Item(path, kind)

"""What every data set layout has in common."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

from fakeforensics.errors import UserError
from fakeforensics.params import Flag, Group, parse
from fakeforensics.sources.record import RawFile, Split

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v"})
SPLIT_FOLDERS: Mapping[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "eval": "val",
    "test": "test",
    "testing": "test",
}


class LayoutOptions(Group):
    """Settings of any layout.

    Args:
        subset: Only a part of the data set is meant to be here: `fakeforensics data check` does not compare
            the counts with the published ones.
    """

    subset: Flag = False


class Layout(ABC):
    """How one data set lies on disk, and what its file names say.

    A subclass says in its docstring where the data comes from, how it lies, how much of it there is and what
    to cite, and turns each file into a `RawFile`.

    Args:
        name: The source's name in params.yaml; it prefixes every group.
        root: The data set's folder.
        options: Settings under `options` of the source in params.yaml, checked against `Options`.

    Raises:
        UserError: If an option is unknown or out of range.
    """

    tree: ClassVar[str]
    obtain: ClassVar[str]
    crop: ClassVar[Literal["faces", "whole"]] = "faces"
    Options: ClassVar[type[LayoutOptions]] = LayoutOptions

    def __init__(self, name: str, root: Path, options: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.root = root
        self.options: Any = parse(self.Options, dict(options or {}), f"params.yaml: sources.{name}.options")

    @abstractmethod
    def records(self) -> list[RawFile]:
        """Every file that the layout knows, sorted by path.

        Raises:
            UserError: If the tree or a file name is not what the layout expects.
        """

    def problem(self, what: str, *, found: str | None = None, fix: str | None = None) -> UserError:
        """An error about this source's files that shows the expected tree."""
        return UserError(
            f"source {self.name!r}: {what}",
            expected=f"in {self.root}:\n{self.tree}",
            found=found,
            fix=fix or "arrange the files so; docs/data.md says how to get and lay out each data set",
        )

    def files(self, suffixes: frozenset[str] = IMAGE_SUFFIXES) -> list[PurePosixPath]:
        """Relative paths of all files with one of `suffixes` (any case), sorted; hidden ones are left out."""
        return sorted(
            (path for path in _walk(self.root) if path.suffix.lower() in suffixes),
            key=lambda path: os.fsencode(str(path)),
        )

    def tables(self) -> list[PurePosixPath]:
        """Relative paths of the lists, beside images and videos, that decide about labels or splits."""
        return []

    def own_group(self, path: PurePosixPath) -> str:
        """The group of a file that is related to no other."""
        return f"{self.name}/{path.with_suffix('')}"


def kind_of(path: PurePosixPath) -> Literal["image", "video"]:
    """Whether a file name is that of a video or of an image."""
    return "video" if path.suffix.lower() in VIDEO_SUFFIXES else "image"


def _walk(root: Path) -> Iterator[PurePosixPath]:
    # Data sets are often assembled from links to other disks, so links are followed; a link into its own
    # parents would never end.
    for folder, subfolders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        subfolders[:] = [
            name
            for name in subfolders
            if not name.startswith((".", "__MACOSX"))
            and not _is_ancestor(os.path.realpath(Path(folder, name)), real)
        ]
        relative = Path(folder).relative_to(root)
        for name in names:
            if not name.startswith("."):
                yield PurePosixPath((relative / name).as_posix())


def _is_ancestor(candidate: str, folder: str) -> bool:
    return folder == candidate or folder.startswith(candidate.rstrip(os.sep) + os.sep)

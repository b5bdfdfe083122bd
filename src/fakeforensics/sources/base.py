"""Data-set adapters: what they have in common, and how `layout` in params.yaml finds one by its module."""

from __future__ import annotations

import os
import pkgutil
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from inspect import isabstract
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal, NamedTuple

from fakeforensics import sources
from fakeforensics.errors import UserError
from fakeforensics.params import Flag, Group, SourceParams, parse

Split = Literal["", "train", "val", "test"]
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v"})
SPLIT_FOLDERS: Mapping[str, Split] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "eval"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
LABEL_NAMES = ("real", "fake")


@dataclass(frozen=True, slots=True)
class RawFile:
    """One image or video on disk, with what the data set says about it.

    Args:
        path: Posix path relative to the source's root. Bytes that are not UTF-8 stay surrogate escapes.
        kind: Whether the file holds one picture or many frames.
        method: The forgery method; `real` for a real file.
        domain: The image domain (celeba, ffhq, celeb_df, …) that a real set shares with its fakes.
        label: 0 real, 1 fake.
        group: Files that must stay in one split: a video or a photograph with all edits made from it.
            Unique across sources: it begins with the source's name.
        own_split: The official split of the data set, or "" where it has none.
        identities: The people shown, where the data set says so; training and validation share none.
        video: Identifies the clip that a frame comes from; "" for a still image.
        instance: The generator instance (training seed) behind a fake, where several exist.
        crop_box: Left, top, right and bottom in pixels: the part of the picture that the data set uses.
    """

    path: str
    kind: Literal["image", "video"]
    method: str
    domain: str
    label: Literal[0, 1]
    group: str
    own_split: Split = ""
    identities: tuple[str, ...] = ()
    video: str = ""
    instance: str = ""
    crop_box: tuple[int, int, int, int] | None = None


class Instructions(NamedTuple):
    """How to get a data set (`obtain`), and the folder tree it must have (`tree`)."""

    tree: str
    obtain: str


@dataclass(frozen=True)
class Archive:
    """A downloadable part of a data set.

    Args:
        part: Its name on the command line.
        files: The files to download from the adapter's repository: one archive, in volumes if it has several.
        folder: Where its content goes below the root; "" for the root itself.
        inner: Name of the zip archive that a 7z archive holds, or "".
    """

    part: str
    files: tuple[str, ...]
    folder: str = ""
    inner: str = ""


@dataclass(frozen=True)
class CountCheck:
    """How many files are on disk, and how many there should be; `part` names an archive, if any."""

    name: str
    found: int
    expected: int
    rule: Literal["exactly", "at least"]
    origin: str
    part: str = ""

    @property
    def is_met(self) -> bool:  # noqa: D102
        return self.found == self.expected if self.rule == "exactly" else self.found >= self.expected


class AdapterOptions(Group):
    """Settings of any adapter.

    Args:
        subset: Only a part of the data set is on disk, so `fakeforensics data check` compares no counts.
    """

    subset: Flag = False


class DatasetAdapter(ABC):
    """Reads one data set: its folder tree and what its file names say.

    A subclass is the only one in its module. It says in its docstring how large the data is and what to cite.

    Args:
        name: The source's name in params.yaml; it prefixes every group.
        root: The data set's folder.
        options: Settings under `options` of the source in params.yaml, checked against `Options`.

    Raises:
        UserError: If an option is unknown or out of range.
    """

    instructions: ClassVar[Instructions]
    crop: ClassVar[Literal["faces", "whole"]] = "faces"
    """Whether faces are cropped or images kept whole, unless params.yaml says otherwise."""
    Options: ClassVar[type[AdapterOptions]] = AdapterOptions
    repository: ClassVar[str] = ""
    """The data set on huggingface.co that `archives` come from."""
    archives: ClassVar[tuple[Archive, ...]] = ()

    def __init__(self, name: str, root: Path, options: Mapping[str, Any] | None = None) -> None:
        self.name = name
        self.root = root
        self.options: Any = parse(self.Options, dict(options or {}), f"params.yaml: sources.{name}.options")

    @abstractmethod
    def records(self) -> list[RawFile]:
        """Every file of the data set, sorted by path.

        Raises:
            UserError: If the tree or a file name is not what the adapter expects.
        """

    def tables(self) -> list[PurePosixPath]:
        """Relative paths of lists in the data set that determine labels or splits."""
        return []

    @classmethod
    def expected_counts(cls, records: Sequence[RawFile]) -> Iterable[CountCheck]:  # noqa: ARG003
        """Counts of the files on disk against the published ones; empty where none are published."""
        return ()

    def files(self, suffixes: frozenset[str] = IMAGE_SUFFIXES) -> list[PurePosixPath]:
        """Relative paths of all files with one of `suffixes` (any case), sorted, without hidden files."""
        return sorted(
            (path for path in _walk(self.root) if path.suffix.lower() in suffixes),
            key=lambda path: os.fsencode(str(path)),
        )

    def own_group(self, path: PurePosixPath) -> str:
        """The group of a file that is related to no other."""
        return f"{self.name}/{path.with_suffix('')}"

    def problem(self, message: str, *, found: str | None = None, fix: str | None = None) -> UserError:
        """An error about this source's files that shows the expected tree."""
        return UserError(
            f"source {self.name!r}: {message}",
            expected=f"in {self.root}:\n{self.instructions.tree}",
            found=found,
            fix=fix or "arrange the files like this; docs/data.md describes each data set",
        )


class MissingSourceError(UserError):
    """The folder of a configured source does not exist."""


def adapter_names() -> list[str]:
    """The modules of this package that hold an adapter, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(sources.__path__) if _adapters(module.name))


def adapter_class(name: str, context: str = "") -> type[DatasetAdapter]:
    """The adapter in the module of that name; `context` says in an error where the name was given.

    Raises:
        UserError: If there is no such module, or it does not define exactly one adapter.
    """
    is_module = any(module.name == name for module in pkgutil.iter_modules(sources.__path__))
    found = _adapters(name) if is_module else []
    if len(found) != 1:
        raise UserError(
            f"{context}unknown layout {name!r}",
            expected="one of " + ", ".join(adapter_names()),
            found=f"{len(found)} subclasses of DatasetAdapter in its module" if is_module else None,
            fix=f"correct the name, or add the module src/fakeforensics/sources/{name}.py (docs/data.md)",
        )
    return found[0]


def open_source(name: str, source: SourceParams) -> DatasetAdapter:
    """The adapter of a source in params.yaml; `$VARIABLES` and `~` in its root are expanded.

    Raises:
        MissingSourceError: If the root does not exist, or a variable in it is not set.
        UserError: If the layout is unknown or an option is wrong.
    """
    adapter = adapter_class(source.layout, f"params.yaml: sources.{name}.layout: ")
    root = _expanded(name, source.root)
    if not root.is_dir():
        raise MissingSourceError(
            f"source {name!r}: the folder {root} does not exist",
            expected=f"a data set of layout {source.layout}:\n{adapter.instructions.tree}",
            fix=f"docs/data.md says how to get it; then set sources.{name}.root in params.yaml, "
            "or remove the source there",
        )
    return adapter(name, root, source.options)


def read_records(adapter: DatasetAdapter) -> list[RawFile]:
    """All files of a source.

    Raises:
        UserError: If there are none, or the tree is not what the adapter expects.
    """
    records = adapter.records()
    if not records:
        raise adapter.problem("its folder holds no image or video that the adapter reads")
    return records


def _adapters(name: str) -> list[type[DatasetAdapter]]:
    module = import_module(f"{sources.__name__}.{name}")
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, DatasetAdapter)
        and value.__module__ == module.__name__
        and not isabstract(value)
    ]


def _expanded(name: str, root: str) -> Path:
    expanded = os.path.expandvars(str(Path(root).expanduser()))
    unset = re.search(r"\$\{?(\w+)", expanded)
    if unset:
        raise MissingSourceError(
            f"source {name!r}: the environment variable {unset.group(1)} in its root {root} is not set",
            fix=f"export {unset.group(1)}=…, or write the folder itself into sources.{name}.root",
        )
    return Path(expanded)


def _walk(root: Path) -> Iterator[PurePosixPath]:
    # Data sets are often assembled from links to other disks, so links are followed; a link to one of its
    # own parents would never end.
    for folder, subfolders, names in os.walk(root, followlinks=True):
        real = Path(folder).resolve()
        subfolders[:] = [
            name
            for name in subfolders
            if not name.startswith((".", "__MACOSX"))
            and not real.is_relative_to(Path(folder, name).resolve())
        ]
        relative = PurePosixPath(Path(folder).relative_to(root))
        yield from (relative / name for name in names if not name.startswith("."))

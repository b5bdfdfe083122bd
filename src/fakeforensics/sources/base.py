"""The base class of data-set adapters, and what they say of a file."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal, NamedTuple

from fakeforensics.errors import UserError
from fakeforensics.params import Flag, Group
from fakeforensics.parsing import parse
from fakeforensics.sources.split_folders import Split, split_of

Doubts = tuple[str, ...]
IMAGE_SUFFIXES = frozenset(
    [
        *(
            ".jpg",
            ".jpeg",
            ".jpe",
            ".jfif",
            ".png",
            ".bmp",
            ".dib",
            ".webp",
            ".tif",
            ".tiff",
            ".gif",
            ".avif",
        ),
        *(".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm"),
    ]
)
VIDEO_SUFFIXES = frozenset(
    [
        *(".mp4", ".m4v", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv"),
        *(".ts", ".mts", ".m2ts"),
    ]
)
LABEL_NAMES = ("real", "fake")
OUTERMOST = "outermost split folder"
ITSELF = "the file itself"
DRAWN = "none: drawn at random, by identity or group"
UNNAMED = "not named by the adapter"
FAKES_ONLY = "a fake whose group holds no real file: its original is absent, or its name does not tell it"


class Rules(NamedTuple):
    """What decided the split, the group and the label of a file, in a few words each.

    Args:
        split: What decided the split; "" if nothing did, so that it is drawn at random.
        group: What decided the group; `ITSELF` if the file is related to no other file.
        label: What decided the label.
        doubts: Why the split, the group or the label may be wrong. `fakeforensics data check` warns about
            each doubt, with the number of files.
    """

    split: str = ""
    group: str = ""
    label: str = ""
    doubts: Doubts = ()


NO_RULES = Rules()


@dataclass(frozen=True, slots=True)
class RawFile:
    """One image or video on disk, with the data set's information about it.

    Args:
        path: Posix path relative to the source's root. Bytes that are not UTF-8 stay surrogate escapes.
        kind: Whether the file holds one picture or many frames.
        method: The forgery method; `real` for a real file.
        domain: The image domain (celeba, ffhq, celeb_df, …), which real images share with fakes made of them.
        label: 0 real, 1 fake.
        group: The name of the group. Files of a group must stay in one split: a video or a photograph with
            all edits made from it. The name begins with the source's name, so it is unique across sources.
        own_split: The official split of the file; "" if it has none.
        identities: The people shown, if the data set names them. Training and validation share no identity.
        video: Identifies the clip that a frame comes from; "" for a still image.
        instance: The generator instance (training seed) that made a fake, if there are several; else "".
        crop_box: Left, top, right and bottom in pixels of the part of the picture that the data set uses;
            None for the whole picture.
        rules: What decided split, group and label.
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
    rules: Rules = NO_RULES


class Instructions(NamedTuple):
    """How to get a data set (`obtain`), and the folder tree it must have (`tree`)."""

    tree: str
    obtain: str


@dataclass(frozen=True)
class Archive:
    """A downloadable part of a data set.

    Args:
        part: Its name on the command line.
        files: The files to download from the adapter's repository: one archive, or the volumes of one.
        folder: The folder below the root for its content; "" for the root itself.
        inner: Name of the zip archive inside a 7z archive; "" if the archive is a zip archive itself.
    """

    part: str
    files: tuple[str, ...]
    folder: str = ""
    inner: str = ""


@dataclass(frozen=True)
class CountCheck:
    """The number of files on disk compared with the expected number.

    Args:
        name: What is counted.
        found: The number on disk.
        expected: The published number.
        rule: Whether `found` must equal `expected`, or may be larger.
        origin: Where the number was published.
        part: The archive that holds these files; "" if it cannot be downloaded.
    """

    name: str
    found: int
    expected: int
    rule: Literal["exactly", "at least"]
    origin: str
    part: str = ""

    @property
    def is_met(self) -> bool:  # noqa: D102
        return self.found == self.expected if self.rule == "exactly" else self.found >= self.expected


@dataclass(frozen=True)
class SharedNumbers:
    """Files in a real and a fake folder that have the same number in their names.

    Args:
        real: The folder of real images.
        fake: The folder of fakes.
        numbers: How many different numbers the names of the fakes have.
        pairs: For each shared number, the paths of a real image and of a fake.
        joined: Whether such files are one group, because the number is taken as that of a photograph.
        across_splits: How many of the pairs are in two official splits.
    """

    real: str
    fake: str
    numbers: int
    pairs: tuple[tuple[str, str], ...]
    joined: bool
    across_splits: int


class AdapterOptions(Group):
    """Settings of any adapter.

    Args:
        subset: Only a part of the data set is on disk, so `fakeforensics data check` compares no counts.
        leave_out: Suffixes of files that are left out on purpose, such as `.heic`.
    """

    subset: Flag = False
    leave_out: tuple[str, ...] = ()


class DatasetAdapter(ABC):
    """Reads one data set: its folder tree and what its file names say.

    Each adapter is the only subclass in its module. Its docstring says how large the data is and what to
    cite.

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
    suffixes: ClassVar[frozenset[str]] = IMAGE_SUFFIXES
    """Endings of the files that the adapter reads, in lower case."""
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
        """Compare the numbers of files on disk with the published ones; empty if none are published."""
        return ()

    def shared_numbers(self, records: Sequence[RawFile]) -> list[SharedNumbers]:  # noqa: ARG002
        """Folders whose files have the same numbers. `fakeforensics data check` compares their images."""
        return []

    def ignores(self, path: PurePosixPath) -> bool:  # noqa: ARG002
        """Whether the adapter skips a file, given its relative path."""
        return False

    def all_files(self) -> list[PurePosixPath]:
        """Relative paths of all files, sorted, without hidden and ignored ones."""
        return sorted(
            (path for path in _walk(self.root) if not self.ignores(path)),
            key=lambda path: os.fsencode(str(path)),
        )

    def files(self) -> list[PurePosixPath]:
        """Relative paths of the files with one of the adapter's suffixes, sorted."""
        return [path for path in self.all_files() if path.suffix.lower() in self.suffixes]

    def own_group(self, path: PurePosixPath) -> str:
        """The name of the group of a file that is related to no other file."""
        return f"{self.name}/{path.with_suffix('')}"

    def problem(
        self, message: str, *, expected: str | None = None, found: str | None = None, fix: str | None = None
    ) -> UserError:
        """An error about this source's files.

        Args:
            message: What is wrong.
            expected: What was expected; by default the expected tree.
            found: What was found instead.
            fix: What to do; by default to arrange the files like the expected tree.
        """
        return UserError(
            f"source {self.name!r}: {message}",
            expected=expected or f"in {self.root}:\n{self.instructions.tree}",
            found=found,
            fix=fix or "arrange the files like this; docs/data.md describes each data set",
        )

    def refuse_split_folders(self, path: PurePosixPath) -> None:
        """Make sure that no folder of a file is named like a split. For layouts without split folders.

        Raises:
            UserError: If a folder is. The message names it.
        """
        for folder in path.parts[:-1]:
            if split_of(folder):
                raise self.problem(
                    f"{path}: the folder {folder} is named like a split, but this layout has no such folders",
                    fix="restore the original folders, or use the layout `folder`, which reads splits",
                )


def read_records(adapter: DatasetAdapter) -> list[RawFile]:
    """All files of a source; fakes in groups without a real file are marked in their `rules`.

    Raises:
        UserError: If there are no files, or the tree is not what the adapter expects.
    """
    records = adapter.records()
    if not records:
        raise adapter.problem("its folder holds no image or video that the adapter reads")
    originals = {record.group for record in records if record.label == 0}
    return [
        record
        if record.label == 0 or record.rules.group == ITSELF or record.group in originals
        else replace(record, rules=record.rules._replace(doubts=(*record.rules.doubts, FAKES_ONLY)))
        for record in records
    ]


def decisions(records: Iterable[RawFile]) -> dict[str, dict[str, int]]:
    """Count the files that each rule decided and that each doubt is about.

    Returns:
        By `split`, `group`, `label` and `doubts`, the number of files by rule or doubt.
    """
    counts: dict[str, Counter[str]] = {name: Counter() for name in Rules._fields}
    for record in records:
        counts["split"][record.rules.split or DRAWN] += 1
        counts["group"][record.rules.group or UNNAMED] += 1
        counts["label"][record.rules.label or UNNAMED] += 1
        counts["doubts"].update(record.rules.doubts)
    return {name: dict(sorted(counter.items())) for name, counter in counts.items()}


def _walk(root: Path) -> Iterator[PurePosixPath]:
    # Data sets are often assembled from links to other disks, so links are followed. A link to a parent of
    # its own folder is skipped, because it would never end.
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

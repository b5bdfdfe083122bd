"""Finds the split of a file by the names of its folders, and says where these names are in doubt."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from fakeforensics.sources.base import DatasetAdapter

Split = Literal["", "train", "val", "test"]
SPLIT_WORDS: Mapping[str, Split] = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "eval", "evaluation"), "val"),
    **dict.fromkeys(("test", "tests", "testing", "tst"), "test"),
}
_WORD = "|".join(SPLIT_WORDS)
_SPLIT_NAME = re.compile(
    rf"({_WORD})[\W_]*(?:sets?|splits?|data|images?|videos?|faces|frames|part|fold)?[\W_]*\d*"
)
_MENTION = re.compile(rf"(?<![a-z])(?:{_WORD})(?![a-z])")
CATEGORY = "below a split folder, a folder is named like another split and read as a category"
MENTION = "a folder's name mentions a split but is not read as one"


def split_of(folder: str) -> Split:
    """The split that a folder's name means, such as `test` for `Testing` and `test2017`; "" for none."""
    match = _SPLIT_NAME.fullmatch(folder.lower())
    return SPLIT_WORDS[match.group(1)] if match else ""


class SplitFolders:
    """The splits of a source's files by the names of their folders. The outermost such name decides.

    Args:
        adapter: The adapter of the source.
        paths: The paths of all its files.
        others: Names of folders, such as label folders, that do not put a split folder next to them in doubt.
    """

    def __init__(
        self, adapter: DatasetAdapter, paths: Iterable[PurePosixPath], others: Collection[str] = ()
    ) -> None:
        self._adapter = adapter
        self._names: defaultdict[PurePosixPath, set[str]] = defaultdict(set)
        self._known: dict[PurePosixPath, tuple[int, Split, tuple[str, ...]]] = {}
        for holder in {path.parent for path in paths}:
            for folder in (holder, *holder.parents):
                if folder.name and folder.name not in others:
                    self._names[folder.parent].add(folder.name)

    def find(self, path: PurePosixPath) -> tuple[int, Split, tuple[str, ...]]:
        """Find the split of a file.

        Args:
            path: The file's path, relative to the root.

        Returns:
            The position of the folder that names the split among the file's folders, or -1; the split, or "";
            and doubts.

        Raises:
            UserError: If a folder may be a split or a category, or two folders contradict each other.
        """
        folder = path.parent
        if folder not in self._known:
            self._known[folder] = self._find(folder)
        return self._known[folder]

    def _find(self, folder: PurePosixPath) -> tuple[int, Split, tuple[str, ...]]:
        named = [place for place, name in enumerate(folder.parts) if split_of(name)]
        if not named:
            mentioned = any(_MENTION.search(name.lower()) for name in folder.parts)
            return -1, "", (MENTION,) if mentioned else ()
        outer, *inner = named
        split, next_to_it = split_of(folder.parts[outer]), self._next_to(folder, outer)
        evals = {name for name in next_to_it if name.lower().startswith("eval")}
        if unclear := {name for name in next_to_it if not split_of(name)} or (
            evals if any(split_of(name) == "val" for name in next_to_it - evals) else set()
        ):
            raise self._adapter.problem(
                f"{folder}: {folder.parts[outer]} is named like a split, but the folders next to it are not",
                found=", ".join(sorted(unclear)),
                fix="rename the folder, or use a table of the files (layout `folder`)",
            )
        inner = [place for place in inner if split_of(folder.parts[place]) != split]
        for place in inner:
            if all(split_of(name) for name in self._next_to(folder, place)):
                raise self._adapter.problem(
                    f"{folder}: {folder.parts[outer]} and {folder.parts[place]} name different splits",
                    fix="rename one of them: the outermost one decides",
                )
        return outer, split, (CATEGORY,) if inner else ()

    def _next_to(self, folder: PurePosixPath, place: int) -> set[str]:
        return self._names[PurePosixPath(*folder.parts[:place])]

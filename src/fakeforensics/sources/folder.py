"""A folder of your own images and videos."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from fakeforensics.params import Name
from fakeforensics.sources.base import (
    IMAGE_SUFFIXES,
    LABEL_NAMES,
    OUTERMOST,
    VIDEO_SUFFIXES,
    AdapterOptions,
    DatasetAdapter,
    Doubts,
    Instructions,
    RawFile,
    Rules,
)
from fakeforensics.sources.split_folders import Split, SplitFolders, split_of

FOLDER_LABELS: dict[str, Literal[0, 1]] = {"0_real": 0, "1_fake": 1}
CSV_LABELS: dict[str, Literal[0, 1]] = {"0": 0, "1": 1, "real": 0, "fake": 1}
REQUIRED = ("path", "label")
OPTIONAL = ("method", "group", "split", "domain")
FRAME = re.compile(r"(?:^|[\W_])(?:frame|frm)[\W_]*\d+$", re.IGNORECASE)
MOST_WORDS = 10  # words of a fake's name that are compared with the names of real files
NUMBERED = (
    "a numbered picture in a folder of its own is a group of its own (`options: {group: folder}` or file)"
)
SEVERAL = "a fake's name fits several real files: in its own folder the first is its original, else none"
DIVIDED = "a fake's name fits a real file of another split"
ABSENT = "the group column names a file that is not listed"


class FolderOptions(AdapterOptions):
    """Settings of the adapter.

    Args:
        csv: A table of the files, relative to the root, which replaces the convention of folders.
        method: The forgery method of fakes for which no folder or column names it.
        domain: The image domain; by default the source's name.
        group: What is a group: each `file` with its edits, or each `folder` of frames with its edits. `auto`
            means the folder for files that are named `frame…`, else the file.
    """

    csv: str | None = None
    method: Name = "fake"
    domain: Name | None = None
    group: Literal["auto", "file", "folder"] = "auto"


class _Place(NamedTuple):
    """The information in the path of a file or in its row of the table, before its original is searched.

    `above` (folders) and `name` (of the file or of its folder) are equal for an original and its edits.
    `group` is the group that the table states; "" if it does not.
    """

    path: PurePosixPath
    label: Literal[0, 1]
    method: str
    domain: str
    split: Split
    above: tuple[str, ...]
    name: str
    group: str
    rules: Rules

    @property
    def unit(self) -> str:
        return self.group or "/".join((*self.above, self.name))


# (split, folders above, words of the name) → up to two different real files. None stands for any value.
_Originals = defaultdict[tuple[Split | None, tuple[str, ...] | None, tuple[str, ...]], dict[str, _Place]]


class Folder(DatasetAdapter):
    """A folder of your own images, videos or both.

    There are two ways to label them. With folders, files are in `0_real/…` and `1_fake/…`. A folder inside
    `1_fake` names the method. The outermost folder that is named like a split (train, val, test), above or
    below these, determines the split. A fake belongs to the group of a real file if its name contains the
    real file's name: `1_fake/faceswap/anna_1.png` belongs to `0_real/anna.jpg`. The frames in a folder
    (`0_real/clip/frame0001.png`) are one group.

    With a table, `options: {csv: labels.csv}`, each row has the columns path (relative to the root), label
    (0, 1, real or fake) and optionally method, group, split (train, val or test) and domain. The group may be
    the file of another row.
    """

    instructions = Instructions(
        tree="0_real/<file>  1_fake/<file>  or  1_fake/<method>/<file>  (train/, val/, test/ at any level)\n"
        "or a table, `options: {csv: labels.csv}`, with the columns path,label,method,group",
        obtain="put your own files there",
    )
    suffixes = IMAGE_SUFFIXES | VIDEO_SUFFIXES
    Options = FolderOptions

    def records(self) -> list[RawFile]:
        """One record per file."""
        places = self._from_folders() if self.options.csv is None else self._from_csv()
        by_name: defaultdict[str, list[_Place]] = defaultdict(list)
        originals: _Originals = defaultdict(dict)
        for place in places:
            if self.options.csv is not None:
                for key in {str(place.path), place.path.name, *([] if place.group else [place.path.stem])}:
                    by_name[key].append(place)
            words = _words(place.name)
            for spot in ((place.split, place.above), (place.split, None), (None, None)):
                if place.label == 0 and len(originals[*spot, words]) < 2:
                    originals[*spot, words].setdefault(place.unit, place)
        joined: list[_Place] = []
        original: dict[PurePosixPath, _Place] = {}
        for place in places:
            if place.group:
                found, rules = self._listed(place, by_name[place.group])
            else:
                found, rules = _fitting(place, originals) if place.label else ([], place.rules)
            if found:
                original[place.path] = found[0]
            joined.append(place._replace(rules=rules))
        return [self._record(place, _end(place, original)) for place in joined]

    def tables(self) -> list[PurePosixPath]:
        """The table of the files, if the options name one."""
        return [] if self.options.csv is None else [PurePosixPath(self.options.csv)]

    def _from_folders(self) -> list[_Place]:
        files = self.files()
        splits = SplitFolders(self, files, FOLDER_LABELS)
        return [self._from_folder(path, *splits.find(path)) for path in files]

    def _from_folder(self, path: PurePosixPath, place: int, split: Split, doubts: Doubts) -> _Place:
        folders = path.parts[:-1]
        labels = [index for index, folder in enumerate(folders) if folder in FOLDER_LABELS]
        if len(labels) != 1:
            raise self.problem(
                f"{path} is in neither 0_real nor 1_fake",
                fix="move it into one of them, out of the source's folder, or use a table",
            )
        label = FOLDER_LABELS[folders[labels[0]]]
        above = [folder for index, folder in enumerate(folders[: labels[0]]) if index != place]
        below = [folder for index, folder in enumerate(folders) if index > labels[0] and index != place]
        method = below[0] if label and below else self.options.method
        if split_of(method):
            raise self.problem(f"{path}: the method {method} is named like a split", fix="rename the folder")
        # An edit in 1_fake/<method> is one level deeper than its photograph in 0_real.
        shared, name = self._unit(path, (*above, *below[label:]), below)
        doubts += self._numbered(name) if below[label:] else ()
        shared = (split, *shared) if split else shared
        rules = Rules(OUTERMOST if split else "", "file name", "folder 0_real or 1_fake", doubts)
        return _Place(path, label, method, "", split, shared, name, "", rules)

    def _unit(
        self, path: PurePosixPath, shared: tuple[str, ...], below: Sequence[str] = ()
    ) -> tuple[tuple[str, ...], str]:
        """The folders and the name that an original shares with its edits; a frame has those of its clip."""
        name = path.stem if self.options.group == "file" else FRAME.sub("", path.stem)
        if self.options.group == "folder" or not name:
            *folders, name = shared or below[-1:] or [path.stem]
            return tuple(folders), name
        return shared, name

    def _numbered(self, name: str) -> Doubts:
        return (NUMBERED,) if self.options.group == "auto" and name.isdigit() else ()

    def _from_csv(self) -> list[_Place]:
        table = self.root / self.options.csv
        if not table.is_file():
            raise self.problem(f"{table}: no such file")
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            columns = set(rows.fieldnames or ())
            if not columns.issuperset(REQUIRED) or not columns.issubset({*REQUIRED, *OPTIONAL}):
                raise self.problem(
                    f"{table}: wrong columns",
                    found=", ".join(rows.fieldnames or ()) or "an empty file",
                    fix="path and label are required; optional are " + ",".join(OPTIONAL),
                )
            places = [self._from_row(f"{table}, line {rows.line_num}", row) for row in rows]
        counts = Counter(place.path for place in places)
        twice = [path for path, count in counts.items() if count > 1]
        if twice:
            raise self.problem(f"{table}: {twice[0]} is listed twice", fix="keep one of the lines")
        splits = SplitFolders(self, [place.path for place in places if not place.split])
        places = [place if place.split else _with_split(place, *splits.find(place.path)) for place in places]
        return sorted(places, key=lambda place: os.fsencode(str(place.path)))

    def _from_row(self, where: str, row: Mapping[str | None, str | None]) -> _Place:
        text = {column: (value or "").strip() for column, value in row.items() if column is not None}
        path = PurePosixPath(text["path"])
        if path.is_absolute() or ".." in path.parts or not (self.root / path).is_file():
            raise self.problem(
                f"{where}: no file {text['path']!r} in the source's folder",
                fix="give the path relative to that folder, or remove the line",
            )
        label = CSV_LABELS.get(text["label"].lower())
        split = split_of(text.get("split", ""))
        method = text.get("method") or self.options.method
        if label is None or (text.get("split") and not split) or (label and split_of(method)):
            raise self.problem(
                f"{where}: label {text['label']!r}, split {text.get('split', '')!r}, method {method!r}",
                fix="label: 0, real, 1 or fake; split: train, val, test or empty; "
                "method: not the name of a split",
            )
        outermost = next(filter(None, map(split_of, path.parts[:-1])), "")
        if split and split != outermost == "test":
            raise self.problem(
                f"{where}: {path} is below a test folder, but its split is {split}",
                fix="rename the folder, or correct the column split",
            )
        above, name = self._unit(path, path.parts[:-1])
        group, split_rule = text.get("group", ""), "csv column split" if split else ""
        doubts = self._numbered(name) if above and not group else ()
        rules = Rules(split_rule, "csv column group" if group else "file name", "csv column label", doubts)
        return _Place(path, label, method, text.get("domain", ""), split, above, name, group, rules)

    def _listed(self, place: _Place, found: Sequence[_Place]) -> tuple[Sequence[_Place], Rules]:
        """The rows whose file is named as the group of `place`, and the rules with what was found."""
        found = [one for one in found if one.path.parent == place.path.parent] or found
        if len(found) > 1:
            raise self.problem(
                f"{self.options.csv}: the group of {place.path} names several files",
                found=f"{place.group}: " + ", ".join(str(one.path) for one in found),
                fix="name the file by its path in the table",
            )
        is_absent = not found and PurePosixPath(place.group).suffix.lower() in self.suffixes
        rule = place.rules.group + (", another row's file" if found else "")
        return found, place.rules._replace(group=rule, doubts=(ABSENT,) if is_absent else place.rules.doubts)

    def _record(self, place: _Place, end: _Place) -> RawFile:
        kind: Literal["image", "video"] = "video" if place.path.suffix.lower() in VIDEO_SUFFIXES else "image"
        return RawFile(
            path=str(place.path),
            kind=kind,
            method=place.method if place.label else "real",
            domain=place.domain or self.options.domain or self.name,
            label=place.label,
            group=f"{self.name}/{end.unit}",
            own_split=place.split,
            video=self.own_group(place.path) if kind == "video" else "",
            rules=place.rules,
        )


def _with_split(place: _Place, _: int, split: Split, doubts: Doubts) -> _Place:
    rules = place.rules._replace(split=OUTERMOST if split else "", doubts=(*place.rules.doubts, *doubts))
    return place._replace(split=split, rules=rules)


def _end(place: _Place, original: Mapping[PurePosixPath, _Place]) -> _Place:
    """Follow the chain of originals from a file to its last one; in a circle, to its first file by name."""
    chain = [place]
    while following := original.get(chain[-1].path):
        paths = [one.path for one in chain]
        if following.path in paths:
            return min(chain[paths.index(following.path) :])._replace(group="")
        chain.append(following)
    return chain[-1]


def _words(name: str) -> tuple[str, ...]:
    words = tuple(re.findall(r"[^\W_]+", name.casefold()))
    others = tuple(word for word in words if word not in LABEL_NAMES)
    return others if re.search(r"[^\W\d]", "".join(others)) else words


def _fitting(fake: _Place, originals: _Originals) -> tuple[Sequence[_Place], Rules]:
    """Find the real file whose name has the most words of the fake's name, in the same order.

    All words of the real file's name must occur: `anna_1` contains anna, and `06_27__couch__X` contains
    `06__couch`. The fake's own folder is searched first, then real files next to that folder (`anna/1` and
    `anna`), then all files of the split, then all files.

    Args:
        fake: The fake.
        originals: The real files.

    Returns:
        The real file, or nothing if none fits or the match is not clear; and the rules with what was found.
    """
    words, above = _words(fake.name), fake.above
    for split, folder, searched in (
        (fake.split, above, words),
        (fake.split, above[:-1], _words("".join(above[-1:]))),
        (fake.split, None, words),
        (None, None, words),
    ):
        for count in range(min(len(searched), MOST_WORDS), 0, -1):
            found: dict[str, _Place] = {}
            for held in combinations(searched[:MOST_WORDS], count):
                found |= originals.get((split, folder, held), {})
            if found:
                is_clear = split is not None and (folder is not None or len(found) == 1)
                doubts = tuple(doubt for doubt in fake.rules.doubts if not (is_clear and doubt == NUMBERED))
                doubts += (DIVIDED,) if split is None else (SEVERAL,) if len(found) > 1 else ()
                rule = "file name, which holds its original's" if is_clear else fake.rules.group
                rules = fake.rules._replace(group=rule, doubts=doubts)
                return list(found.values())[:1] if is_clear else [], rules
    return [], fake.rules

"""A folder of your own images and videos."""

from __future__ import annotations

import csv
import os
from collections import Counter
from pathlib import PurePosixPath
from typing import Literal

from fakeforensics.params import Name
from fakeforensics.sources.base import (
    IMAGE_SUFFIXES,
    SPLIT_FOLDERS,
    VIDEO_SUFFIXES,
    AdapterOptions,
    DatasetAdapter,
    Instructions,
    RawFile,
    Split,
)

FOLDER_LABELS: dict[str, Literal[0, 1]] = {"0_real": 0, "1_fake": 1}
CSV_LABELS: dict[str, Literal[0, 1]] = {"0": 0, "1": 1, "real": 0, "fake": 1}
REQUIRED = ("path", "label")
OPTIONAL = ("method", "group", "split", "domain")


class FolderOptions(AdapterOptions):
    """Settings of the adapter.

    Args:
        csv: A table of the files, relative to the root, instead of the folder convention.
        method: What made the fakes, where no folder or column says so.
        domain: The image domain; by default the source's name.
    """

    csv: str | None = None
    method: Name = "fake"
    domain: Name | None = None


class Folder(DatasetAdapter):
    """A folder of your own: images, videos or both.

    By folders: `0_real/…` and `1_fake/…`, where a folder inside `1_fake` names the method; a split folder
    (train, val, test) may be above. Files of the same name on both sides (`0_real/anna.jpg`,
    `1_fake/faceswap/anna.png`) are one group: the edit belongs to its original.

    By a table, `options: {csv: labels.csv}`, with the columns path (relative to the root), label (0, 1, real
    or fake) and optionally method, group, split (train, val or test) and domain.
    """

    instructions = Instructions(
        tree="0_real/<file>  1_fake/<file>  or  1_fake/<method>/<file>  (train/, val/, test/ may be above)\n"
        "or a table, `options: {csv: labels.csv}`, with the columns path,label,method,group",
        obtain="put your own files there",
    )
    Options = FolderOptions

    def records(self) -> list[RawFile]:
        """One record per file."""
        if self.options.csv is not None:
            return self._from_csv()
        return [self._from_folders(path) for path in self.files(IMAGE_SUFFIXES | VIDEO_SUFFIXES)]

    def tables(self) -> list[PurePosixPath]:
        """The table of the files, if the options name one."""
        return [] if self.options.csv is None else [PurePosixPath(self.options.csv)]

    def _from_folders(self, path: PurePosixPath) -> RawFile:
        folders = path.parts[:-1]
        places = [index for index, folder in enumerate(folders) if folder in FOLDER_LABELS]
        if len(places) != 1:
            raise self.problem(
                f"{path} is in neither 0_real nor 1_fake",
                fix="move it into one of them, out of the source's folder, or use a table",
            )
        above, below = folders[: places[0]], folders[places[0] + 1 :]
        label = FOLDER_LABELS[folders[places[0]]]
        # With one folder per method in 1_fake, the same photograph is one level deeper than in 0_real.
        shared = below[1:] if label and below else below
        splits = [SPLIT_FOLDERS[folder.lower()] for folder in above if folder.lower() in SPLIT_FOLDERS]
        method = below[0] if below else self.options.method
        group = "/".join([*above, *shared, path.stem])
        return self._record(path, label, method, group, splits[-1] if splits else "", domain="")

    def _from_csv(self) -> list[RawFile]:
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
            records = [self._from_row(f"{table}, line {rows.line_num}", row) for row in rows]
        counts = Counter(record.path for record in records)
        twice = [path for path, count in counts.items() if count > 1]
        if twice:
            raise self.problem(f"{table}: {twice[0]} is listed twice", fix="keep one of the lines")
        return sorted(records, key=lambda record: os.fsencode(record.path))

    def _from_row(self, where: str, row: dict[str, str]) -> RawFile:
        text = {column: (value or "").strip() for column, value in row.items() if column is not None}
        path = PurePosixPath(text["path"])
        if path.is_absolute() or ".." in path.parts or not (self.root / path).is_file():
            raise self.problem(
                f"{where}: no file {text['path']!r} in the source's folder",
                fix="give the path relative to it, or remove the line",
            )
        label = CSV_LABELS.get(text["label"].lower())
        split = text.get("split", "").lower()
        if label is None or (split and split not in SPLIT_FOLDERS):
            raise self.problem(
                f"{where}: label {text['label']!r}, split {split!r}",
                fix="label is 0 or real, 1 or fake; split is train, val, test or empty",
            )
        method = text.get("method") or self.options.method
        group = text.get("group") or str(path.with_suffix(""))
        return self._record(path, label, method, group, SPLIT_FOLDERS.get(split, ""), text.get("domain", ""))

    def _record(
        self,
        path: PurePosixPath,
        label: Literal[0, 1],
        method: str,
        group: str,
        split: Split,
        domain: str = "",
    ) -> RawFile:
        kind: Literal["image", "video"] = "video" if path.suffix.lower() in VIDEO_SUFFIXES else "image"
        return RawFile(
            path=str(path),
            kind=kind,
            method=method if label else "real",
            domain=domain or self.options.domain or self.name,
            label=label,
            group=f"{self.name}/{group}",
            own_split=split,
            video=self.own_group(path) if kind == "video" else "",
        )

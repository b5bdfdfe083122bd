"""DFDC: the Deepfake Detection Challenge, whose metadata.json files say which videos are fake."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Literal, NamedTuple

from fakeforensics.reading import read_json, read_text
from fakeforensics.sources.base import (
    ITSELF,
    LABEL_NAMES,
    VIDEO_SUFFIXES,
    AdapterOptions,
    CountCheck,
    DatasetAdapter,
    Instructions,
    RawFile,
    Rules,
)
from fakeforensics.sources.split_folders import Split, split_of

METADATA = "metadata.json"
TESTS = "labels.csv"
METADATA_LABELS: Mapping[str, Literal[0, 1]] = {"REAL": 0, "FAKE": 1}
TEST_LABELS: Mapping[str, Literal[0, 1]] = {"0": 0, "1": 1}
# The training set: 119,154 clips, of which 100,000 are fake.
TRAINING = (19_154, 100_000)
RESTORE = "restore the file from the data set"
NO_ORIGINAL = "a fake whose original its list does not name"


class _Entry(NamedTuple):
    """The entry of a video in a list. `original` names the video that a fake was made from; or it is ""."""

    table: PurePosixPath
    label: Literal[0, 1]
    split: Split
    original: str


class DFDC(DatasetAdapter):
    """DFDC, the full data set: 119,154 training clips of 486 subjects, of which 100,000 are fake.

    Each training part holds a `metadata.json` with the label and the split of each video, which is always
    `train`. For a fake it also names the `original` that it was made from, which is its group. `labels.csv`
    (filename, label; 1 means fake) lists the test videos without originals, so each is a separate group.

    The lists name neither persons nor methods. So the same actor may be in training and validation, and all
    fakes have the method `dfdc`. The data set is available at https://ai.meta.com/datasets/dfdc.

    Cite: Dolhansky et al., The DeepFake Detection Challenge (DFDC) Dataset, arXiv:2006.07397, 2020.
    """

    instructions = Instructions(
        tree="dfdc_train_part_0/metadata.json  dfdc_train_part_0/<video>.mp4 …  to dfdc_train_part_49/\n"
        "test/labels.csv  test/<video>.mp4 …   (optional)\n"
        "(folders above these, and a folder videos/ around the videos, are accepted)",
        obtain="accept the terms at https://ai.meta.com/datasets/dfdc and unpack all parts of the training "
        "set, and the test set with its labels.csv",
    )
    suffixes = VIDEO_SUFFIXES
    Options = AdapterOptions

    @classmethod
    def expected_counts(cls, records: Sequence[RawFile]) -> Iterator[CountCheck]:
        """Compare the numbers of training videos by class. The number of test videos was not published."""
        found: Counter[int] = Counter(record.label for record in records if record.own_split != "test")
        for label, expected in enumerate(TRAINING):
            name = f"training videos, {LABEL_NAMES[label]}"
            yield CountCheck(name, found[label], expected, "exactly", "arXiv:2006.07397")

    def records(self) -> list[RawFile]:
        """One record per video.

        Raises:
            UserError: If a video is on no list, or lists are faulty or contradict each other.
        """
        listed = self._lists()
        entries = {path: self._entry(path, listed) for path in self.files()}
        fakes = {path.name for path, entry in entries.items() if entry.label and entry.original}
        return [self._record(path, entry, fakes) for path, entry in entries.items()]

    def tables(self) -> list[PurePosixPath]:
        """The lists: every metadata.json and labels.csv."""
        return [path for path in self.all_files() if path.name in {METADATA, TESTS}]

    def _entry(self, path: PurePosixPath, listed: Mapping[PurePosixPath, Mapping[str, _Entry]]) -> _Entry:
        parent = path.parent.parent if path.parent.name == "videos" else path.parent
        entry = listed.get(parent, {}).get(path.name)
        if entry is None:
            raise self.problem(
                f"{path}: no list names this video, so its label is not known",
                expected=f"its name in {parent / METADATA} or {parent / TESTS}",
                found=str(next(iter(listed[parent].values())).table)
                if listed.get(parent)
                else "no such file",
                fix="put the list of its part next to the videos, or remove the video",
            )
        folder = next(filter(None, map(split_of, path.parts[:-1])), "")
        if folder and folder != entry.split:
            raise self.problem(
                f"{path}: its folder and its list name different splits",
                expected=f"the split {entry.split or 'of no folder'}, as {entry.table} says",
                found=f"a folder that means {folder}",
                fix="restore the original folders",
            )
        return entry

    def _record(self, path: PurePosixPath, entry: _Entry, fakes: set[str]) -> RawFile:
        if entry.original in fakes:
            raise self.problem(
                f"{entry.table}: the original of {path.name} is also a fake",
                expected="the name of a real video",
                found=entry.original,
                fix=RESTORE,
            )
        from_training = entry.table.name == METADATA
        has_original = entry.label == 1 and entry.original != ""
        return RawFile(
            path=str(path),
            kind="video",
            method="dfdc" if entry.label else "real",
            domain="dfdc",
            label=entry.label,
            # The names are random letters and unique in the data set, also across its parts.
            group=f"{self.name}/{PurePosixPath(entry.original or path.name).stem}",
            own_split=entry.split,
            video=self.own_group(path),
            rules=Rules(
                split=f"official list {entry.table.name}" if entry.split else "",
                group=f"original in {METADATA}" if has_original else ITSELF,
                label=f"official list {entry.table.name}",
                doubts=(NO_ORIGINAL,) if entry.label and from_training and not has_original else (),
            ),
        )

    def _lists(self) -> dict[PurePosixPath, dict[str, _Entry]]:
        """Folder → name of a video → its entry in the folder's list."""
        found: dict[PurePosixPath, dict[str, _Entry]] = {}
        places: dict[str, PurePosixPath] = {}
        for table in self.tables():
            entries = self._metadata(table) if table.name == METADATA else self._tests(table)
            for name in entries:
                if name in places:
                    raise self.problem(
                        f"{table}: {name} is also on another list",
                        expected="each video on one list",
                        found=str(places[name]),
                        fix="remove the copy of the part or of its list",
                    )
                places[name] = table
            found.setdefault(table.parent, {}).update(entries)
        if not found:
            raise self.problem(f"no {METADATA} and no {TESTS} below {self.root}", fix=RESTORE)
        return found

    def _metadata(self, table: PurePosixPath) -> dict[str, _Entry]:
        values = read_json(self.root / table, RESTORE)
        return {name: self._from_metadata(table, name, value) for name, value in values.items()}

    def _from_metadata(self, table: PurePosixPath, name: str, value: Any) -> _Entry:
        value = value if isinstance(value, dict) else {}
        label, split, original = value.get("label"), value.get("split") or "", value.get("original") or ""
        are_texts = all(isinstance(text, str) for text in (label, split, original))
        if not are_texts or label not in METADATA_LABELS or (split and not split_of(split)):
            raise self.problem(
                f"{self.root / table}: {name}: not an entry of the data set",
                expected='{"label": "FAKE", "split": "train", "original": "<video>.mp4"}, or "REAL" without '
                "an original",
                found=str(value),
                fix=RESTORE,
            )
        return _Entry(table, METADATA_LABELS[label], split_of(split), original if label == "FAKE" else "")

    def _tests(self, table: PurePosixPath) -> dict[str, _Entry]:
        text = read_text(self.root / table, RESTORE).removeprefix("\ufeff")
        rows = csv.DictReader(io.StringIO(text))
        columns = rows.fieldnames or ()
        found: dict[str, _Entry] = {}
        for row in rows if {"filename", "label"} <= set(columns) else ():
            name, label = (row["filename"] or "").strip(), TEST_LABELS.get((row["label"] or "").strip())
            if label is None or not name or name in found:
                raise self.problem(
                    f"{self.root / table}, line {rows.line_num}: not a line of the list, or a repeated one",
                    expected="a file name and 0 (real) or 1 (fake)",
                    found=f"{row['filename']},{row['label']}",
                    fix=RESTORE,
                )
            found[name] = _Entry(table, label, "test", "")
        if not found:
            raise self.problem(
                f"{self.root / table}: no video is listed",
                expected="the columns filename and label, and a line for each video",
                found=", ".join(columns) or "an empty file",
                fix=RESTORE,
            )
        return found

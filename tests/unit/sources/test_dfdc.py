import json
from pathlib import Path
from typing import Any

import pytest

from fakeforensics.errors import UserError
from fakeforensics.sources.base import FAKES_ONLY, RawFile, decisions, read_records
from fakeforensics.sources.dfdc import DFDC, NO_ORIGINAL
from tests.unit.sources.conftest import Tree

REAL, FAKE, SECOND = "gzesfubacw.mp4", "iqqejyggsm.mp4", "aagfhgtpmv.mp4"
PART = {
    REAL: {"label": "REAL", "split": "train"},
    FAKE: {"label": "FAKE", "split": "train", "original": REAL},
    SECOND: {"label": "FAKE", "split": "train", "original": REAL},
}


def make(tree: Tree, entries: Any = PART, folder: str = "dfdc_train_part_0", videos: str = "") -> DFDC:
    root = tree(f"{folder}/{videos}{name}" for name in (REAL, FAKE, SECOND))
    (root / folder / "metadata.json").write_text(json.dumps(entries))
    return DFDC("d", root)


@pytest.mark.parametrize("videos", ["", "videos/"])
@pytest.mark.parametrize("folder", ["dfdc_train_part_0", "train/dfdc_train_part_00/dfdc_train_part_0"])
def test_the_list_next_to_a_video_says_label_split_and_original(tree: Tree, folder: str, videos: str) -> None:
    records = {Path(record.path).name: record for record in make(tree, PART, folder, videos).records()}
    assert {name: record.label for name, record in records.items()} == {REAL: 0, FAKE: 1, SECOND: 1}
    assert {record.group for record in records.values()} == {"d/gzesfubacw"}
    assert {record.own_split for record in records.values()} == {"train"}
    assert (records[FAKE].method, records[REAL].method) == ("dfdc", "real")
    assert all(record.identities == () for record in records.values())


def test_an_original_in_another_part_is_the_same_group(tree: Tree) -> None:
    root = tree([f"part_0/{REAL}", f"part_1/{FAKE}"])
    (root / "part_0/metadata.json").write_text(json.dumps({REAL: PART[REAL]}))
    (root / "part_1/metadata.json").write_text(json.dumps({FAKE: PART[FAKE]}))
    assert {record.group for record in read_records(DFDC("d", root))} == {"d/gzesfubacw"}


def test_what_no_list_says_is_counted(tree: Tree) -> None:
    entries = PART | {
        FAKE: {"label": "FAKE", "split": "train", "original": "absent.mp4"},
        SECOND: {"label": "FAKE", "original": None},
    }
    records = read_records(make(tree, entries))
    # Both fakes have no real file in their groups; the second is a group of its own.
    assert decisions(records)["doubts"] == {FAKES_ONLY: 1, NO_ORIGINAL: 1}
    assert [record.own_split for record in records] == ["", "train", "train"]


def test_the_test_videos_are_those_of_labels_csv(tree: Tree) -> None:
    root = tree(["test/a.mp4", "test/videos/b.mp4"])
    (root / "test/labels.csv").write_text("filename,label\na.mp4,0\nb.mp4,1\n")
    adapter = DFDC("d", root)
    records = adapter.records()
    found = [(record.label, record.own_split, record.group) for record in records]
    assert found == [(0, "test", "d/a"), (1, "test", "d/b")]
    # The lists of the test set never name originals, so that is no doubt.
    assert decisions(records)["doubts"] == {}
    assert [str(path) for path in adapter.tables()] == ["test/labels.csv"]


@pytest.mark.parametrize(
    "entry",
    [
        {"label": "fake", "split": "train", "original": REAL},
        {"label": "FAKE", "split": "part 0", "original": REAL},
        {"label": "FAKE", "split": "train", "original": [REAL]},
        {"label": ["FAKE"]},
        {"is_fake": 1},
        "FAKE",
    ],
)
def test_an_entry_of_another_form_is_refused(tree: Tree, entry: Any) -> None:
    with pytest.raises(UserError, match=f"metadata.json: {FAKE}: not an entry"):
        make(tree, PART | {FAKE: entry}).records()


def test_a_video_on_no_list_is_refused(tree: Tree) -> None:
    adapter = make(tree)
    tree(["dfdc_train_part_0/other.mp4"])
    with pytest.raises(UserError, match=r"dfdc_train_part_0/other\.mp4: no list names this video"):
        adapter.records()
    tree(["dfdc_train_part_0/other.mp4", "dfdc_train_part_1/more.mp4"])
    (adapter.root / "dfdc_train_part_0/other.mp4").unlink()
    with pytest.raises(UserError, match=r"dfdc_train_part_1/more\.mp4: no list names this video"):
        adapter.records()


def test_lists_that_contradict_are_refused(tree: Tree) -> None:
    adapter = make(tree)
    (adapter.root / "copy").mkdir()
    (adapter.root / "copy/metadata.json").write_text(json.dumps({FAKE: {"label": "REAL", "split": "train"}}))
    with pytest.raises(UserError, match=f"{FAKE} is also on another list"):
        adapter.records()


def test_a_fake_of_a_fake_is_refused(tree: Tree) -> None:
    entries = PART | {SECOND: {"label": "FAKE", "split": "train", "original": FAKE}}
    with pytest.raises(UserError, match=f"the original of {SECOND} is also a fake"):
        make(tree, entries).records()


def test_a_training_part_in_a_test_folder_is_refused(tree: Tree) -> None:
    with pytest.raises(UserError, match="its folder and its list name different splits"):
        make(tree, PART, "test/dfdc_train_part_0").records()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("filename,label\na.mp4,fake\n", "line 2: not a line"),
        ("filename,label\na.mp4,0\na.mp4,1\n", "line 3: not a line"),
        ("filename,label\n", "no video is listed"),
        ("name,label\na.mp4,0\n", "no video is listed"),
        ("", "no video is listed"),
    ],
)
def test_a_faulty_list_of_tests_is_refused(tree: Tree, text: str, complaint: str) -> None:
    root = tree(["test/a.mp4"])
    (root / "test/labels.csv").write_text(text)
    with pytest.raises(UserError, match=complaint):
        DFDC("d", root).records()


def test_no_list_at_all_and_a_broken_one(tree: Tree) -> None:
    root = tree([f"part_0/{REAL}"])
    with pytest.raises(UserError, match=r"no metadata\.json and no labels\.csv"):
        DFDC("d", root).records()
    (root / "part_0/metadata.json").write_text('{"a.mp4": {"label": "REAL"}, "a.mp4": {"label": "FAKE"}}')
    with pytest.raises(UserError, match="not valid JSON"):
        DFDC("d", root).records()


def test_the_training_set_is_counted_by_class() -> None:
    def records(label: int, count: int, split: str) -> list[RawFile]:
        method = "dfdc" if label else "real"
        return [
            RawFile(f"{split}{label}{n}.mp4", "video", method, "dfdc", label, str(n), own_split=split)  # type: ignore[arg-type]
            for n in range(count)
        ]

    found = [*records(0, 19_154, "train"), *records(1, 3, "train"), *records(1, 5, "test")]
    counts = {count.name: (count.found, count.is_met) for count in DFDC.expected_counts(found)}
    assert counts == {"training videos, real": (19_154, True), "training videos, fake": (3, False)}

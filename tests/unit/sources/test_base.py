import os
from dataclasses import replace
from pathlib import Path

import pytest

from fakeforensics.errors import UserError
from fakeforensics.sources.base import NO_RULES, CountCheck, decisions, read_records
from fakeforensics.sources.folder import Folder
from tests.unit.sources.conftest import Tree


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no image or video"):
        read_records(Folder("mine", tmp_path))


def test_hidden_files_and_what_archives_leave_behind_are_not_read(tree: Tree) -> None:
    root = tree(
        ["0_real/a.png", "0_real/._a.png", "__MACOSX/0_real/a.png", ".cache/0_real/b.png", "0_real/Thumbs.db"]
    )
    assert [record.path for record in Folder("f", root).records()] == ["0_real/a.png"]


def test_links_are_followed_but_never_in_circles(tree: Tree) -> None:
    root = tree(["data/0_real/a.png"])
    (root / "data" / "1_fake").symlink_to(root / "data" / "0_real")
    (root / "data" / "0_real" / "again").symlink_to(root / "data")
    records = Folder("f", root / "data").records()
    assert [record.path for record in records] == ["0_real/a.png", "1_fake/a.png"]


def test_names_with_spaces_accents_and_broken_bytes_survive(tmp_path: Path) -> None:
    (tmp_path / "0_real").mkdir()
    names = ["0_real/a b é.png", os.fsdecode(b"0_real/\xff.png")]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    records = Folder("f", tmp_path).records()
    assert [record.path for record in records] == names
    assert all((tmp_path / record.path).is_file() for record in records)


def test_at_least_and_exactly() -> None:
    assert CountCheck("x", 12, 10, "at least", "t").is_met
    assert not CountCheck("x", 12, 10, "exactly", "t").is_met
    assert not CountCheck("x", 9, 10, "at least", "t").is_met


def test_an_adapter_that_names_no_rules_is_counted_as_such(tree: Tree) -> None:
    records = [replace(one, rules=NO_RULES) for one in Folder("f", tree(["0_real/a.png"])).records()]
    assert decisions(records) == {
        "split": {"none: drawn at random, by identity or group": 1},
        "group": {"not named by the adapter": 1},
        "label": {"not named by the adapter": 1},
        "doubts": {},
    }

"""The inputs stage: what the sources of one protocol hold."""

import json
from pathlib import Path

import pytest

from fakeforensics.errors import UserError
from stages.inputs import main

PROTOCOL = "title: t\ntrain: [{source: b}]\ntest: {x: [{source: a}], y: [{source: gone}]}\n"


def inputs(folder: Path, contents: dict[str, dict[str, str]]) -> dict[str, dict[str, str] | None]:
    (folder / "p.yaml").write_text(PROTOCOL)
    (folder / "contents.json").write_text(json.dumps(contents))
    main("p", folder / "contents.json", folder, folder / "inputs")
    found: dict[str, dict[str, str] | None] = json.loads((folder / "inputs/p.json").read_text())
    return found


def test_it_holds_what_the_protocol_trains_and_tests_on_and_no_other_source(tmp_path: Path) -> None:
    ours = {"a": {"index.parquet": "1"}, "b": {"index.parquet": "2"}}
    # `gone` is not configured, and what `other` holds changes nothing.
    assert inputs(tmp_path, ours) == ours | {"gone": None}
    assert inputs(tmp_path, ours | {"other": {"index.parquet": "3"}}) == ours | {"gone": None}


def test_a_changed_source_changes_it(tmp_path: Path) -> None:
    ours = {"a": {"index.parquet": "1"}, "b": {"index.parquet": "2"}}
    before = inputs(tmp_path, ours)
    assert inputs(tmp_path, ours | {"a": {"index.parquet": "9"}}) != before


def test_hashes_of_another_type_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"contents\.json: `a\.index\.parquet` should be text"):
        inputs(tmp_path, {"a": {"index.parquet": 1}})  # type: ignore[dict-item]

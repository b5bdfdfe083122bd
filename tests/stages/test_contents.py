"""The contents stage: what the images of each source are."""

import hashlib
import json
from pathlib import Path

import pytest

from fakeforensics.errors import UserError
from fakeforensics.reading import read_json
from stages.contents import main


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for source in ("a", "b"):
        folder = tmp_path / "images" / source
        folder.mkdir(parents=True)
        (folder / "shard-00000.tar").write_bytes(b"pixels")
        (folder / "index.parquet").write_bytes(b"index of " + source.encode())
        (folder / "rejected.csv").write_text("")
    (tmp_path / "params.yaml").write_text(
        "protocols: [p]\ndetectors: [bce]\ncompare: {baseline: bce}\n"
        "sources: {b: {layout: folder, root: b}, a: {layout: folder, root: a}}\n"
    )
    return tmp_path


def contents(project: Path) -> dict[str, dict[str, str]]:
    main(project / "params.yaml", project / "images", project / "contents.json")
    found: dict[str, dict[str, str]] = json.loads((project / "contents.json").read_text())
    return found


def test_each_source_has_the_hashes_of_its_index_and_lists(project: Path) -> None:
    found = contents(project)
    assert list(found) == ["a", "b"]  # whatever the order in params.yaml
    digest = hashlib.sha256(b"index of a").hexdigest()
    assert found["a"] == {"index.parquet": digest, "rejected.csv": hashlib.sha256(b"").hexdigest()}


def test_a_lost_source_is_noticed_by_whoever_reads_the_hashes(project: Path) -> None:
    contents(project)
    path = project / "contents.json"
    path.write_text('{"a": {}}')
    with pytest.raises(UserError, match=r"contents\.json: changed"):
        read_json(path)


def test_a_changed_index_changes_its_own_source_alone(project: Path) -> None:
    before = contents(project)
    (project / "images/a/index.parquet").write_bytes(b"another index")
    after = contents(project)
    assert after["a"] != before["a"]
    assert after["b"] == before["b"]


def test_a_source_that_params_does_not_name_is_left_out(project: Path) -> None:
    before = contents(project)
    (project / "images/c").mkdir()
    (project / "images/c/index.parquet").write_bytes(b"left by an earlier run")
    assert contents(project) == before

"""The splits stage on an index of a dozen images."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fakeforensics.errors import UserError
from fakeforensics.files import write_parquet
from fakeforensics.images.index import INDEX_COLUMNS, INDEX_SCHEMA
from fakeforensics.images.manifest import read_manifest
from fakeforensics.metrics.files import read_counts
from stages import splits
from tests.unit.splits.conftest import index, row

ROOT = Path(__file__).parents[2]
PROTOCOL = "title: A tiny test\ntrain: [{source: mine}]\ntest: {seen: [{source: mine}]}\n"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stages.splits", "--protocol", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )


def make(folder: Path) -> Path:
    """A project after the stage `faces`."""
    rows = index(
        [row("mine", f"{method}/{n}.png", method=method) for method in ("real", "edit") for n in range(6)]
    )
    (folder / "data/images/mine").mkdir(parents=True)
    table = pa.Table.from_pandas(rows[list(INDEX_COLUMNS)], schema=INDEX_SCHEMA, preserve_index=False)
    pq.write_table(table, folder / "data/images/mine/index.parquet")
    (folder / "data/images/mine/decisions.json").write_text("{}")
    (folder / "protocols").mkdir()
    (folder / "protocols/p.yaml").write_text(PROTOCOL)
    (folder / "protocols/q.yaml").write_text(PROTOCOL.replace("mine", "celeb_df"))
    (folder / "params.yaml").write_text(
        "protocols: [p, q]\nsources: {mine: {layout: folder, root: raw}}\nsplits: {audit_images: 0}\n"
        "detectors: [bce]\ncompare: {baseline: bce}\n"
    )
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make(tmp_path)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A project in which the command has run, and what it printed; tests take copies."""
    folder = make(tmp_path_factory.mktemp("done"))
    return folder, run(folder, "p")


@pytest.fixture
def cut(done: tuple[Path, Any], tmp_path: Path) -> Path:
    """A copy of the project with its manifests."""
    return shutil.copytree(done[0], tmp_path / "cut")


def test_a_source_without_its_record_of_decisions_is_refused(project: Path, monkeypatch) -> None:
    monkeypatch.chdir(project)
    (project / "data/images/mine/decisions.json").unlink()
    with pytest.raises(UserError, match=r"decisions\.json: no such file"):
        splits.main("p")
    assert not (project / "data/manifests/p").exists()


def test_manifests_and_counts_are_written_and_shown(done) -> None:
    project, said = done
    assert said.returncode == 0, said.stderr
    folder = project / "data/manifests/p"
    parts = {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("train", "val", "test")}
    # 6 groups of each class: round(6 * 0.25) = 2 test, round(6 * 0.15) = 1 validation, 3 train.
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 6, "val": 2, "test": 4}
    assert list(parts["train"]) == [*INDEX_COLUMNS, "split", "test_set"]
    assert set(parts["test"]["test_set"]) == {"seen"}
    # no reference set: its manifest is empty
    reference = pd.read_parquet(folder / "reference.parquet")
    assert reference.empty
    assert "reference_class" in reference
    counts = json.loads((folder / "counts.json").read_text())
    assert counts["train"]["methods"] == {"faces/edit": 3, "faces/real": 3}
    assert "test seen" in said.stdout
    audit = json.loads((folder / "audit.json").read_text())
    assert audit["warnings"] == []
    assert "near_across_splits" not in audit["copies"]  # audit_images is 0
    assert (folder / "protocol.yaml").read_bytes() == (project / "protocols/p.yaml").read_bytes()


def test_a_manifest_with_another_row_or_another_value_is_refused(cut: Path) -> None:
    """Each of these is a valid manifest; only the list of digests tells."""
    path = cut / "data/manifests/p/val.parquet"
    rows = read_manifest(path)
    for other in (
        pd.concat([rows, rows[rows["label"] == 0]]),
        rows[:1],
        rows.assign(label=1 - rows["label"]),
    ):
        write_parquet(path, other)
        with pytest.raises(UserError, match=r"val\.parquet: changed since it was written(.|\n)*splits stage"):
            read_manifest(path)
    counts = path.with_name("counts.json")
    counts.write_text(counts.read_text().replace('"real": 3', '"real": 4'))
    with pytest.raises(UserError, match=r"counts\.json: changed since it was written"):
        read_counts(counts)


def test_the_same_input_gives_the_same_bytes(cut: Path) -> None:
    first = {path.name: path.read_bytes() for path in (cut / "data/manifests/p").iterdir()}
    assert run(cut, "p").returncode == 0  # in another process, where sets have another order
    assert first == {path.name: path.read_bytes() for path in (cut / "data/manifests/p").iterdir()}


def test_a_protocol_whose_source_is_not_configured_fails_at_once(project: Path, monkeypatch) -> None:
    monkeypatch.chdir(project)
    with pytest.raises(UserError, match=r"celeb_df: \{layout: …, root: …\}"):
        splits.main("q")
    assert not (project / "data/manifests/q").exists()


def test_an_image_that_is_not_the_indexed_one_is_named(project: Path, monkeypatch) -> None:
    monkeypatch.chdir(project)
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("audit_images: 0", "audit_images: 12"))
    rows = pd.read_parquet(project / "data/images/mine/index.parquet")
    for name, ends in rows.assign(end=rows["offset"] + rows["size"]).groupby("shard")["end"]:
        (project / "data/images/mine" / name).write_bytes(b"?" * int(ends.max()))
    with pytest.raises(UserError, match=r"mine/.*: the image mine/.* is not the one in the manifest"):
        splits.main("p")
    assert not (project / "data/manifests/p").exists()

"""The inventory stage on two images."""

import subprocess
import sys
from pathlib import Path

import pytest

from fakeforensics.sources.inventory import read_digest, read_list
from stages import inventory

ROOT = Path(__file__).parents[2]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stages.inventory", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("0_real/a.png", "1_fake/b.png"):
        (tmp_path / "raw" / name).parent.mkdir(parents=True)
        (tmp_path / "raw" / name).write_text(name)
    (tmp_path / "params.yaml").write_text(
        "protocols: [p]\ndetectors: [bce]\ncompare: {baseline: bce}\n"
        "sources: {mine: {layout: folder, root: raw}, gone: {layout: dffd, root: nowhere}}\n"
    )
    return tmp_path


def test_the_list_is_written_and_the_sum_is_shown(project: Path) -> None:
    done = run(project, "--source", "mine")
    assert done.returncode == 0, done.stderr
    assert "mine: 2 files" in done.stdout
    rows = read_list("mine", project / "data/inventory")
    assert rows["path"].tolist() == ["0_real/a.png", "1_fake/b.png"]
    assert not list((project / ".scratch/inventory").iterdir())


def test_missing_data_is_explained_and_listed_as_nothing(project: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(project)
    inventory.main("gone")
    told = capsys.readouterr().err
    assert "warning: source 'gone': the folder nowhere does not exist" in told
    assert "docs/data.md" in told
    assert read_digest("gone", project / "data/inventory").files == 0
    assert read_list("gone", project / "data/inventory").empty

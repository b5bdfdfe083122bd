"""The inventory stage on two images."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(stage: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"stages.{stage}", *arguments],
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
    done = run("inventory", project, "--source", "mine")
    assert done.returncode == 0, done.stderr
    assert "mine: 2 files" in done.stdout
    lines = (project / "data/inventory/mine.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["path", "0_real/a.png", "1_fake/b.png"]


def test_missing_data_is_explained_and_listed_as_nothing(project: Path) -> None:
    done = run("inventory", project, "--source", "gone")
    assert done.returncode == 0
    assert "warning: source 'gone': the folder nowhere does not exist" in done.stderr
    assert "docs/data.md" in done.stderr
    assert (project / "data/inventory/gone.csv").read_text() == "path,bytes,sha256\n"

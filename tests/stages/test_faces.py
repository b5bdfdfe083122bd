"""The stage `faces` on a few images of a folder."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from PIL import Image
from skimage.data import astronaut

from fakeforensics.errors import UserError
from fakeforensics.storage.schema import read_index
from stages import faces

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("0_real", "1_fake"):
        (tmp_path / "raw" / folder).mkdir(parents=True)
        for number in range(2):
            side = 240 + 20 * number
            Image.fromarray(astronaut()).resize((side, side)).save(tmp_path / f"raw/{folder}/{number}.jpg")
    params = {
        "protocols": ["demo"],
        "sources": {"mine": {"layout": "folder", "root": "raw"}},
        "faces": {"size": 64, "workers": 1},
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    return tmp_path


def test_crops_index_and_rejections_are_written(project, capsys):
    faces.main("mine")
    index = read_index(project / "data/images", "mine")
    assert index.label.tolist() == [0, 0, 1, 1]
    assert {path.name for path in (project / "data/images/mine").iterdir()} == {
        "shard-00000.tar", "index.parquet", "rejected.csv",
    }  # fmt: skip
    assert "mine: 4 images from 4 of 4 files" in capsys.readouterr().out


def test_a_second_run_replaces_the_first_with_the_same_bytes(project):
    faces.main("mine")
    first = {path.name: path.read_bytes() for path in (project / "data/images/mine").iterdir()}
    faces.main("mine")
    assert {path.name: path.read_bytes() for path in (project / "data/images/mine").iterdir()} == first


def test_an_unknown_source_is_told(project):
    with pytest.raises(UserError, match="'yours' is not configured"):
        faces.main("yours")


def test_help_is_instant():
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "stages.faces", "--help"], cwd=ROOT, check=True, capture_output=True
    )
    assert time.perf_counter() - start < 3  # importing dlib and OpenCV alone takes longer on a busy machine

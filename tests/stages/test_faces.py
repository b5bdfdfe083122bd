"""The stage `faces` on a few images of a folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image
from skimage.data import astronaut

from fakeforensics.errors import UserError
from fakeforensics.images.index import check_present, read_decisions, read_index
from fakeforensics.images.reader import ImageReader, places
from fakeforensics.sources.inventory import read_list, write_empty
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
        "detectors": ["bce"],
        "compare": {"baseline": "bce"},
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
        "shard-00000.tar", "index.parquet", "rejected.csv", "undetected.csv", "decisions.json",
        "SHA256SUMS",
    }  # fmt: skip
    assert read_decisions(project / "data/images", "mine") == {
        "split": {"none: drawn at random, by identity or group": 4},
        # 1_fake/0.jpg and 1.jpg are called as their originals.
        "group": {"file name": 2, "file name, which holds its original's": 2},
        "label": {"folder 0_real or 1_fake": 4},
        "doubts": {},
    }
    assert "mine: 4 images from 4 of 4 files" in capsys.readouterr().out


def test_a_second_run_replaces_the_first_with_the_same_bytes(project):
    faces.main("mine")
    first = {path.name: path.read_bytes() for path in (project / "data/images/mine").iterdir()}
    faces.main("mine")
    assert {path.name: path.read_bytes() for path in (project / "data/images/mine").iterdir()} == first


def test_whole_images_are_read_in_place_if_params_say_so(project):
    path = project / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["sources"]["mine"]["storage"] = "in_place"
    path.write_text(yaml.safe_dump(params))
    with pytest.raises(UserError, match=r"'mine'.*cannot be read in place[\s\S]*faces are cut out"):
        faces.main("mine")
    params["sources"]["mine"]["crop"] = "whole"
    path.write_text(yaml.safe_dump(params))
    faces.main("mine")
    index = read_index(project / "data/images", "mine")
    assert set(index["shard"]) == {""}
    reader = ImageReader(project / "data/images")
    for place in places(index):
        assert reader.read(place) == (project / "raw" / place.raw_path).read_bytes()
    assert not list((project / "data/images/mine").glob("*.tar"))


def test_an_unknown_source_is_an_error(project):
    with pytest.raises(UserError, match="'yours' is not configured"):
        faces.main("yours")


def test_a_source_listed_without_its_folder_leaves_the_reason(project):
    (project / "raw").rename(project / "elsewhere")
    with pytest.raises(UserError, match="folder raw does not exist"):
        faces.main("mine")
    write_empty("mine", project / "data/inventory")
    faces.main("mine")
    assert [path.name for path in (project / "data/images/mine").iterdir()] == ["missing.txt"]
    with pytest.raises(UserError, match=r"raw data is missing: mine[\s\S]*folder raw does not exist"):
        check_present(project / "data/images", ["mine"])
    (project / "elsewhere").rename(project / "raw")
    faces.main("mine")
    check_present(project / "data/images", ["mine"])


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root reads every file")
def test_a_file_without_permission_is_rejected_and_the_others_are_cropped(project):
    (project / "raw/0_real/0.jpg").chmod(0)
    as_user = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    for stage in ("inventory", "faces"):
        command = [*as_user, sys.executable, "-m", f"stages.{stage}", "--source", "mine"]
        subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    rows = read_list("mine", project / "data/inventory")
    assert ("0_real/0.jpg", 0, "") in rows.itertuples(index=False, name=None)
    rejected = (project / "data/images/mine/rejected.csv").read_text()
    assert rejected == "path,frame,reason\n0_real/0.jpg,,cannot be opened: Permission denied\n"
    assert read_index(project / "data/images", "mine").label.tolist() == [0, 1, 1]


def test_rejections_are_printed_with_their_reasons(project, capsys):
    (project / "raw/0_real/0.jpg").write_text("no picture")
    Image.new("RGB", (240, 240)).save(project / "raw/1_fake/0.jpg")
    faces.main("mine")
    summary, reasons = capsys.readouterr().out.splitlines()
    assert summary == "mine: 2 images from 2 of 4 files, 2 files and 0 single frames rejected"
    assert "1 x no face" in reasons
    assert reasons.endswith(": data/images/mine/rejected.csv lists them all")


def test_help_needs_neither_dlib_nor_opencv():
    seen = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "stages.faces", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--source" in seen.stdout
    assert not [name for name in ("dlib", "cv2", "av", "pandas") if f" {name}\n" in seen.stderr]

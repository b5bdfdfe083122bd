"""The settings stage."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fakeforensics.errors import UserError
from fakeforensics.training.settings import load_settings
from stages.settings import main

ROOT = Path(__file__).parents[2]


PARAMS = """
protocols: [p]
sources: {}
lambda: 0.5
detectors: [bce, joint]
compare: {baseline: bce}
detector_settings: {joint: {center: init}}
"""
PROTOCOL = """
title: t
train: [{source: a}]
test: {x: [{source: a}]}
params: {train: {batch_size: 4}}
"""


def write(folder: Path, protocol: str = PROTOCOL, params: str = PARAMS) -> None:
    (folder / "protocols").mkdir(exist_ok=True)
    (folder / "protocols/p.yaml").write_text(protocol)
    (folder / "params.yaml").write_text(params)


def resolve(folder: Path, protocol: str = "p") -> None:
    main(protocol, folder / "params.yaml", folder / "protocols", folder / "data/settings")


def read(folder: Path) -> dict[str, Any]:
    files = (folder / "data/settings/p").glob("*.json")
    return {path.stem: json.loads(path.read_text()) for path in sorted(files)}


def test_the_resolved_settings_of_each_detector_are_written(tmp_path: Path) -> None:
    write(tmp_path)
    resolve(tmp_path)
    settings = read(tmp_path)
    assert list(settings) == ["bce", "joint"]
    assert settings["bce"]["own"] == {}
    assert settings["joint"]["own"] == {"center": "init", "lambda": 0.5}
    for detector, found in settings.items():
        assert (found["protocol"], found["detector"]) == ("p", detector)
        assert found["train"]["batch_size"] == 4
        assert f"fakeforensics.detectors.{detector}" in found["code"]
    # what params.yaml no longer trains is gone
    write(tmp_path, params=PARAMS.replace("[bce, joint]", "[bce]").replace("{joint: {center: init}}", "{}"))
    resolve(tmp_path)
    assert list(read(tmp_path)) == ["bce"]


def test_what_is_read_back_is_what_was_resolved(tmp_path: Path) -> None:
    write(tmp_path)
    resolve(tmp_path)
    settings = load_settings(tmp_path / "data/settings/p/joint.json")
    assert settings.stored() == read(tmp_path)["joint"]
    path = tmp_path / "data/settings/p/joint.json"
    path.write_text(path.read_text().replace('"lambda": 0.5', '"lambda": 0.6'))
    with pytest.raises(UserError, match=r"joint\.json: changed since it was written"):
        load_settings(path)


def test_a_protocol_that_narrows_the_detectors_leaves_out_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, PROTOCOL + "detectors: [joint]\n")
    resolve(tmp_path)
    assert "p: bce is left out" in capsys.readouterr().out
    settings = read(tmp_path)
    assert "left_out" in settings["bce"]
    assert "left_out" not in settings["joint"]


@pytest.mark.parametrize(
    ("protocol", "params", "message"),
    [
        (PROTOCOL, PARAMS.replace("0.5", "abc"), "`lambda`"),
        (PROTOCOL, PARAMS.replace("[bce, joint]", "[bce, iforest]"), "unknown detector 'iforest'"),
        (PROTOCOL, PARAMS.replace("center: init", "centre: init"), "detector_settings.joint: unknown key"),
        (PROTOCOL, PARAMS.replace("baseline: bce", "baseline: iforest"), "unknown detector 'iforest'"),
        (PROTOCOL + "detectors: [sad]\n", PARAMS, "none of which params.yaml trains"),
        (PROTOCOL.replace("batch_size: 4", "backbone: vgg"), PARAMS, "unknown backbone 'vgg'"),
    ],
)
def test_what_is_faulty_is_refused_before_any_work(
    tmp_path: Path, protocol: str, params: str, message: str
) -> None:
    write(tmp_path, protocol, params)
    with pytest.raises(UserError, match=re.escape(message)):
        resolve(tmp_path)
    assert not (tmp_path / "data/settings/p").exists()


def test_a_mistake_ends_the_command_with_its_message(tmp_path: Path) -> None:
    write(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "stages.settings", "--protocol", "q"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "there is no protocol 'q'" in done.stderr
    assert "Traceback" not in done.stderr

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fakeforensics.errors import UserError
from fakeforensics.models.saving import load_detector
from stages import train
from stages._command import run_command
from tests.thin_resnet import thin_networks
from tests.tiny_images import tiny_project

REPOSITORY = Path(__file__).parents[2]


def places(root):
    """The folders that the stage reads and writes, by its option."""
    read = {name: root / "data" / name for name in ("settings", "manifests", "images")}
    written = {name: root / name for name in ("plots", "live", "metrics", "scratch", "pixels")}
    return read | {"out": root / "models"} | written


def command(root, detector="joint"):
    options = [text for name, path in places(root).items() for text in (f"--{name}", str(path))]
    return [sys.executable, "-m", "stages.train", "--protocol", "tiny", "--detector", detector, *options]


def run(root, detector="joint"):
    return subprocess.run(command(root, detector), cwd=REPOSITORY, capture_output=True, text=True)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder in which the command runs."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


OWN_PARAMS = ["--params", str(REPOSITORY / "params.yaml")]


def check_quiet_run(root, here, lines):
    """One line per epoch, no progress bar where there is no terminal, and no file that was not asked for."""
    (line,) = lines
    assert line.startswith("epoch 0, lr 0.001")
    assert list(here.iterdir()) == []
    assert (root / "plots/tiny/joint/history.csv").is_file()
    cost = json.loads((root / "metrics/tiny/joint.cost.json").read_text())
    assert set(cost) == {"seconds", "processor_seconds", "images"}


def test_it_trains_quietly_and_leaves_no_litter(tmp_path, here, monkeypatch, capsys, caplog):
    tiny_project(tmp_path, [0, 1] * 6, [0, 1] * 3, max_epochs=1)
    monkeypatch.setattr(sys, "argv", ["train", *command(tmp_path)[3:], *OWN_PARAMS])
    with thin_networks(), caplog.at_level(logging.INFO), pytest.raises(SystemExit) as ended:
        run_command(train.main)
    assert not ended.value.code
    check_quiet_run(tmp_path, here, [*caplog.messages, *capsys.readouterr().err.splitlines()])
    with thin_networks():
        _, card = load_detector(tmp_path / "models/tiny/joint")
    assert card["detector"]["name"] == "joint"


@pytest.mark.slow
def test_a_process_of_its_own_trains_as_quietly(tmp_path, here):
    """Libraries that are imported for the first time say nothing either."""
    tiny_project(tmp_path, [0, 1] * 6, [0, 1] * 3, max_epochs=1)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([*command(tmp_path), *OWN_PARAMS], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check_quiet_run(tmp_path, here, done.stderr.splitlines())


def test_help_needs_no_torch():
    seen = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "stages.train", "--help"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert seen.returncode == 0
    assert "--detector" in seen.stdout
    assert " torch" not in seen.stderr


def test_a_bad_lambda_is_refused_before_any_work(tmp_path):
    tiny_project(tmp_path, [0, 1] * 3, [0, 1], own={"lambda": -1})
    with pytest.raises(UserError, match="`lambda`"):
        train.main("tiny", "joint", params=REPOSITORY / "params.yaml", **places(tmp_path))
    assert not (tmp_path / "models").exists()


def test_a_detector_that_the_protocol_leaves_out_is_not_trained(tmp_path):
    path = tiny_project(tmp_path, [0, 1] * 3, [0, 1])
    settings = json.loads(path.read_text())
    path.write_text(json.dumps(settings | {"left_out": "tiny.yaml narrows `detectors` to sad"}))
    code = (
        "import runpy, sys; sys.modules['torch'] = None; "  # it is not even imported
        "runpy.run_module('stages.train', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command(tmp_path)[3:]], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "left out: tiny.yaml narrows" in done.stdout
    model = tmp_path / "models/tiny/joint"
    assert [path.name for path in model.iterdir()] == ["left_out"]
    assert (tmp_path / "plots/tiny/joint/history.csv").read_text() == ""
    assert "left_out" in json.loads((tmp_path / "metrics/tiny/joint.cost.json").read_text())
    assert not (tmp_path / "scratch").exists()


def test_an_image_that_a_decoding_process_cannot_decode_is_named(tmp_path, monkeypatch, capsys):
    tiny_project(tmp_path, [0, 1] * 3, [0, 1])
    with (tmp_path / "data/images/src_train/shard-00000.tar").open("r+b") as shard:
        shard.seek(512)  # after the first image's header
        shard.write(b"no image")
    params = tmp_path / "params.yaml"
    text = (REPOSITORY / "params.yaml").read_text()
    params.write_text(re.sub(r"^  workers: \S+", "  workers: 1", text, flags=re.MULTILINE))
    monkeypatch.setattr(sys, "argv", ["train", *command(tmp_path)[3:], "--params", str(params)])
    with pytest.raises(SystemExit) as ended:
        run_command(train.main)
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert "error: src_train/shard-00000.tar: the image src_train/0000 at 512" in told
    assert "Traceback" not in told


@pytest.mark.slow
def test_a_run_that_is_killed_ends_with_the_same_bytes(tmp_path):
    labels = [0, 1] * 12
    for name in ("whole", "killed"):
        tiny_project(tmp_path / name, labels, labels[:6], max_epochs=6)
    train.main("tiny", "joint", **places(tmp_path / "whole"))
    process = subprocess.Popen(
        command(tmp_path / "killed"),
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in process.stderr:
        if line.startswith("epoch 2"):
            time.sleep(0.2)
            # As after a `kill -9` of DVC, which leaves the training process alive.
            os.killpg(process.pid, signal.SIGSTOP)
            second = run(tmp_path / "killed")
            os.killpg(process.pid, signal.SIGKILL)
            break
    process.communicate()
    assert second.returncode == 1
    assert f"already running\n  found: process {process.pid} on " in second.stderr
    assert not (tmp_path / "killed/models").exists()
    again = run(tmp_path / "killed")
    assert again.returncode == 0, again.stderr
    assert "resuming after" in again.stderr
    for name in ("model.safetensors", "history.csv"):
        whole, killed = (tmp_path / run / "models/tiny/joint" / name for run in ("whole", "killed"))
        assert whole.read_bytes() == killed.read_bytes()


@pytest.mark.slow
def test_runs_at_once_take_different_devices_and_a_third_waits_for_one(tmp_path):
    environment = os.environ | {"FAKEFORENSICS_DEVICES": "cpu:2", "TMPDIR": str(tmp_path)}
    running = {}

    def start(name):
        tiny_project(tmp_path / name, [0, 1] * 6, [0, 1], max_epochs=10_000, patience=10_000)
        running[name] = subprocess.Popen(
            command(tmp_path / name), cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE, text=True
        )
        return running[name].stderr.readline()

    try:
        first, second = start("first"), start("second")
        on = "the training of tiny/joint: on device "
        assert {first, second} == {f"{on}cpu-0\n", f"{on}cpu-1\n"}
        said = start("third")
        assert said.startswith(
            "the training of tiny/joint waits for a device of 2: cpu-0 is taken by process "
        )
        assert {str(running[name].pid) for name in ("first", "second")} <= {*said.split()}
        # The third takes the place of the first, whose lock ends with it, and really trains.
        running["first"].kill()
        assert running["third"].stderr.readline() == first
        assert running["third"].stderr.readline().startswith("epoch 0, lr ")
    finally:
        for process in running.values():
            process.kill()
            process.wait()
            process.stderr.close()

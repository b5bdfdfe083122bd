import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from fakeforensics.models.card import Architecture
from fakeforensics.models.registry import build_detector
from fakeforensics.models.saving import load_detector, save_detector
from stages import train
from stages._command import run_command
from tests.tiny_images import tiny_project
from tests.unit.training import validate_shares

REPOSITORY = Path(__file__).parents[3]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
# Gloo must not look for a network.
NO_NETWORK = {"GLOO_SOCKET_IFNAME": "lo", "CUDA_VISIBLE_DEVICES": ""}
LABELS = [0, 1] * 9 + [0]
pytestmark = pytest.mark.slow  # each run loads torch three times


def run(*arguments, status=0):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=REPOSITORY,
        env=os.environ | NO_NETWORK,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stderr


def train_stage(root, detector):
    """The train stage's arguments for the project in `root`."""
    places = {name: root / "data" / name for name in ("settings", "manifests", "images")}
    written = {name: root / name for name in ("plots", "live", "metrics", "scratch", "pixels")}
    places |= {"out": root / "models"} | written
    options = [text for name, path in places.items() for text in (f"--{name}", path)]
    return ["-m", "stages.train", "--protocol", "tiny", "--detector", detector, *options]


@pytest.fixture
def run_here(monkeypatch, capfd, caplog):
    """Runs the stage in this process, which has loaded torch; it starts the others. Gives what all said."""

    def run_stage(*arguments, status=0):
        monkeypatch.setattr(sys, "argv", [*map(str, arguments[1:])])
        monkeypatch.chdir(REPOSITORY)
        for name, value in NO_NETWORK.items():
            monkeypatch.setenv(name, value)
        with caplog.at_level(logging.INFO), pytest.raises(SystemExit) as ended:
            run_command(train.main)
        said = caplog.text + capfd.readouterr().err
        assert (ended.value.code or 0) == status, said
        return said

    return run_stage


DETECTORS = ("bce", "sad", "deep_svdd")  # joint is trained below


@pytest.fixture(scope="module")
def torchrun(tmp_path_factory):
    """What two processes of torchrun left that validated a detector and trained three."""
    shares, trained = (tmp_path_factory.mktemp(name) for name in ("shares", "trained"))
    # 13 reals and 7 validation images: neither is shared out evenly
    tiny_project(shares, [0] * 13 + [1] * 6, [0, 1, 1, 0, 1, 0, 1], precision="32")
    torch.manual_seed(0)
    detector = build_detector("joint", Architecture(crop_size=32), {"lambda": 0.01})
    save_detector(shares / "checkpoint", detector, {})
    for name in DETECTORS:
        tiny_project(trained, LABELS, LABELS[:5], detector=name)
    code = (
        "import sys; from pathlib import Path\n"
        "from stages.train import main; from tests.unit.training import validate_shares\n"
        "shares, root = map(Path, sys.argv[1:3])\n"
        "validate_shares.main(shares, shares / 'checkpoint', shares / 'two.json')\n"
        "read = {name: root / 'data' / name for name in ('settings', 'manifests', 'images')}\n"
        "written = {name: root / name for name in ('plots', 'live', 'metrics', 'scratch', 'pixels')}\n"
        "for detector in sys.argv[3:]:\n"
        "    main('tiny', detector, out=root / 'models', **read, **written)\n"
    )
    run(*TORCHRUN, "--no-python", sys.executable, "-c", code, shares, trained, *DETECTORS)
    return shares, trained


def test_two_processes_agree_with_one_on_center_and_validation_loss(torchrun):
    root, _ = torchrun
    validate_shares.main(root, root / "checkpoint", root / "one.json")
    one, two = (json.loads((root / f"{name}.json").read_text()) for name in ("one", "two"))
    assert (one["world"], two["world"]) == (1, 2)
    assert two["center"] == pytest.approx(one["center"], abs=1e-5)
    for name in ("val_loss", "real_distance", "fake_distance"):
        assert two[name] == pytest.approx(one[name], rel=1e-5)


@pytest.mark.parametrize("detector", DETECTORS)
def test_two_processes_train_and_save_once(torchrun, detector):
    _, root = torchrun
    saved, card = load_detector(root / "models/tiny" / detector)
    assert card["epochs"] == 2
    assert saved.center.abs().max() > 0
    assert list((root / "scratch").iterdir()) == []


@pytest.fixture(scope="module")
def two_devices(tmp_path_factory):
    """A params.yaml that asks for two processes, which the stage starts."""
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["train"]["devices"] = 2
    path = tmp_path_factory.mktemp("two") / "params.yaml"
    path.write_text(yaml.safe_dump(params))
    return "--params", path


@pytest.fixture(scope="module")
def whole(tmp_path_factory, two_devices):
    """What an undisturbed run of three epochs left and said."""
    root = tmp_path_factory.mktemp("whole")
    tiny_project(root, LABELS, LABELS[:5], max_epochs=3)
    return root, run(*train_stage(root, "joint"), *two_devices)


def test_as_many_processes_are_started_as_devices_are_asked_for(whole):
    root, said = whole
    assert "training in 2 processes" in said
    assert "Warning" not in said
    # only the first process reports an epoch
    assert [said.count(f"epoch {epoch}, lr") for epoch in range(3)] == [1, 1, 1]
    assert load_detector(root / "models/tiny/joint")[1]["epochs"] == 3


def test_a_run_of_two_processes_that_was_killed_resumes(tmp_path, whole, two_devices, run_here):
    tiny_project(tmp_path, LABELS, LABELS[:5], max_epochs=3)
    code = (
        "import os, sys; from fakeforensics.training.loop import Run; save = Run._save\n"
        "def killed(self):\n"
        "    save(self)\n"
        "    os._exit(9)\n"
        "Run._save = killed; sys.argv = ['train', *sys.argv[1:]]\n"
        "from stages.train import main; from stages._command import run_command; run_command(main)\n"
    )
    run(
        *TORCHRUN,
        "--no-python",
        sys.executable,
        "-c",
        code,
        *train_stage(tmp_path, "joint")[2:],
        status=1,
    )
    assert not (tmp_path / "models").exists()
    said = run_here(*train_stage(tmp_path, "joint"), *two_devices)
    assert said.count("resuming after 1 finished epochs") == 1
    for name in ("model.safetensors", "history.csv"):
        first, resumed = (root / "models/tiny/joint" / name for root in (whole[0], tmp_path))
        assert first.read_bytes() == resumed.read_bytes()


@pytest.mark.parametrize("row", [0, 2])  # reals of the first and of the second process
def test_an_error_in_one_process_ends_the_others_and_is_shown_alone(tmp_path, two_devices, run_here, row):
    tiny_project(tmp_path, LABELS, LABELS[:5])
    place = pd.read_parquet(tmp_path / "data/manifests/tiny/train.parquet").loc[row]
    with (tmp_path / "data/images" / place["source"] / place["shard"]).open("r+b") as shard:
        shard.seek(place["offset"])
        shard.write(b"no image")
    said = run_here(*train_stage(tmp_path, "joint"), *two_devices, status=1)
    assert said.count("error: ") == 1
    assert f"the image src_train/{row:04d}" in said
    assert "Traceback" not in said
    assert not (tmp_path / "models").exists()


def test_a_head_is_fitted_in_one_process_whatever_devices_says(tmp_path, two_devices, run_here):
    tiny_project(tmp_path, LABELS, LABELS[:5], detector="oc_svm")
    said = run_here(*train_stage(tmp_path, "oc_svm"), *two_devices)
    assert "processes" not in said
    assert load_detector(tmp_path / "models/tiny/oc_svm")[1]["epochs"] == 1

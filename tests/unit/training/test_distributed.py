import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from fakeforensics.models.detector import Detector
from fakeforensics.models.saving import load_detector, save_detector
from fakeforensics.training.distributed import all_sum, average_buffers, world_size
from tests.tiny_images import tiny_project

REPOSITORY = Path(__file__).parents[3]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
# Gloo must not look for a network; two processes share two cores.
ENVIRONMENT = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def run(*arguments, status=0):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=REPOSITORY,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stderr


def train_stage(root, objective):
    """The train stage's arguments for the project in `root`."""
    places = {name: root / "data" / name for name in ("settings", "manifests", "images")}
    places |= {"out": root / "models", "plots": root / "plots", "scratch": root / "scratch"}
    options = [text for name, path in places.items() for text in (f"--{name}", path)]
    return ["-m", "stages.train", "--protocol", "tiny", "--objective", objective, *options]


def test_one_process_sums_to_itself():
    value = torch.tensor([1.0, 2.0])
    assert torch.equal(all_sum(value), value)
    assert world_size() == 1
    detector = Detector()
    detector.centre.fill_(3)
    average_buffers(detector)
    assert (detector.centre == 3).all()


def test_two_processes_agree_with_one_on_centre_and_validation_loss(tmp_path):
    # 13 reals and 7 validation images: neither is shared out evenly
    tiny_project(tmp_path, [0] * 13 + [1] * 6, [0, 1, 1, 0, 1, 0, 1], precision="32")
    torch.manual_seed(0)
    save_detector(tmp_path / "checkpoint", Detector(), {})
    script = ("-m", "tests.unit.training.validate_shares", tmp_path, tmp_path / "checkpoint")
    run(*script, tmp_path / "one.json")
    run(*TORCHRUN, *script, tmp_path / "two.json")
    one, two = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("one", "two"))
    assert (one["world"], two["world"]) == (1, 2)
    assert two["centre"] == pytest.approx(one["centre"], abs=1e-5)
    for name in ("val_loss", "real_distance", "fake_distance"):
        assert two[name] == pytest.approx(one[name], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["bce", "sad", "joint"])
def test_two_processes_train_and_save_once(tmp_path, objective):
    tiny_project(tmp_path, [0, 1] * 9 + [0], [0, 1, 1, 0, 1], objective=objective)
    run(*TORCHRUN, *train_stage(tmp_path, objective))
    detector, card = load_detector(tmp_path / "models/tiny" / objective)
    assert card["epochs"] == 2
    assert detector.centre.abs().max() > 0
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.fixture
def two_devices(tmp_path):
    """A params.yaml that asks for two processes, which Lightning starts."""
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["train"]["devices"] = 2
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params))
    return "--params", path


@pytest.mark.slow
def test_lightning_starts_as_many_processes_as_devices_are_asked_for(tmp_path, two_devices):
    tiny_project(tmp_path, [0, 1] * 9 + [0], [0, 1, 1, 0, 1])
    said = run(*train_stage(tmp_path, "joint"), *two_devices)
    assert "MEMBER: 2/2" in said
    assert "Warning" not in said
    assert load_detector(tmp_path / "models/tiny/joint")[1]["epochs"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("row", [0, 2])  # reals of the first and of the second process
def test_an_error_in_one_process_ends_the_others(tmp_path, two_devices, row):
    tiny_project(tmp_path, [0, 1] * 9 + [0], [0, 1, 1, 0, 1])
    place = pd.read_parquet(tmp_path / "data/manifests/tiny/train.parquet").loc[row]
    with (tmp_path / "data/images" / place["source"] / place["shard"]).open("r+b") as shard:
        shard.seek(place["offset"])
        shard.write(b"no image")
    said = run(*train_stage(tmp_path, "joint"), *two_devices, status=1)
    assert f"the image src_train/{row:04d}" in said
    assert "Traceback" not in said

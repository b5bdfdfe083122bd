import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fakeforensics.models.detector import Detector
from fakeforensics.models.saving import load_detector, save_detector
from fakeforensics.training.distributed import all_sum, average_buffers, world_size
from tests.tiny_images import tiny_project

REPOSITORY = Path(__file__).parents[3]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
# Gloo must not look for a network; two processes share two cores.
ENVIRONMENT = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def run(*arguments):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=REPOSITORY,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


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
    places = {name: tmp_path / "data" / name for name in ("settings", "manifests", "images")}
    places |= {"out": tmp_path / "models", "plots": tmp_path / "plots", "scratch": tmp_path / "scratch"}
    options = [text for name, path in places.items() for text in (f"--{name}", path)]
    run(*TORCHRUN, "-m", "stages.train", "--protocol", "tiny", "--objective", objective, *options)
    detector, card = load_detector(tmp_path / "models/tiny" / objective)
    assert card["epochs"] == 2
    assert detector.centre.abs().max() > 0
    assert list((tmp_path / "scratch").iterdir()) == []

"""What a GPU does otherwise; run where there is one."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.evaluation.scoring import score_manifest
from fakeforensics.models.detector import Detector
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.models.saving import load_detector
from fakeforensics.objectives.registry import build_objective
from fakeforensics.params import FacesParams
from fakeforensics.training.dataset import Batch, ManifestDataset, collate
from fakeforensics.training.epochs import Epochs
from fakeforensics.training.loading import Loader
from fakeforensics.training.run import Places, train_detector
from fakeforensics.training.sampling import OrderedBatches
from fakeforensics.training.settings import load_settings
from fakeforensics.training.step import GraphedStep, update
from tests.tiny_images import tiny_manifest, tiny_project

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
    pytest.mark.filterwarnings("ignore:TensorFloat32"),  # torch's own, of some versions
    pytest.mark.filterwarnings("ignore:Please use the new API"),
]
LABELS = [0, 1] * 20 + [0]
PREPROCESS = Preprocess(crop_size=32)


def train(root, name="model", **project):
    settings = load_settings(tiny_project(root, LABELS, LABELS[:8], **({"workers": 2} | project)))
    scratch, data = root / "scratch", root / "data"
    places = Places(data / "manifests/tiny", data / "images", root / name, root / f"{name}.csv", scratch)
    train_detector(settings, places, FacesParams())
    return pd.read_csv(root / name / "history.csv")


def test_a_recorded_step_takes_the_weights_where_a_plain_one_does(monkeypatch):
    for setting, value in {"allow_tf32": False, "benchmark": False, "deterministic": True}.items():
        monkeypatch.setattr(torch.backends.cudnn, setting, value)
    objective = build_objective("joint", 0.01)
    generator = torch.Generator().manual_seed(0)
    batches = [
        Batch(
            torch.randn(count, 3, 32, 32, generator=generator).cuda(),
            torch.arange(count).remainder(2).float().cuda(),
            torch.arange(count).cuda(),
        )
        for count in [8, 8, 8, 8, 5, 8, 8]
    ]
    begin, weights, losses = [], [], []
    for recorded in (False, True):
        torch.manual_seed(0)
        detector = Detector().cuda().train()
        begin.append(flat(detector))

        def losses_of(batch, detector=detector):
            return objective.losses(detector(batch.images), batch.labels)

        optimizer = torch.optim.Adam(detector.parameters(), lr=1e-3, fused=True)
        step = GraphedStep(losses_of, optimizer, 8)
        found = []
        for number, batch in enumerate(batches):
            step.set_rate(1e-3 * 0.5**number)
            found.append(step(batch) if recorded else update(losses_of, optimizer, batch))
        losses.append(torch.cat(found).tolist())
        weights.append(flat(detector))
    assert step._graph is not None
    assert losses[1] == pytest.approx(losses[0], rel=1e-2)
    way = (weights[0] - begin[0]).norm()
    assert (weights[1] - weights[0]).norm() < 0.02 * way


def test_a_step_that_cannot_be_recorded_says_so_and_leaves_the_gpu_usable():
    weight = torch.nn.Parameter(torch.ones(1, device="cuda"))
    batch = Batch(*(torch.ones(2, device="cuda") for _ in range(3)))

    def losses_of(batch):
        return batch.labels * weight * weight.item()  # waits for the GPU, which no recording can

    step = GraphedStep(losses_of, torch.optim.Adam([weight], lr=0.1, fused=True), 2)
    here = torch.cuda.current_stream()
    for _ in range(2):
        step(batch)
    with pytest.raises(UserError, match=r"cannot be recorded(?s:.*)train\.compile=false"):
        step(batch)
    assert torch.cuda.current_stream() == here
    assert (torch.ones(3, device="cuda") + 1).tolist() == [2, 2, 2]


def flat(detector):
    return torch.cat([values.detach().flatten().double() for values in detector.parameters()])


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_reach_the_gpu_whole(tmp_path, workers):
    dataset = ManifestDataset(tiny_manifest(tmp_path, LABELS), tmp_path / "data/images", PREPROCESS.crop)
    loader = Loader(dataset, OrderedBatches(np.arange(41), 2), 2, 32, workers)
    expected = collate([dataset[row] for row in range(41)])
    for passes in range(4):
        parts = []
        for number, batch in enumerate(loader):
            # Work that a batch written over too early would show in.
            parts.append(Batch(*(values.clone() for values in batch)))
            if passes == 1 and number == 5:
                break
        if passes != 1:
            for found, wanted in zip(zip(*parts, strict=True), expected, strict=True):
                assert torch.equal(torch.cat(found).cpu(), wanted)


@pytest.mark.parametrize("settings", [{"precision": "32", "compile": False}, {"workers": 2}])
def test_a_run_that_was_killed_goes_on(tmp_path, monkeypatch, settings):
    whole = train(tmp_path, "whole", max_epochs=4, **settings)
    end = Epochs.on_train_epoch_end

    class Killed(Exception):
        pass

    def killed(self, trainer, module):
        end(self, trainer, module)
        if len(self.history) == 2:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Epochs, "on_train_epoch_end", killed)
        train(tmp_path, "resumed", max_epochs=4, **settings)
    resumed = train(tmp_path, "resumed", max_epochs=4, **settings)
    assert resumed["epoch"].tolist() == [0, 1, 2, 3]
    assert resumed["lr"].tolist() == whole["lr"].tolist()
    assert resumed["train_loss"].tolist() == pytest.approx(whole["train_loss"].tolist(), rel=0.5)


def test_a_loss_that_explodes_stops_the_run_with_the_images(tmp_path):
    with pytest.raises(UserError, match=r"epoch \d+(?s:.*)src_"):
        train(tmp_path, objective="bce", learning_rate=1e30, max_epochs=4)


def test_scores_are_those_of_the_cpu(tmp_path, monkeypatch):
    train(tmp_path, max_epochs=1, compile=False)
    detector, card = load_detector(tmp_path / "model")
    manifest = pd.read_parquet(tmp_path / "data/manifests/tiny/val.parquet")
    manifest = manifest.assign(domain="", group="", video="", frame=-1)
    scored = [
        score_manifest(detector, card, manifest, tmp_path / "data/images", 3, workers) for workers in (0, 2)
    ]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    scored.append(score_manifest(detector, card, manifest, tmp_path / "data/images", 3))
    for column in ("logit", "score_cd"):
        first, second, cpu = (table[column].to_numpy() for table in scored)
        assert first.tolist() == second.tolist()
        assert first == pytest.approx(cpu, rel=1e-3, abs=1e-4)
    assert json.loads((tmp_path / "model/model.json").read_text())["objective"] == "joint"

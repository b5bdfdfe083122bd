"""What a GPU does otherwise; run where there is one."""

import numpy as np
import pandas as pd
import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.images.dataset import Loader, ManifestDataset, OrderedBatches
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.models.saving import load_detector
from fakeforensics.scoring import score_manifest
from fakeforensics.training.loop import Run
from tests.tiny_images import tiny_manifest
from tests.unit.training._runs import history, train

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
    pytest.mark.filterwarnings("ignore:TensorFloat32"),  # torch's own, of some versions
    pytest.mark.filterwarnings("ignore:Please use the new API"),
]
LABELS = [0, 1] * 20 + [0]


def train_here(root, name="model", **project):
    return train(root, name, labels=LABELS, val=LABELS[:8], **({"workers": 2} | project))


@pytest.mark.parametrize(
    "project",
    [
        {"detector": "joint", "precision": "32", "compile": False},
        {"detector": "deep_svdd", "precision": "bf16", "compile": "auto"},
    ],
)
def test_a_run_ends_where_it_ended_before(tmp_path, project):
    first, again = (history(train_here(tmp_path, name, **project)) for name in ("first", "again"))
    for column in ("val_loss", "real_distance"):
        # not to the digit: a GPU adds in another order each time
        assert first[column].tolist() == pytest.approx(again[column].tolist(), rel=0.05)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_reach_the_gpu_whole(tmp_path, workers):
    preprocess = Preprocess(crop_size=32)
    dataset = ManifestDataset(tiny_manifest(tmp_path, LABELS), tmp_path / "data/images", preprocess.crop)
    batches = OrderedBatches(np.arange(41), 2)
    loader = Loader(dataset, batches, workers, torch.device("cuda"), keep=True)
    expected = dataset[range(41)]
    for passes in range(4):
        found = []
        for number, batch in enumerate(loader):
            assert batch.images.is_cuda
            found.append(batch)
            if passes == 1 and number == 5:
                break
        if passes != 1:
            for parts, wanted in zip(zip(*found, strict=True), expected, strict=True):
                assert torch.equal(torch.cat(parts).cpu(), wanted)


@pytest.mark.parametrize("settings", [{"precision": "32", "compile": False}, {}])
def test_a_run_that_was_killed_resumes(tmp_path, monkeypatch, settings):
    whole = history(train_here(tmp_path, "whole", max_epochs=4, **settings))
    save = Run._save

    class Killed(Exception):
        pass

    def killed(self):
        save(self)
        if len(self.history) == 2:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Run, "_save", killed)
        train_here(tmp_path, "resumed", max_epochs=4, **settings)
    resumed = history(train_here(tmp_path, "resumed", max_epochs=4, **settings))
    assert resumed["epoch"].tolist() == [0, 1, 2, 3]
    assert resumed["lr"].tolist() == whole["lr"].tolist()
    assert resumed["train_loss"].tolist() == pytest.approx(whole["train_loss"].tolist(), rel=0.5)


def test_a_loss_that_explodes_stops_the_run_with_the_images(tmp_path):
    with pytest.raises(UserError, match=r"epoch \d+(?s:.*)src_"):
        train_here(tmp_path, detector="bce", learning_rate=1e30, max_epochs=4)


@pytest.mark.parametrize("detector", ["joint", "oc_svm"])
def test_scores_are_those_of_the_cpu(tmp_path, monkeypatch, detector):
    model = train_here(tmp_path, detector=detector, max_epochs=1, compile=False)
    saved, card = load_detector(model)
    manifest = pd.read_parquet(tmp_path / "data/manifests/tiny/val.parquet")
    manifest = manifest.assign(domain="", group="", video="", frame=-1)
    images = tmp_path / "data/images"
    scored = [score_manifest(saved, card, manifest, images, 3, workers) for workers in (0, 2)]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    scored.append(score_manifest(saved, card, manifest, images, 3))
    for score in saved.scores:
        first, second, cpu = (table[score.column].to_numpy() for table in scored)
        assert first.tolist() == second.tolist()
        assert first == pytest.approx(cpu, rel=1e-3, abs=1e-4)

import json
import logging

import numpy as np
import pytest
import torch

from fakeforensics.detectors.bce import Bce
from fakeforensics.errors import UserError
from fakeforensics.models.detector import NoSettings
from fakeforensics.models.saving import load_detector
from fakeforensics.params import TrainParams
from fakeforensics.training.loop import Run, make_optimizer
from tests.thin_resnet import thin_networks
from tests.unit.training._runs import LABELS, history, plain, train


@pytest.fixture(scope="module", autouse=True)
def _thin_networks():
    with thin_networks():
        yield


@pytest.mark.parametrize("precision", ["32", pytest.param("bf16", marks=pytest.mark.slow)])
def test_the_same_seed_gives_the_same_bytes_and_lambda_zero_those_of_bce(tmp_path, precision):
    bce = train(tmp_path, "bce", detector="bce", precision=precision)
    zero, again = (
        train(tmp_path, name, detector="joint", own={"lambda": 0.0}, precision=precision)
        for name in ("zero", "again")
    )
    for file in ("model.safetensors", "model.json", "history.csv"):
        assert (zero / file).read_bytes() == (again / file).read_bytes(), file
    of_zero, of_bce = (load_detector(model)[0].state_dict() for model in (zero, bce))
    # bce computes its center once, after training; joint's is that of the epoch it keeps
    assert of_zero.keys() == of_bce.keys()
    assert all(torch.equal(of_zero[name], of_bce[name]) for name in of_zero)
    assert history(zero)["val_loss"].tolist() == history(bce)["val_loss"].tolist()


def test_early_stopping_keeps_the_best_epoch(tmp_path, monkeypatch):
    losses = iter([0.9, 0.5, 0.7, 0.6, 0.5, 0.1])
    validate = Run.validate
    monkeypatch.setattr(
        Run, "validate", lambda self, epoch: validate(self, epoch) | {"val_loss": next(losses)}
    )
    model = train(tmp_path, detector="bce", patience=3, max_epochs=10)
    # the best is epoch 1; epochs 2, 3, 4 do not go below 0.5, so training ends before 0.1
    assert history(model)["val_loss"].tolist() == [0.9, 0.5, 0.7, 0.6, 0.5]
    assert json.loads((model / "model.json").read_text())["best_epoch"] == 1


class Killed(Exception):
    pass


def kill_after(patch, finished):
    """Let a run die once it has saved so many epochs."""
    save = Run._save

    def killed(self):
        save(self)
        if len(self.history) == finished:
            raise Killed

    patch.setattr(Run, "_save", killed)


@pytest.mark.parametrize(
    ("detector", "finished", "workers"),
    [("joint", 1, 1), ("bce", 3, 0), pytest.param("deep_svdd", 2, 0, marks=pytest.mark.slow)],
)
def test_a_killed_run_resumes_and_ends_with_the_same_bytes(
    tmp_path, monkeypatch, caplog, detector, finished, workers
):
    whole = train(tmp_path, "whole", detector=detector, max_epochs=3)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(patch, finished)
        train(tmp_path, "resumed", detector=detector, max_epochs=3, workers=workers)
    (kept,) = (tmp_path / "scratch").rglob("*.ckpt")
    state = torch.load(kept, weights_only=True)
    assert [row["epoch"] for row in state["history"]] == list(range(finished))
    assert state["best_weights"].keys() == state["detector"].keys()
    torch.save(state | {"spent": {"seconds": 1000.0, "processor_seconds": 2000.0}}, kept)
    begun = []
    train_epoch = Run.train_epoch
    monkeypatch.setattr(
        Run,
        "train_epoch",
        lambda self, epoch, rate: begun.append(epoch) or train_epoch(self, epoch, rate),
    )
    with caplog.at_level(logging.INFO):
        resumed = train(tmp_path, "resumed", detector=detector, max_epochs=3, workers=workers)
    assert f"resuming after {finished} finished epochs" in caplog.text
    assert begun == list(range(finished, 3))
    for file in ("model.safetensors", "model.json", "history.csv"):
        assert (resumed / file).read_bytes() == (whole / file).read_bytes(), file
    assert list((tmp_path / "scratch").iterdir()) == []
    # What was spent before the interruption counts.
    cost = json.loads((tmp_path / "resumed.cost.json").read_text())
    assert (cost["seconds"] > 1000, cost["processor_seconds"] > 2000) == (True, True)


def test_other_settings_do_not_take_up_a_killed_run(tmp_path, monkeypatch):
    fresh = train(tmp_path, "fresh", detector="bce", learning_rate=0.002)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(patch, 2)
        train(tmp_path, detector="bce", learning_rate=0.001)
    model = train(tmp_path, detector="bce", learning_rate=0.002)
    assert (model / "model.safetensors").read_bytes() == (fresh / "model.safetensors").read_bytes()
    assert len(list((tmp_path / "scratch").iterdir())) == 1


def test_a_loss_that_explodes_stops_the_run_with_the_images(tmp_path):
    with pytest.raises(UserError, match=r"epoch \d+(?s:.*)src_"):
        train(tmp_path, detector="bce", learning_rate=1e30)


def test_the_most_steps_end_an_epoch_early(tmp_path, monkeypatch):
    taken = []
    step = Run.step
    monkeypatch.setattr(Run, "step", lambda self, *batch: taken.append(batch) or step(self, *batch))
    # 19 images in batches of 8 are 3 steps per epoch: 3 in the first, 1 in the second
    model = train(tmp_path, detector="bce", max_epochs=9, max_steps=4)
    assert (len(taken), len(history(model))) == (4, 2)


def test_accuracy_is_the_share_of_validation_images_on_the_right_side(tmp_path):
    model = train(tmp_path, detector="bce", monitor="accuracy", max_epochs=3)
    found = history(model)
    # 8 validation images: eighths
    assert (found["val_accuracy"] * 8 % 1 == 0).all()
    card = json.loads((model / "model.json").read_text())
    assert card["best_epoch"] == found["val_accuracy"].idxmax()
    detector, _ = load_detector(model)
    batch = plain(tmp_path, "val")
    with torch.inference_mode():
        logits = detector.eval().score(batch.images)["logit"]
    assert ((logits > 0) == (batch.labels == 1)).double().mean().item() == found["val_accuracy"].max()


def test_sgd_moves_by_rate_times_gradient_and_momentum():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    params = TrainParams(optimizer="sgd", learning_rate=0.1, momentum=0.5, dampening=0.5, weight_decay=0.2)
    optimizer = make_optimizer([weight], params)
    # gradient 2 + 0.2 · 1 = 2.2, first buffer 2.2: 1 − 0.22; then 2 + 0.2 · 0.78 = 2.156,
    # buffer 0.5 · 2.2 + 0.5 · 2.156 = 2.178: 0.78 − 0.2178
    for expected in (0.78, 0.5622):
        weight.grad = torch.tensor([2.0])
        optimizer.step()
        assert weight.item() == pytest.approx(expected)


class Watching(Bce):
    """Notes what the hooks of training are given."""

    name = "watching"
    hooks_see = "all"

    def relabel(self, labels, seed):
        self.asked = (labels.copy(), seed)
        return np.where(np.arange(len(labels)) < 4, -1, labels)

    def mix(self, images, labels):
        self.mixed = [*getattr(self, "mixed", []), labels]
        return images.flip(0)

    def on_start(self, images):
        self.started = torch.cat(list(images))

    def losses(self, images, output, labels):
        self.lossed = [*getattr(self, "lossed", []), (self.training, labels)]
        return super().losses(images, output, labels.clamp_min(0))


def test_a_detector_may_hide_labels_mix_images_and_see_them_all(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr("fakeforensics.training.train.detector_class", lambda name: Watching)
    monkeypatch.setattr(
        "fakeforensics.training.train.build_detector",
        lambda _, architecture, settings: (
            made.append(Watching(architecture, NoSettings(**settings))) or made[0]
        ),
    )
    train(tmp_path, detector="bce", max_epochs=1)
    (detector,) = made
    labels, seed = detector.asked
    assert (labels.tolist(), seed) == (LABELS, 3)
    assert torch.equal(detector.started, plain(tmp_path).images)
    trained = torch.cat([one for training, one in detector.lossed if training])
    assert torch.equal(torch.cat(detector.mixed), trained)
    # four of the nineteen labels are hidden in training, and none in validation
    assert sorted(trained.tolist()) == sorted([-1.0] * 4 + [float(label) for label in LABELS[4:]])
    validated = torch.cat([one for training, one in detector.lossed if not training])
    assert validated.tolist() == LABELS[:8]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no checkpoint at all"])
def test_a_damaged_checkpoint_is_named_with_what_to_do(tmp_path, content):
    run = object.__new__(Run)
    run.checkpoint = tmp_path / "last.ckpt"
    run.checkpoint.write_bytes(content)
    with pytest.raises(UserError, match=rf"last\.ckpt: (.|\n)*remove {tmp_path}"):
        run._resume()

import json
import logging

import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.models.saving import load_detector
from fakeforensics.params import TrainParams
from fakeforensics.training.loop import Run, best_row, is_over
from tests.unit.training._runs import history, shorten_resnet, train


@pytest.fixture(autouse=True)
def _a_resnet_of_ten_layers(monkeypatch):
    shorten_resnet(monkeypatch)


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


def test_training_is_over_after_the_last_epoch_or_without_patience():
    params = TrainParams(patience=2, max_epochs=5)
    rows = [{"epoch": epoch, "val_loss": loss} for epoch, loss in enumerate([3.0, 1.0, 1.0])]
    assert best_row(rows)["epoch"] == 1  # the first of equals
    assert not is_over([], params)
    assert not is_over(rows, params)
    rows.append({"epoch": 3, "val_loss": 1.5})
    assert is_over(rows, params)  # two epochs without a lower loss
    rows[-1]["val_loss"] = 0.5
    assert not is_over(rows, params)
    rows.append({"epoch": 4, "val_loss": 0.4})
    assert is_over(rows, params)


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

import gc
import json
import logging
import multiprocessing
from dataclasses import replace

import pandas as pd
import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file
from fakeforensics.models.saving import load_detector
from fakeforensics.params import FacesParams
from fakeforensics.training import run
from fakeforensics.training.loop import Progress, Run
from fakeforensics.training.run import train_detector
from fakeforensics.training.settings import load_settings
from tests.tiny_images import tiny_project
from tests.unit.training._runs import LABELS, history, places, plain, shorten_resnet, train


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
        assert sha256_file(zero / file) == sha256_file(again / file)
    of_zero, of_bce = (load_detector(model)[0].state_dict() for model in (zero, bce))
    # bce computes its center once, after training; joint's is that of the epoch it keeps
    assert of_zero.keys() == of_bce.keys()
    assert all(torch.equal(of_zero[name], of_bce[name]) for name in of_zero)
    assert history(zero)["val_loss"].tolist() == history(bce)["val_loss"].tolist()


def test_what_is_left_behind(tmp_path):
    model = train(tmp_path, detector="joint", max_epochs=3)
    assert {path.name for path in model.iterdir()} == {"model.safetensors", "model.json", "history.csv"}
    assert list((tmp_path / "scratch").iterdir()) == []
    rows = history(model)
    assert rows["epoch"].tolist() == [0, 1, 2]
    assert rows["lr"].tolist() == pytest.approx([1e-3, 9e-4, 8.1e-4])
    assert (tmp_path / "model.csv").read_bytes() == (model / "history.csv").read_bytes()
    card = json.loads((model / "model.json").read_text())
    assert card["best_epoch"] == int(rows["val_loss"].idxmin())
    assert card["validation_loss"] == pytest.approx(rows["val_loss"].min())
    assert card["counts"]["val"] == {"src_val": {"gan1": 2, "gan3": 2, "real": 4}}
    assert card["images"]["crop"] == {"src_train": "whole"}
    assert card["detector"]["settings"] == {"lambda": 0.01, "center": "epoch"}
    assert card["detector"]["architecture"]["crop_size"] == 32
    assert card["start"] == {"weights": "none"}


@pytest.mark.parametrize("detector", ["sad", "bce"])
def test_the_saved_center_is_the_mean_of_the_reals_under_the_saved_weights(tmp_path, detector):
    saved, _ = load_detector(train(tmp_path, detector=detector))
    images, labels, _ = plain(tmp_path)
    with torch.no_grad():
        codes = saved.backbone(images[labels == 0])
    assert torch.allclose(saved.center, codes.mean(dim=0), atol=1e-5)


@pytest.mark.parametrize("detector", ["bce", "sad", "joint"])
def test_who_needs_fakes_is_refused_without_them_before_any_work(tmp_path, detector):
    with pytest.raises(UserError, match="the train split has no fake images"):
        train(tmp_path, labels=[0] * 10, val=[0] * 4, detector=detector)
    assert not (tmp_path / "scratch").exists()


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


def test_progress_is_over_after_the_last_epoch_or_without_patience():
    params = load_settings_of(patience=2, max_epochs=5)
    progress = Progress()
    assert not progress.is_over(params)
    for epoch, loss in enumerate([3.0, 1.0, 1.0]):
        progress.history.append({"epoch": epoch, "val_loss": loss})
    assert progress.best["epoch"] == 1  # the first of equals
    assert not progress.is_over(params)
    progress.history.append({"epoch": 3, "val_loss": 1.5})
    assert progress.is_over(params)  # two epochs without a lower loss
    progress.history[-1]["val_loss"] = 0.5
    assert not progress.is_over(params)
    progress.history.append({"epoch": 4, "val_loss": 0.4})
    assert progress.is_over(params)


def load_settings_of(**train_params):
    return run.RunSettings(protocol="p", detector="bce", seed=0, train=train_params, augment={}).train


class Killed(Exception):
    pass


def kill_after(patch, finished):
    """Let a run die once it has saved so many epochs."""
    save = Run._save

    def killed(self):
        save(self)
        if len(self.progress.history) == finished:
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


def test_running_out_of_memory_says_what_to_lower(tmp_path, monkeypatch):
    def exhausted(self, epoch, rate):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(Run, "train_epoch", exhausted)
    with pytest.raises(UserError, match=r"`train.batch_size` \(now 8\)"):
        train(tmp_path, detector="bce")


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on a machine of one core
def test_options_train(tmp_path):
    before = len(multiprocessing.active_children())
    options = {"balance": "method", "stem": "no_downsampling", "code": "map", "workers": 2}
    model = train(tmp_path, detector="joint", max_epochs=1, **options)
    gc.collect()
    assert len(multiprocessing.active_children()) <= before  # decoding processes end with the run
    # the stem keeps 32 pixels, layers 2 to 4 halve them to 4 × 4
    assert load_detector(model)[0].center.shape == (512 * 4 * 4,)


def test_a_missing_manifest_names_the_stage_that_writes_it(tmp_path):
    settings = load_settings(tiny_project(tmp_path, LABELS, LABELS))
    (tmp_path / "data/manifests/tiny/val.parquet").unlink()
    with pytest.raises(UserError, match=r"val\.parquet: no such file(?s:.*)splits"):
        train_detector(settings, places(tmp_path), FacesParams())


def pilot(root, **project):
    """Settings and manifests whose last two rows are seen by the model for two instances alone."""
    path = tiny_project(root, [0, 1] * 9, [0, 1] * 3, max_epochs=1, **project)
    for split in ("train", "val"):
        file = root / f"data/manifests/tiny/{split}.parquet"
        manifest = pd.read_parquet(file)
        manifest.assign(n_from=[1] * (len(manifest) - 2) + [2, 2], n_to=2).to_parquet(file)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"instances": [1, 2]}))
    return load_settings(path)


def test_the_pilot_study_trains_a_model_for_each_number_of_instances(tmp_path):
    train_detector(pilot(tmp_path, detector="bce"), places(tmp_path), FacesParams())
    cards = {n: load_detector(tmp_path / f"model/n{n}")[1] for n in (1, 2)}
    assert sum(cards[1]["counts"]["train"]["src_train"].values()) == 16
    assert sum(cards[2]["counts"]["train"]["src_train"].values()) == 18
    assert (tmp_path / "model.csv").read_bytes() == (tmp_path / "model/n2/history.csv").read_bytes()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_another_protocol_has_trained_is_taken_over_and_no_other(tmp_path, monkeypatch):
    settings = pilot(tmp_path, detector="sad")
    trained = []
    fit = Run.fit
    monkeypatch.setattr(Run, "fit", lambda self: trained.append(self) or fit(self))

    def train_as(protocol, settings=settings):
        trained.clear()
        here = replace(places(tmp_path, f"models/{protocol}/sad"), finished=tmp_path / "models")
        train_detector(settings.model_copy(update={"protocol": protocol}), here, FacesParams())
        return len(trained), tmp_path / f"models/{protocol}/sad"

    models, first = train_as("one")
    assert models == 2
    models, second = train_as("two")
    assert models == 0
    for name in ("n1/model.safetensors", "n1/history.csv", "n2/model.safetensors"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    cards = [json.loads((folder / "n2/model.json").read_text()) for folder in (first, second)]
    assert cards[1] == cards[0] | {"protocol": "two"}
    assert (tmp_path / "models/two/sad.csv").read_bytes() == (second / "n2/history.csv").read_bytes()
    # Another seed is another model.
    assert train_as("three", settings.model_copy(update={"seed": 4}))[0] == 2

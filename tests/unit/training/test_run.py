import gc
import json
import multiprocessing
from dataclasses import replace

import pandas as pd
import pytest
import torch
from torchvision import models as zoo
from torchvision.models.resnet import BasicBlock, ResNet

from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file
from fakeforensics.models.saving import load_detector
from fakeforensics.params import FacesParams
from fakeforensics.training import run
from fakeforensics.training.epochs import Epochs
from fakeforensics.training.module import Training
from fakeforensics.training.run import Places, train_detector
from fakeforensics.training.settings import load_settings
from fakeforensics.training.trainer import fit
from tests.tiny_images import tiny_project

LABELS = [0, 1] * 9 + [0]


@pytest.fixture(autouse=True)
def _a_resnet_of_ten_layers(monkeypatch):
    """The runs are about the loop: half the layers, half the time."""
    monkeypatch.setattr(zoo, "get_model", lambda name, weights: ResNet(BasicBlock, [1, 1, 1, 1]))


def places(root, name="model"):
    return Places(
        manifests=root / "data/manifests/tiny",
        images=root / "data/images",
        model=root / name,
        plot=root / f"{name}.csv",
        scratch=root / "scratch",
    )


def train(root, name="model", **project):
    settings = load_settings(tiny_project(root, LABELS, LABELS[:8], **project))
    train_detector(settings, places(root, name), FacesParams())
    return root / name


def history(model):
    return pd.read_csv(model / "history.csv")


@pytest.mark.parametrize("precision", ["32", pytest.param("bf16", marks=pytest.mark.slow)])
def test_the_same_seed_gives_the_same_bytes_and_lambda_zero_those_of_bce(tmp_path, precision):
    bce = train(tmp_path, "bce", objective="bce", precision=precision)
    zero = train(tmp_path, "zero", objective="joint", lambda_=0.0, precision=precision)
    again = train(tmp_path, "again", objective="joint", lambda_=0.0, precision=precision)
    for file in ("model.safetensors", "model.json", "history.csv"):
        assert sha256_file(zero / file) == sha256_file(again / file)
    assert sha256_file(zero / "model.safetensors") == sha256_file(bce / "model.safetensors")
    assert history(zero)["val_loss"].tolist() == history(bce)["val_loss"].tolist()


def test_what_is_left_behind(tmp_path):
    model = train(tmp_path, objective="joint", max_epochs=3)
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
    assert card["settings"]["lambda"] == 0.01


def test_the_saved_centre_is_the_mean_of_the_reals_under_the_saved_weights(tmp_path):
    model = train(tmp_path, objective="sad")
    detector, _ = load_detector(model)
    settings = load_settings(tmp_path / "data/settings/tiny/sad.json")
    codes = []
    for images, labels, _ in _plain_batches(tmp_path, settings):
        with torch.no_grad():
            codes.append(detector.backbone(images[labels == 0]))
    assert torch.allclose(detector.centre, torch.cat(codes).mean(dim=0), atol=1e-5)


def _plain_batches(root, settings):
    from fakeforensics.models.preprocess import Preprocess
    from fakeforensics.training.dataset import ManifestDataset, collate

    preprocess = Preprocess(crop_size=settings.train.crop_size)
    manifest = pd.read_parquet(root / "data/manifests/tiny/train.parquet")
    batch = collate(ManifestDataset(manifest, root / "data/images", preprocess.crop).__getitems__(range(19)))
    yield preprocess.normalise(batch.images), batch.labels, batch.rows


def test_a_centre_from_init_stays_and_keeps_away_from_zero(tmp_path):
    short, long = (
        load_detector(train(tmp_path, f"e{n}", objective="sad", center="init", max_epochs=n))[0]
        for n in (1, 2)
    )
    assert torch.equal(short.centre, long.centre)
    assert (long.centre.abs() >= 0.1).all()


def test_sad_without_fakes_is_deep_svdd(tmp_path):
    settings = load_settings(tiny_project(tmp_path, [0] * 10, [0] * 4, objective="sad"))
    train_detector(settings, places(tmp_path), FacesParams())
    rows = history(tmp_path / "model")
    # without fakes the loss is the mean distance of reals (equation 3.1 with y = 0)
    assert rows["val_loss"].tolist() == pytest.approx(rows["real_distance"].tolist())
    assert rows["fake_distance"].isna().all()


def test_a_classifier_without_fakes_is_refused_before_any_work(tmp_path):
    settings = load_settings(tiny_project(tmp_path, [0] * 10, [0] * 4, objective="bce"))
    with pytest.raises(UserError, match="the train split has no fake images"):
        train_detector(settings, places(tmp_path), FacesParams())
    assert not (tmp_path / "scratch").exists()


def test_early_stopping_keeps_the_best_epoch(tmp_path, monkeypatch):
    losses = iter([0.9, 0.5, 0.7, 0.6, 0.5, 0.1])
    end = Training.on_validation_epoch_end

    def scripted(self):
        end(self)
        self.record["val_loss"] = next(losses)

    monkeypatch.setattr(Training, "on_validation_epoch_end", scripted)
    model = train(tmp_path, objective="bce", patience=3, max_epochs=10)
    # the best is epoch 1; epochs 2, 3, 4 do not go below 0.5, so training ends before 0.1
    assert history(model)["val_loss"].tolist() == [0.9, 0.5, 0.7, 0.6, 0.5]
    assert json.loads((model / "model.json").read_text())["best_epoch"] == 1


@pytest.mark.parametrize(
    ("objective", "finished", "workers"),
    [("joint", 1, 1), ("bce", 3, 0), pytest.param("sad", 2, 0, marks=pytest.mark.slow)],
)
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    tmp_path, monkeypatch, objective, finished, workers
):
    whole = train(tmp_path, "whole", objective=objective, max_epochs=3)
    end = Epochs.on_train_epoch_end

    class Killed(Exception):
        pass

    def killed(self, trainer, module):
        end(self, trainer, module)
        if len(self.history) == finished:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Epochs, "on_train_epoch_end", killed)
        train(tmp_path, "resumed", objective=objective, max_epochs=3, workers=workers)
    kept = [path.name for path in (tmp_path / "scratch").rglob("best-*")]
    so_far = history(whole)["val_loss"][:finished]
    assert kept == [f"best-{so_far.idxmin()}.safetensors"]
    begun = []
    start = Training.on_train_epoch_start
    monkeypatch.setattr(
        Training, "on_train_epoch_start", lambda self: begun.append(self.current_epoch) or start(self)
    )
    resumed = train(tmp_path, "resumed", objective=objective, max_epochs=3, workers=workers)
    assert begun == list(range(finished, 3))
    for file in ("model.safetensors", "model.json", "history.csv"):
        assert (resumed / file).read_bytes() == (whole / file).read_bytes(), file


def test_other_settings_do_not_take_up_a_killed_run(tmp_path, monkeypatch):
    def killed(self, trainer, module):
        raise KeyError("killed")

    fresh = train(tmp_path, "fresh", objective="bce", learning_rate=0.002)
    with monkeypatch.context() as patch, pytest.raises(KeyError):
        patch.setattr(Epochs, "on_train_end", killed)
        train(tmp_path, objective="bce", learning_rate=0.001)
    model = train(tmp_path, objective="bce", learning_rate=0.002)
    assert (model / "model.safetensors").read_bytes() == (fresh / "model.safetensors").read_bytes()
    assert len(list((tmp_path / "scratch").iterdir())) == 1


def test_a_loss_that_explodes_stops_the_run_with_the_images(tmp_path):
    with pytest.raises(UserError, match=r"epoch \d+(?s:.*)src_"):
        train(tmp_path, objective="bce", learning_rate=1e30)
    assert not (tmp_path / "model").exists()


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on a machine of one core
def test_options_train(tmp_path):
    before = len(multiprocessing.active_children())
    train(tmp_path, objective="joint", balance="method", stem="no_downsampling", workers=2, max_epochs=1)
    gc.collect()
    assert len(multiprocessing.active_children()) <= before  # decoding processes end with the run


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
    train_detector(pilot(tmp_path, objective="bce"), places(tmp_path), FacesParams())
    cards = {n: load_detector(tmp_path / f"model/n{n}")[1] for n in (1, 2)}
    assert sum(cards[1]["counts"]["train"]["src_train"].values()) == 16
    assert sum(cards[2]["counts"]["train"]["src_train"].values()) == 18
    assert (tmp_path / "model.csv").read_bytes() == (tmp_path / "model/n2/history.csv").read_bytes()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_another_protocol_has_trained_is_taken_over_and_no_other(tmp_path, monkeypatch):
    settings = pilot(tmp_path, objective="sad")
    trained = []
    monkeypatch.setattr(run, "fit", lambda *args: trained.append(args) or fit(*args))

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

import gc
import json
import multiprocessing
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.fabric import Fabric
from sklearn.svm import OneClassSVM

from fakeforensics import detectors
from fakeforensics.detectors.doc import Doc
from fakeforensics.detectors.oc_svm import OcSvm
from fakeforensics.errors import UserError
from fakeforensics.images.digits import digit_rows
from fakeforensics.images.index import IN_PLACE_FILE
from fakeforensics.models.card import Architecture
from fakeforensics.models.detector import HeadDetector
from fakeforensics.models.latent import away_from_zero
from fakeforensics.models.registry import build_detector
from fakeforensics.models.saving import load_detector
from fakeforensics.params import FacesParams
from fakeforensics.training.loop import Run
from fakeforensics.training.settings import load_settings
from fakeforensics.training.train import seen_rows, train_detector
from tests.thin_resnet import thin_networks
from tests.tiny_images import tiny_project
from tests.unit.training._runs import LABELS, history, places, plain, train


@pytest.fixture(scope="module", autouse=True)
def _thin_networks():
    with thin_networks():
        yield


def test_images_in_place_train_as_those_in_shards(tmp_path):
    whole = history(train(tmp_path / "shards", max_epochs=1))
    root = tmp_path / "in_place"
    tiny_project(root, LABELS, LABELS[:8])
    for split in ("train", "val"):
        path, source = root / f"data/manifests/tiny/{split}.parquet", root / f"data/images/src_{split}"
        rows = pd.read_parquet(path)
        raw = root / "raw" / split
        (raw / "a").mkdir(parents=True)
        names = [f"a/{number}.png" for number in range(len(rows))]
        for name, (_, row) in zip(names, rows.iterrows(), strict=True):
            data = (source / row["shard"]).read_bytes()[row["offset"] :][: row["size"]]
            (raw / name).write_bytes(data)
        rows.assign(shard="", offset=0, raw_path=names).to_parquet(path)
        (source / "shard-00000.tar").unlink()
        (source / IN_PLACE_FILE).write_text(json.dumps({"root": str(raw)}))
    assert history(train(root, max_epochs=1)).equals(whole)


def test_what_is_left_behind(tmp_path):
    model = train(tmp_path, detector="joint", max_epochs=3)
    assert {path.name for path in model.iterdir()} == {
        *("model.safetensors", "model.json", "history.csv", "SHA256SUMS")
    }
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


def test_a_detector_that_needs_fakes_is_refused_without_them_before_any_work(tmp_path):
    with pytest.raises(UserError, match="the train split has no fake images"):
        train(tmp_path, labels=[0] * 10, val=[0] * 4, detector="joint")
    assert not (tmp_path / "scratch").exists()


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on a machine of one core
def test_options_train(tmp_path):
    before = len(multiprocessing.active_children())
    options = {"balance": "method", "stem": "no_downsampling", "code": "map", "workers": 2}
    model = train(tmp_path, detector="joint", max_epochs=1, **options)
    gc.collect()
    assert len(multiprocessing.active_children()) <= before  # decoding processes end with the run
    # the stem keeps 32 pixels, layers 2 to 4 halve them to 4 × 4
    assert load_detector(model)[0].center.shape == (512 * 4 * 4,)


def test_running_out_of_memory_names_what_to_lower(tmp_path, monkeypatch):
    def exhausted(self, epoch, rate):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(Run, "train_epoch", exhausted)
    with pytest.raises(UserError, match=r"`train.batch_size` \(now 8\)"):
        train(tmp_path, detector="bce")


def test_a_missing_manifest_names_the_stage_that_writes_it(tmp_path):
    settings = load_settings(tiny_project(tmp_path, LABELS, LABELS))
    (tmp_path / "data/manifests/tiny/val.parquet").unlink()
    with pytest.raises(UserError, match=r"val\.parquet: no such file(?s:.*)splits"):
        train_detector(settings, places(tmp_path), FacesParams())


def drop_fakes(root):
    for split in ("train", "val"):
        file = root / f"data/manifests/tiny/{split}.parquet"
        manifest = pd.read_parquet(file)
        manifest[manifest["label"] == 0].reset_index(drop=True).to_parquet(file)


def test_deep_svdd_never_sees_a_fake(tmp_path):
    with_fakes = train(tmp_path, "with", detector="deep_svdd")
    drop_fakes(tmp_path)
    alone = train(tmp_path, "alone", detector="deep_svdd")
    for file in ("model.safetensors", "history.csv"):
        assert (with_fakes / file).read_bytes() == (alone / file).read_bytes(), file
    card = json.loads((with_fakes / "model.json").read_text())
    assert card["counts"] == {"train": {"src_train": {"real": 10}}, "val": {"src_val": {"real": 4}}}
    rows = history(alone)
    # its loss is the mean distance of reals
    assert rows["val_loss"].tolist() == pytest.approx(rows["real_distance"].tolist())
    assert rows["fake_distance"].isna().all()


def test_a_center_from_init_stays_as_first_computed_and_away_from_zero(tmp_path):
    saved, _ = load_detector(train(tmp_path, detector="sad", own={"center": "init"}))
    torch.manual_seed(3)  # the run's seed
    first = build_detector("sad", Architecture(crop_size=32), {"center": "init"})
    images, labels, _ = plain(tmp_path)
    expected = away_from_zero(first.eval().mean_code([images[labels == 0]]))
    assert torch.allclose(saved.center, expected, atol=1e-5)
    assert (saved.center.abs() >= 0.1).all()


@pytest.mark.parametrize("own", [{}, {"most_reals": 6, "beyond": "sample", "nu": 0.3, "gamma": 0.01}])
def test_oc_svm_scores_as_scikit_learns_does(tmp_path, own):
    model = train(tmp_path, detector="oc_svm", own=own)
    detector, card = load_detector(model)
    rows = history(model)
    assert rows["epoch"].tolist() == [0]
    assert rows.drop(columns="epoch").isna().all(axis=None)
    assert (card["epochs"], card["best_epoch"], card["validation_loss"]) == (1, 0, None)
    assert list((tmp_path / "scratch").glob("*")) == []

    images, labels, _ = plain(tmp_path)
    with torch.no_grad():
        features = detector.features(images[labels == 0]).double().numpy()
        others = detector.features(images[labels == 1]).double().numpy()
        scores = detector.score(images[labels == 1])["score_oc"]
    if "most_reals" in own:  # of the ten
        chosen = np.random.default_rng(3).choice(10, 6, replace=False)
        features = features[np.sort(chosen)]
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation[deviation == 0] = 1.0
    svm = OneClassSVM(nu=own.get("nu", 0.1), gamma=own.get("gamma", "scale"))
    svm.fit((features - mean) / deviation)
    expected = -svm.decision_function((others - mean) / deviation)
    assert scores.tolist() == pytest.approx(expected.tolist(), abs=1e-4)


def test_oc_svm_starts_as_other_detectors_do_and_repeats(tmp_path):
    first, again = (train(tmp_path, name, detector="oc_svm") for name in ("first", "again"))
    for file in ("model.safetensors", "model.json", "history.csv"):
        assert (first / file).read_bytes() == (again / file).read_bytes(), file
    torch.manual_seed(3)
    start = build_detector("bce", Architecture(crop_size=32), {}).backbone.state_dict()
    saved = load_detector(first)[0].backbone.state_dict()
    assert all(torch.equal(saved[name], start[name]) for name in start)


def test_heads_of_one_backbone_encode_each_training_image_once(tmp_path, monkeypatch):
    encoded = []
    features = HeadDetector.features

    def counted(self, images):
        encoded.append(len(images))
        return features(self, images)

    monkeypatch.setattr(HeadDetector, "features", counted)
    for name in ("oc_svm", "svdd", "svdd_fakes"):
        settings = load_settings(tiny_project(tmp_path, LABELS, LABELS[:8], detector=name))
        shared = replace(places(tmp_path, name), features=tmp_path / "features")
        train_detector(settings, shared, FacesParams())
    # the 10 reals for oc_svm, nothing for svdd, the 9 fakes alone for svdd_fakes
    assert sum(encoded) == 19
    assert len(list((tmp_path / "features").iterdir())) == 2
    # each image's code stands in its own row: fitted alone, the ball is the same
    own = load_settings(tiny_project(tmp_path, LABELS, LABELS[:8], detector="svdd_fakes"))
    train_detector(own, places(tmp_path, "alone"), FacesParams())
    alone, together = (load_detector(tmp_path / name)[0].fitted for name in ("alone", "svdd_fakes"))
    assert all(torch.equal(alone[name], together[name]) for name in alone)


def test_a_head_is_fitted_by_one_process(tmp_path, monkeypatch):
    monkeypatch.setattr(Fabric, "world_size", 2)
    with pytest.raises(UserError, match=r"fitted by one process(?s:.*)train\.devices: 1"):
        train(tmp_path, detector="oc_svm")


def test_what_is_not_finite_is_not_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(OcSvm, "fit", lambda *inputs: {"rho": np.array([np.nan])})
    with pytest.raises(UserError, match=r"fitting the detector 'oc_svm'(?s:.*)rho"):
        train(tmp_path, detector="oc_svm")
    assert not (tmp_path / "model").exists()
    monkeypatch.setattr(OcSvm, "features", lambda self, images: torch.full((len(images), 2), torch.nan))
    with pytest.raises(UserError, match="the features of the detector 'oc_svm'"):
        train(tmp_path, detector="oc_svm")


TOY = """
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from fakeforensics.models.detector import NetworkDetector
from fakeforensics.metrics.spec import ScoreSpec


class Toy(NetworkDetector):
    '''Tells reals from the classes of a reference set.'''

    name: ClassVar = "toy"
    label: ClassVar = "Toy"
    title: ClassVar = "a toy"
    sees: ClassVar = "reals+reference"
    scores: ClassVar = (ScoreSpec(name="t", label="S_T", title="t", column="score_t", scale="real"),)
    seen: ClassVar = {"training": [], True: [], False: []}

    def __init__(self, architecture, settings):
        super().__init__(architecture, settings)
        self.body = nn.Conv2d(3, 4, 3)

    def relabel(self, labels, seed):
        self.seen["training"] += labels.tolist()
        self.head = nn.Linear(4, labels.max())
        return labels

    def prepare(self, state):
        self.head = nn.Linear(4, len(state["head.bias"]))

    def forward(self, images):
        return self.head(self.body(images).mean(dim=(2, 3)))

    def losses(self, images, output, labels):
        self.seen[self.training] += labels.int().tolist()
        classes = torch.where(labels == 0, labels, labels - 1).long()
        return functional.cross_entropy(output, classes, reduction="none")

    def read(self, images, output):
        return {"score_t": -output[:, 0]}
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    folder = tmp_path / "detectors"
    folder.mkdir()
    (folder / "toy.py").write_text(TOY)
    monkeypatch.setattr(detectors, "__path__", [*detectors.__path__, str(folder)])
    yield
    sys.modules.pop("fakeforensics.detectors.toy", None)
    vars(detectors).pop("toy", None)


@pytest.mark.usefixtures("toy")
def test_a_reference_set_is_seen_with_its_classes_and_the_reals_but_no_fakes(tmp_path):
    # places 0, 2, 4, 6 are for training, 1, 3, 5, 7 for validation
    model = train(tmp_path, detector="toy", reference=[0, 0, 1, 1, 2, 2, 1, 1], max_epochs=1)
    seen = detectors.toy.Toy.seen
    reals = [label for label in LABELS if label == 0]
    expected = sorted([*reals, 2, 3, 4, 3])
    assert sorted(seen["training"]) == sorted(seen[True]) == expected
    assert sorted(seen[False]) == [0, 0, 0, 0, 2, 3, 3, 4]
    detector, card = load_detector(model)
    assert detector.head.out_features == 4
    assert card["counts"]["train"] == {"src_reference": {"reference": 4}, "src_train": {"real": 10}}
    assert set(card["images"]["crop"]) == {"src_train"}
    assert card["detector"]["sees"] == "reals+reference"


@pytest.mark.usefixtures("toy")
def test_without_a_reference_set_it_says_what_to_add(tmp_path):
    with pytest.raises(UserError, match=r"reference\.parquet: no such file(?s:.*)the splits stage"):
        train(tmp_path, detector="toy")
    empty = pd.read_parquet(tmp_path / "data/manifests/tiny/train.parquet").assign(reference_class=0)[:0]
    empty.to_parquet(tmp_path / "data/manifests/tiny/reference.parquet")
    with pytest.raises(UserError, match=r"'toy' learns from a labeled reference(?s:.*)add `reference_set`"):
        train(tmp_path, detector="toy")
    assert not (tmp_path / "scratch").exists()


def test_digits_take_the_place_of_a_missing_reference_set_where_a_setting_says_so(tmp_path):
    rows = digit_rows()
    reals = rows.iloc[[0, 1]].assign(source="src", method="real", label=[0, 1])
    manifests = {"train": reals, "val": reals, "reference": rows[:0]}
    with pytest.raises(UserError, match=r"the protocol has none(?s:.*)default_reference"):
        seen_rows(manifests, Doc, {"default_reference": "none"})
    seen = seen_rows(manifests, Doc, {"default_reference": "digits"})
    for rows in seen.values():
        assert set(rows["label"]) == {0, *range(2, 12)}  # one class per digit, and no fake
        assert (rows["label"] == 0).sum() == 1
        assert set(rows.loc[rows["label"] >= 2, "method"]) == {"reference"}
    # 1,797 digits, every seventh for validation: 257
    assert [len(seen[split]) - 1 for split in ("train", "val")] == [1540, 257]
    assert not {*seen["train"]["key"][1:]} & {*seen["val"]["key"][1:]}


@pytest.mark.usefixtures("toy")
def test_a_class_of_the_reference_set_that_only_one_split_holds_is_refused(tmp_path):
    # places 0, 2, 4, 6 are for training, 1, 3, 5, 7 for validation: class 2 is in validation alone
    with pytest.raises(UserError, match=r"train: classes \[0, 1\]; val: classes \[0, 1, 2\]"):
        train(tmp_path, detector="toy", reference=[0, 0, 1, 1, 0, 2, 1, 1], max_epochs=1)

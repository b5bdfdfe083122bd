import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file
from fakeforensics.models.card import Architecture
from fakeforensics.models.registry import build_detector
from fakeforensics.models.saving import load_detector, save_detector
from fakeforensics.sums import write_sums
from tests.score_specs import SCORES
from tests.thin_resnet import thin_networks

JOINT = {"lambda": 0.01, "center": "epoch"}


@pytest.fixture(scope="module", autouse=True)
def _thin_networks():
    with thin_networks():
        yield


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    detector = build_detector("joint", Architecture(crop_size=64), JOINT)
    detector.center.normal_()
    card = {"protocol": "demo", "best_epoch": 4, "preprocess": detector.preprocess.model_dump(mode="json")}
    save_detector(tmp_path, detector, card)
    return tmp_path, detector


def test_round_trip_keeps_every_bit(saved):
    folder, detector = saved
    loaded, card = load_detector(folder)
    assert not loaded.training
    assert card["detector"]["name"] == "joint"
    assert (card["protocol"], card["best_epoch"]) == ("demo", 4)
    assert list(card)[:3] == ["format", "weights_sha256", "detector"]
    for name, tensor in detector.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_architecture_settings_and_scores_are_restored(tmp_path):
    architecture = Architecture(backbone="resnet34", stem="no_downsampling", code="map", crop_size=32)
    save_detector(tmp_path, build_detector("joint", architecture, {"lambda": 0.5, "center": "init"}), {})
    loaded, _ = load_detector(tmp_path)
    assert loaded.architecture == architecture
    assert loaded.backbone.conv1.stride == (1, 1)
    assert (loaded.settings.lambda_, loaded.settings.center) == (0.5, "init")
    assert loaded.scores == SCORES["joint"]


def test_fitted_arrays_get_room_of_their_own_size(tmp_path):
    detector = build_detector("oc_svm", Architecture(crop_size=32), {})
    fitted = {
        "mean": np.zeros(512),
        "deviation": np.ones(512),
        "support": np.random.default_rng(0).normal(size=(3, 512)),
        "weights": np.array([0.5, 0.25, 0.25]),
        "rho": np.array([0.3]),
        "gamma": np.array([0.01]),
    }
    detector.set_fitted(fitted)
    save_detector(tmp_path, detector, {})
    loaded, _ = load_detector(tmp_path)
    assert {name: array.tolist() for name, array in loaded.fitted.items()} == {
        name: array.tolist() for name, array in fitted.items()
    }
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded.score(images)["score_oc"], detector.eval().score(images)["score_oc"])


def test_memory_order_does_not_reach_the_file(saved, tmp_path_factory):
    folder, detector = saved
    other = tmp_path_factory.mktemp("other")
    save_detector(other, detector.to(memory_format=torch.channels_last), {})
    assert sha256_file(other / "model.safetensors") == sha256_file(folder / "model.safetensors")


def test_missing_files_are_named(tmp_path, saved):
    with pytest.raises(UserError, match=r"nowhere.model\.json: no such file"):
        load_detector(tmp_path / "nowhere")
    (saved[0] / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"model\.safetensors: missing"):
        load_detector(saved[0])


def test_truncated_weights_are_refused(saved):
    weights = saved[0] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"model\.safetensors: changed"):
        load_detector(saved[0])


def test_weights_of_another_model_are_refused(saved):
    folder, _ = saved
    state = load_file(folder / "model.safetensors")
    state["center"] += 1
    save_file(state, folder / "model.safetensors")
    with pytest.raises(UserError, match=r"model\.safetensors: changed"):
        load_detector(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (("detector", "architecture", "stem"), "no_downsampling"),
        (("preprocess", "crop_size"), 32),
        (("preprocess", "mean"), [0.5, 0.5, 0.5]),
        (("preprocess", "std"), [1.0, 1.0, 1.0]),
    ],
)
def test_a_card_that_was_changed_is_refused(saved, key, value):
    path = saved[0] / "model.json"
    card = inner = json.loads(path.read_text())
    for name in key[:-1]:
        inner = inner[name]
    inner[key[-1]] = value
    path.write_text(json.dumps(card))
    with pytest.raises(UserError, match=r"model\.json: changed(.|\n)*what to do: copy"):
        load_detector(saved[0])


def _replace(folder, state):
    save_file(state, folder / "model.safetensors")
    _edit(folder, weights_sha256=sha256_file(folder / "model.safetensors"))


def _edit(folder, **changes):
    card = json.loads((folder / "model.json").read_text()) | changes
    (folder / "model.json").write_text(json.dumps(card))
    write_sums(folder)


def test_foreign_tensors_are_refused_even_with_their_hash(saved):
    _replace(saved[0], {"weight": torch.zeros(3)})
    with pytest.raises(UserError, match=r"not those of the detector 'joint' with the backbone resnet18"):
        load_detector(saved[0])


def test_scores_that_the_detector_no_longer_has_are_refused(saved):
    about = json.loads((saved[0] / "model.json").read_text())["detector"]
    _edit(saved[0], detector=about | {"scores": about["scores"][:1]})
    with pytest.raises(UserError, match=r"not those of the current detector 'joint'(?s:.*)again"):
        load_detector(saved[0])


def test_a_detector_that_is_not_installed_is_named(saved):
    about = json.loads((saved[0] / "model.json").read_text())["detector"]
    _edit(saved[0], detector=about | {"name": "mine"})
    with pytest.raises(UserError, match="unknown detector 'mine'"):
        load_detector(saved[0])


def test_what_is_no_safetensors_file_is_refused(saved):
    weights = saved[0] / "model.safetensors"
    weights.write_bytes(b"PK\x03\x04 a pickle in a zip")
    _edit(saved[0], weights_sha256=sha256_file(weights))
    with pytest.raises(UserError, match="not a safetensors file"):
        load_detector(saved[0])


def test_weights_that_are_not_finite_are_refused(saved):
    folder, detector = saved
    state = load_file(folder / "model.safetensors")
    state["classifier.bias"].fill_(float("nan"))
    _replace(folder, state)
    with pytest.raises(UserError, match="not finite"):
        load_detector(folder)
    with torch.no_grad():
        detector.classifier.bias.fill_(float("inf"))
    with pytest.raises(ValueError, match=r"classifier\.bias"):
        save_detector(folder, detector, {})

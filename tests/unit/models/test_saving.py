import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file
from fakeforensics.models.detector import Detector
from fakeforensics.models.saving import load_detector, read_card, save_detector


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    detector = Detector()
    detector.centre.normal_()
    save_detector(tmp_path, detector, {"objective": "joint", "best_epoch": 4})
    return tmp_path, detector


def test_round_trip_keeps_every_bit(saved):
    folder, detector = saved
    loaded, card = load_detector(folder)
    assert not loaded.training
    assert card["objective"] == "joint"
    for name, tensor in detector.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_stem_and_backbone_are_restored(tmp_path):
    save_detector(tmp_path, Detector("resnet34", "no_downsampling"), {})
    loaded, _ = load_detector(tmp_path)
    assert loaded.architecture == {"backbone": "resnet34", "stem": "no_downsampling"}
    assert loaded.backbone.conv1.stride == (1, 1)


def test_memory_order_does_not_reach_the_file(saved, tmp_path_factory):
    folder, detector = saved
    other = tmp_path_factory.mktemp("other")
    save_detector(other, detector.to(memory_format=torch.channels_last), {"objective": "joint"})
    assert sha256_file(other / "model.safetensors") == sha256_file(folder / "model.safetensors")


def test_missing_files_are_named(tmp_path, saved):
    with pytest.raises(UserError, match=r"nowhere.model\.json: no such file"):
        load_detector(tmp_path / "nowhere")
    (saved[0] / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"model\.safetensors: no such file"):
        load_detector(saved[0])


def test_truncated_weights_are_refused(saved):
    weights = saved[0] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"not the weights that model\.json"):
        load_detector(saved[0])


def test_weights_of_another_model_are_refused(saved):
    folder, _ = saved
    state = load_file(folder / "model.safetensors")
    state["centre"] += 1
    save_file(state, folder / "model.safetensors")
    with pytest.raises(UserError, match="another model"):
        load_detector(folder)


def _replace(folder, state):
    save_file(state, folder / "model.safetensors")
    _edit(folder, weights_sha256=sha256_file(folder / "model.safetensors"))


def _edit(folder, **changes):
    card = json.loads((folder / "model.json").read_text()) | changes
    (folder / "model.json").write_text(json.dumps(card))


def test_foreign_tensors_are_refused_even_with_their_hash(saved):
    _replace(saved[0], {"weight": torch.zeros(3)})
    with pytest.raises(UserError, match="not those of a resnet18 detector"):
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "not the card of a detector"),
        ('{"format": {"name": "fake-forensics detector", "version": 9}}', "another format"),
        ('{"format": {"name": "fake-forensics detector", "version": 1}}', "architecture"),
    ],
)
def test_foreign_cards_are_refused(saved, text, message):
    (saved[0] / "model.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_card(saved[0])

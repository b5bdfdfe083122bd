from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torchvision import models as zoo
from torchvision.models import ResNet18_Weights

from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file
from fakeforensics.models.backbone import build_backbone
from fakeforensics.models.pretrained import load_pretrained


@pytest.fixture(scope="module")
def published():
    torch.manual_seed(5)
    return zoo.resnet18(weights=None).state_dict()


@pytest.fixture
def pth(tmp_path, published):
    path = tmp_path / "weights.pth"
    torch.save(published, path)
    return path


def test_none_leaves_the_initial_weights(published):
    backbone = build_backbone()
    before = backbone.conv1.weight.clone()
    assert load_pretrained(backbone, "resnet18", "none") == {"weights": "none"}
    assert torch.equal(backbone.conv1.weight, before)


def test_imagenet_comes_from_torchvision(monkeypatch, published):
    asked = []

    def download(self, **how):
        asked.append(how)
        return published

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", download)
    backbone = build_backbone("resnet18", "no_downsampling")
    assert load_pretrained(backbone, "resnet18", "imagenet") == {
        "weights": "resnet18 ResNet18_Weights.IMAGENET1K_V1"
    }
    assert torch.equal(backbone.conv1.weight, published["conv1.weight"])
    assert asked == [{"progress": False, "check_hash": True}]


def test_a_failed_download_names_the_address_and_the_ways_out(monkeypatch):
    def offline(self, **how):
        raise URLError("no route")

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", offline)
    with pytest.raises(UserError, match=r"resnet18-f37072fd\.pth(?s:.*)set `train.weights` to its path"):
        load_pretrained(build_backbone(), "resnet18", "imagenet")


def test_a_file_is_checked_by_the_hash_in_its_name(pth, published):
    digest = sha256_file(pth)
    named = pth.rename(pth.with_name(f"resnet18-{digest[:8]}.pth"))
    backbone = build_backbone()
    assert load_pretrained(backbone, "resnet18", str(named)) == {"weights": named.name, "sha256": digest}
    assert torch.equal(backbone.layer1[0].conv1.weight, published["layer1.0.conv1.weight"])


def test_a_file_is_checked_by_the_hash_given(pth):
    load_pretrained(build_backbone(), "resnet18", str(pth), sha256_file(pth))
    with pytest.raises(UserError, match="not the file that was meant"):
        load_pretrained(build_backbone(), "resnet18", str(pth), "0" * 64)


def test_a_file_of_unknown_hash_is_refused_with_its_hash(pth):
    with pytest.raises(UserError, match=sha256_file(pth)):
        load_pretrained(build_backbone(), "resnet18", str(pth))


def test_safetensors_are_read_too(tmp_path, published):
    path = tmp_path / "weights.safetensors"
    save_file(published, path)
    backbone = build_backbone()
    load_pretrained(backbone, "resnet18", str(path), sha256_file(path))
    assert torch.equal(backbone.conv1.weight, published["conv1.weight"])


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"not a zip")
    with pytest.raises(UserError, match="not a file of weights"):
        load_pretrained(build_backbone(), "resnet18", str(path), sha256_file(path))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"gone\.pth: no such file"):
        load_pretrained(build_backbone(), "resnet18", str(tmp_path / "gone.pth"))

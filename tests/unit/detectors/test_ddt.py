import math

import pytest
import torch
from safetensors.torch import save_file

from fakeforensics.detectors.ddt import Ddt, DdtOutput, wasserstein
from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file
from fakeforensics.models.backbone import build_backbone
from fakeforensics.models.card import Architecture
from fakeforensics.models.registry import build_detector
from tests.unit.detectors.networks import (
    build,
    check_contract,
    rates,
    separation,
    shorten_resnet,
    train,
    train_params,
)


def test_hand_worked_distances_and_score(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("ddt", 32, latent=2)
    output = DdtOutput(torch.tensor([[1.0, 0.0], [3.0, 1.0]]), torch.tensor([[1.0, 1.0], [3.0, 1.0]]))
    # On the real prototype (1, 0): 0; to the fake one (0, 1): √2. The second: to real √(4 + 1 + 4) = 3, to
    # fake √(9 + 0 + 4) = √13.
    assert wasserstein(output, torch.tensor([1.0, 0.0])).tolist() == pytest.approx([0, 3], abs=1e-5)
    images = torch.zeros(2, 3, 32, 32)
    expected = [0.0, math.sqrt(13)]
    assert detector.losses(images, output, torch.tensor([0.0, 1.0])).tolist() == pytest.approx(
        expected, abs=1e-5
    )
    score = detector.read(images, output)["score_ddt"].tolist()
    assert score == pytest.approx([-math.sqrt(2), 3 - math.sqrt(13)], abs=1e-5)
    assert detector.distance(output).tolist() == pytest.approx([0, 3], abs=1e-5)


def test_the_slope_is_finite_on_the_prototype():
    mean, deviation = torch.tensor([[1.0, 0.0]], requires_grad=True), torch.ones(1, 2)
    wasserstein(DdtOutput(mean, deviation), torch.tensor([1.0, 0.0])).sum().backward()
    assert torch.isfinite(mean.grad).all()


def test_means_are_positive_and_deviations_too(monkeypatch):
    shorten_resnet(monkeypatch)
    output = build("ddt", 32)(torch.randn(3, 3, 32, 32))
    assert output.mean.shape == (3, 16)
    assert (output.mean >= 0).all()
    assert (output.deviation > 0).all()


def test_right_halves_come_from_another_image_of_the_class(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("ddt", 32, mixup=1.0)
    # every image has its number as its only color; 0, 2, 4 are real and 1, 3, 5 fake
    images = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 3, 32, 32).contiguous()
    mixed = detector.mix(images, torch.arange(6) % 2 * 1.0)
    left, right = mixed[..., :16], mixed[..., 16:]
    assert torch.equal(left, images[..., :16])
    partner = right[:, 0, 0, 0]
    assert torch.equal(right, partner.view(6, 1, 1, 1).expand_as(right))
    assert (partner != torch.arange(6)).all()
    assert (partner % 2 == torch.arange(6) % 2).all()


def test_the_share_of_mixed_images(monkeypatch):
    shorten_resnet(monkeypatch)
    images = torch.arange(400.0).view(400, 1, 1, 1).expand(400, 3, 2, 2)
    for share in (0.0, 0.5):
        mixed = build("ddt", 32, mixup=share).mix(images, torch.zeros(400))
        assert (mixed != images).any(dim=(1, 2, 3)).float().mean() == pytest.approx(share, abs=0.1)


def test_it_separates_stripes_and_the_boundary_is_zero(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = train(build("ddt"), 25, rate=3e-3)
    assert separation(detector) > 0.95


def test_contract(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("ddt")
    assert detector.sees == "reals+fakes"
    assert detector.heat_layer is detector.backbone.layer3
    assert detector.preprocess.mean == (0.5, 0.5, 0.5)
    assert not [name for name in detector.state_dict() if "layer4" in name]
    check_contract(detector, torch.tensor([0.0, 1.0, 0.0, 1.0]))


def test_weights_of_the_whole_network_start_it(tmp_path, monkeypatch):
    shorten_resnet(monkeypatch)
    torch.manual_seed(5)
    whole, _ = build_backbone(Architecture(crop_size=32))
    path = tmp_path / "weights.safetensors"
    save_file(whole.state_dict(), path)
    detector = build("ddt", 32)
    record = detector.start_from(str(path), sha256_file(path))
    assert record["weights"] == "weights.safetensors"
    assert torch.equal(detector.backbone.layer3[0].conv1.weight, whole.layer3[0].conv1.weight)
    assert detector.start_from("none", None) == {"weights": "none"}


@pytest.mark.parametrize("wrong", [{"latent": 3}, {"latent": 0}, {"mixup": 1.5}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UserError):
        build("ddt", 32, **wrong)


def test_another_network_than_a_resnet_is_refused():
    with pytest.raises(UserError, match="ResNet"):
        build_detector("ddt", Architecture(crop_size=64, backbone="mobilenet_v3_small"), {})


def test_the_rate_falls_after_more_than_five_epochs_without_a_fall_of_the_loss():
    params = train_params(Ddt.recipe)
    # PyTorch's patience of 5, as in the code: the sixth epoch without a fall is one too many
    assert rates(params, [1.0] * 7) == pytest.approx([1e-3] * 7 + [0.7e-3])
    # a fall by 0.0002 counts, one by 0.00005 does not
    assert rates(params, [1.0] * 6 + [0.9998])[-1] == pytest.approx(1e-3)
    assert rates(params, [1.0] * 6 + [0.99995])[-1] == pytest.approx(0.7e-3)
    assert (params.batch_size, params.patience, params.crop_size) == (128, 10, 256)

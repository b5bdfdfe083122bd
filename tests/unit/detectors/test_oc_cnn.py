import math

import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.models.card import Architecture
from fakeforensics.models.registry import build_detector
from tests.unit.detectors.networks import build, check_contract, shorten_resnet, striped, train


def test_hand_worked_losses_and_score(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("oc_cnn", 32)
    # p(noise) of the image 1/4, of its noise 3/4: ½ [−log 3/4 − log 3/4]; both at even odds: log 2
    log3 = math.log(3)
    output = torch.tensor([[-log3, log3], [0.0, 0.0]])
    images = torch.zeros(2, 3, 32, 32)
    losses = detector.losses(images, output, torch.zeros(2)).tolist()
    assert losses == pytest.approx([-math.log(0.75), math.log(2)])
    assert detector.read(images, output)["occ_logit"].tolist() == pytest.approx([-log3, 0.0])
    assert detector.scores[0].probability([-log3])[0] == pytest.approx(0.25)  # 1 − p(target)


def test_features_are_normalized_and_noise_has_the_deviation_sigma(monkeypatch):
    shorten_resnet(monkeypatch)
    detector, seen = build("oc_cnn", 32, sigma=0.5), []
    monkeypatch.setattr(detector, "logit", lambda features: seen.append(features) or features.sum(dim=1))
    for mode in (True, False):
        seen.clear()
        detector.train(mode)(striped(4, 32)[0])
        features, noise = seen
        assert torch.allclose(features.mean(dim=1), torch.zeros(4), atol=1e-5)
        assert torch.allclose(
            features.var(dim=1, correction=0), torch.ones(4), atol=0.01
        )  # √(variance + 1e-5)
        assert float(noise.std()) == pytest.approx(0.5, rel=0.05)  # 2048 draws; or quantiles of one vector
        assert abs(float(noise.mean())) < 0.05


def test_the_codes_classifier_and_relu(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("oc_cnn", 32, classifier="linear", relu=True)
    assert [type(layer).__name__ for layer in detector.classifier] == ["Linear"]
    assert len(build("oc_cnn", 32).classifier) == 3
    positive = torch.rand(2, 512)
    assert torch.equal(detector.logit(-positive), detector.logit(torch.zeros(2, 512)))


def test_only_the_end_is_trained_and_the_rest_keeps_its_statistics(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("oc_cnn")
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    train(detector, 2, count=8, label=0)
    moved = {name for name, value in detector.state_dict().items() if not torch.equal(value, before[name])}
    assert any(name.startswith("backbone.layer4") for name in moved)
    assert not [name for name in moved if not name.startswith(("backbone.layer4", "classifier"))]


def test_reals_are_told_from_noise(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = train(build("oc_cnn", 32), 12, count=8, label=0, size=32)
    with torch.no_grad():
        image, noise = detector(striped(8, 32)[0][::2]).unbind(dim=1)
    assert image.max() < 0 < noise.min()


def test_contract(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("oc_cnn")
    assert detector.sees == "reals"
    check_contract(detector, torch.zeros(4))


def test_the_papers_network_trains_its_fully_connected_layers():
    detector = build_detector("oc_cnn", Architecture(crop_size=64, backbone="alexnet"), {})
    trained = {name for name, weight in detector.named_parameters() if weight.requires_grad}
    assert {name.split(".")[0] + "." + name.split(".")[1] for name in trained} == {
        "backbone.classifier",
        "classifier.0",
        "classifier.2",
    }
    assert detector.width == 4096


@pytest.mark.parametrize("wrong", [{"sigma": 0}, {"classifier": "svm"}, {"relu": 1}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UserError):
        build("oc_cnn", 32, **wrong)


def test_another_network_is_refused():
    with pytest.raises(UserError, match="ResNet, AlexNet or VGG"):
        build_detector("oc_cnn", Architecture(crop_size=64, backbone="mobilenet_v3_small"), {})

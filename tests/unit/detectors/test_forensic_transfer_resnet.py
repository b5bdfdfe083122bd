import pytest
import torch

from fakeforensics.detectors.forensic_transfer_resnet import ForensicTransferResnet, activation_loss
from fakeforensics.errors import UserError
from tests.unit.detectors.networks import (
    build,
    check_contract,
    rates,
    separation,
    shorten_resnet,
    train,
    train_params,
)


def test_hand_worked_losses_and_score(monkeypatch):
    real, fake = torch.tensor([0.9, 0.9]), torch.tensor([0.2, 0.2])
    # real: |0.2 − 0| + |0.9 − 1| = 0.3; fake: |0.2 − 1| + |0.9 − 0| = 1.7
    assert activation_loss(real, fake, torch.tensor([0.0, 1.0])).tolist() == pytest.approx([0.3, 1.7])
    shorten_resnet(monkeypatch)
    detector = build("forensic_transfer_resnet", 32)
    score = detector.read(torch.zeros(1, 3, 32, 32), torch.tensor([[0.9, 0.2]]))["score_act"]
    assert score.item() == pytest.approx(-0.7)  # the real half is more active


def test_activations_are_mean_absolute_values_of_the_halves(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("forensic_transfer_resnet", 32, latent=4).eval()
    torch.nn.init.zeros_(detector.latent.weight)
    with torch.no_grad():
        detector.latent.bias.copy_(torch.tensor([1.0, -3.0, 0.5, 0.0]))
    # (1 + 3)/2 and (0.5 + 0)/2
    assert detector(torch.zeros(1, 3, 32, 32)).tolist() == [[2.0, 0.25]]


def test_it_separates_stripes(monkeypatch):
    shorten_resnet(monkeypatch)
    assert separation(train(build("forensic_transfer_resnet"), 25, rate=3e-3)) > 0.95


def test_contract(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("forensic_transfer_resnet")
    assert detector.sees == "reals+fakes"
    check_contract(detector, torch.tensor([0.0, 1.0, 0.0, 1.0]))


def test_an_odd_latent_length_is_refused():
    with pytest.raises(UserError):
        build("forensic_transfer_resnet", 32, latent=5)


def test_the_learning_rate_stays():
    params = train_params(ForensicTransferResnet.recipe)
    assert rates(params, [1.0] * 30) == [1e-3] * 31
    assert (params.batch_size, params.patience) == (128, 10)

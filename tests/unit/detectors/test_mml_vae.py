import math

import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.models.vae import VaeOutput, divergence
from tests.unit.detectors.networks import build, check_contract, separation, shorten_resnet, striped, train


def output_of(detector, mean, log_variance):
    return VaeOutput(mean, log_variance, mean, detector.decoder(mean))


def test_hand_worked_upper_bound(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("mml_vae", latent=2, samples=2).eval()
    detector.draws = torch.tensor([[[0.0, 0.0]], [[1.0, 0.0]]])
    monkeypatch.setattr(detector, "surprise", lambda images, logits: torch.tensor([3.0]))
    mean = torch.tensor([[2.0, 0.0]])
    found = detector.upper_bound(torch.zeros(1, 3, 64, 64), output_of(detector, mean, torch.zeros(1, 2)))
    # log w = −3 + ½(ε² − z²): ε = 0, z = 2: −5; ε = 1, z = 3: −7. ½ log ((e^−10 + e^−14)/2)
    assert found.item() == pytest.approx(0.5 * math.log((math.exp(-10) + math.exp(-14)) / 2), rel=1e-5)


def test_it_bounds_the_lower_bound_from_above(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("mml_vae", latent=4, samples=64).eval()
    torch.nn.init.zeros_(detector.decoder.end.weight)  # a reconstruction that does not depend on z
    images, mean, log_variance = torch.zeros(2, 3, 64, 64), torch.full((2, 4), 0.25), torch.zeros(2, 4)
    output = output_of(detector, mean, log_variance)
    # E_q[w²] with p(x|z) constant and unit variances: CUBO₂ = log p(x|z) + ½ ‖μ‖²; the ELBO has −½ ‖μ‖²
    constant = -detector.surprise(images, output.logits)
    exact = constant + 0.5 * mean.square().sum(dim=1)
    assert torch.allclose(-detector.negative_elbo(images, output), constant - divergence(output))
    estimate = detector.upper_bound(images, output)
    assert (estimate > -detector.negative_elbo(images, output)).all()
    assert torch.allclose(estimate, exact, atol=0.1)


def test_losses_are_chosen_by_label(monkeypatch):
    shorten_resnet(monkeypatch)
    detector, images = build("mml_vae", gamma=0.5).eval(), torch.zeros(2, 3, 64, 64)
    with torch.no_grad():
        output = detector(images)
        losses = detector.losses(images, output, torch.tensor([0.0, 1.0]))
        assert losses[0].item() == pytest.approx(detector.negative_elbo(images, output)[0].item())
        assert losses[1].item() == pytest.approx(0.5 * detector.upper_bound(images, output)[1].item())


def test_the_exponential_form_is_relative_to_the_largest(monkeypatch):
    shorten_resnet(monkeypatch)
    log, exp = (build("mml_vae", bound=bound).eval() for bound in ("log", "exp"))
    images, _ = striped(3)
    with torch.no_grad():
        bounds = log.upper_bound(images, log(images))
        assert torch.allclose(
            exp.upper_bound(images, exp(images)), (2 * (bounds - bounds.max())).exp(), rtol=1e-3, atol=1e-6
        )


def test_it_separates_stripes(monkeypatch):
    shorten_resnet(monkeypatch)
    assert separation(train(build("mml_vae", 32, latent=8, samples=2), 10, count=8, size=32), size=32) > 0.95


@pytest.mark.parametrize("bound", ["log", "exp"])
def test_contract(monkeypatch, bound):
    shorten_resnet(monkeypatch)
    detector = build("mml_vae", bound=bound)
    assert detector.sees == "reals+fakes"
    check_contract(detector, torch.tensor([0.0, 1.0, 0.0, 1.0]))


@pytest.mark.parametrize("wrong", [{"gamma": 0}, {"samples": 0}, {"bound": "elbo"}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UserError):
        build("mml_vae", 32, **wrong)

import math

import numpy as np
import pytest
import torch

from fakeforensics.detectors.autogan import AutoGanOutput, log_spectrum
from fakeforensics.errors import UserError
from tests.unit.detectors.networks import build, check_contract, shorten_resnet

SMALL = {"width": 4, "blocks": 1, "epochs": 2, "batch_size": 4}


def noise(count, size=32, seed=0):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def upsampled(images):
    return images[..., ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3)


def test_the_spectrum_is_numpys():
    image = noise(1, 24)
    expected = np.log(np.abs(np.fft.fft2(image[0].double().numpy())) + 1e-3)
    low, high = np.percentile(expected, [5, 95], axis=(1, 2), keepdims=True)
    expected = np.clip(((expected - low) / (high - low) - 0.5) * 2, -1, 1)
    assert log_spectrum(image)[0].numpy() == pytest.approx(expected, abs=1e-5)


def test_a_blank_image_has_a_finite_spectrum():
    assert torch.isfinite(log_spectrum(torch.zeros(1, 3, 32, 32))).all()


def test_hand_worked_losses_and_score(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("autogan", 32, **SMALL)
    # p(fake) of the real 1/4 and of its simulation 3/4: ½ [−log 3/4 − log 3/4]
    log3 = torch.tensor([math.log(3.0)])
    output = AutoGanOutput(-log3, log3)
    images = torch.zeros(1, 3, 32, 32)
    assert detector.losses(images, output, torch.zeros(1)).item() == pytest.approx(-math.log(0.75))
    assert detector.read(images, output) == {"autogan_logit": output.logit}


def test_validation_simulates_too(monkeypatch):
    shorten_resnet(monkeypatch)
    detector, images = build("autogan", 32, **SMALL).eval(), noise(2)
    with torch.no_grad():
        output = detector(images)
        assert output.simulated is None
        simulated = detector.classify(detector.simulate(images))
        expected = 0.5 * ((1 + output.logit.exp()).log() + (1 + (-simulated).exp()).log())
        assert torch.allclose(detector.losses(images, output, torch.zeros(2)), expected, atol=1e-5)


def test_on_start_trains_the_simulator_alone_and_leaves_it_frozen(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("autogan", 32, **SMALL).eval()
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    with torch.no_grad():  # as the training loop calls it
        detector.on_start([noise(4), noise(3, seed=1)])
    moved = {name for name, value in detector.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert all(name.startswith("simulator.") for name in moved)
    assert not any(weight.requires_grad for weight in detector.simulator.parameters())


def test_what_the_simulator_does_is_called_fake(monkeypatch):
    shorten_resnet(monkeypatch)
    detector, images = build("autogan", 32, **SMALL), noise(16)
    monkeypatch.setattr(detector, "simulate", upsampled)
    step = torch.optim.SGD(
        [one for one in detector.parameters() if one.requires_grad], lr=0.01, momentum=0.9, dampening=0.9
    )
    detector.train()
    for _ in range(40):
        step.zero_grad()
        detector.losses(images, detector(images), torch.zeros(16)).mean().backward()
        step.step()
    with torch.no_grad():
        reals = detector.eval().score(noise(12, seed=5))["autogan_logit"]
        fakes = detector.score(upsampled(noise(12, seed=6)))["autogan_logit"]
    assert reals.max() < fakes.min()


def test_contract(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("autogan", **SMALL)
    assert detector.sees == "reals+simulated"
    check_contract(detector, torch.zeros(4))


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"upsampling": "cubic"}, {"reconstruction": -1}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UserError):
        build("autogan", 32, **wrong)

import pytest
import torch

from fakeforensics.detectors.bce import bce_loss
from fakeforensics.models.card import Architecture
from fakeforensics.models.latent import LatentOutput
from fakeforensics.models.registry import build_detector


def test_hand_worked_losses():
    logit = torch.tensor([0.0, 0.0, 1.0986123, -1.0986123])  # sigmoids 1/2, 1/2, 3/4, 1/4
    label = torch.tensor([0.0, 1.0, 1.0, 1.0])
    # −log 1/2 twice; −log 3/4 = 0.28768; −log 1/4 = 1.38629
    assert bce_loss(logit, label).tolist() == pytest.approx(
        [0.693147, 0.693147, 0.287682, 1.386294], abs=1e-6
    )


def test_gradient_is_that_of_finite_differences():
    logit = torch.tensor([-2.0, -0.1, 0.3, 4.0], dtype=torch.float64, requires_grad=True)
    label = torch.tensor([0.0, 1.0, 0.0, 1.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda value: bce_loss(value, label), logit)


def test_equation_3_4_in_float64():
    logit = torch.linspace(-20, 20, 41, dtype=torch.float64)
    for label in (torch.zeros_like(logit), torch.ones_like(logit)):
        probability = 1 / (1 + torch.exp(-logit))
        expected = -(label * torch.log(probability) + (1 - label) * torch.log1p(-probability))
        assert torch.allclose(bce_loss(logit, label), expected, rtol=1e-6)
        # float32 rounds logits of 20 to 2e-6, and a small loss is a difference of such
        assert torch.allclose(bce_loss(logit.float(), label.float()).double(), expected, rtol=1e-5, atol=2e-6)


def test_large_logits_stay_finite_where_a_sigmoid_would_saturate():
    # log(1 − sigmoid(200)) is log 0 in any precision; the loss is 200
    assert bce_loss(torch.tensor([200.0]), torch.tensor([0.0])).item() == 200.0


def test_its_loss_is_that_of_the_logit_and_its_score_the_logit():
    detector = build_detector("bce", Architecture(crop_size=32), {})
    output = LatentOutput(torch.zeros(2, 4), torch.tensor([1.0986123, 0.0]), torch.tensor([9.0, 9.0]))
    labels = torch.tensor([1.0, 0.0])
    images = torch.zeros(2, 3, 32, 32)
    assert torch.equal(detector.losses(images, output, labels), bce_loss(output.logit, labels))
    assert detector.read(images, output) == {"logit": output.logit}
    # the sigmoid of log 3 is 3/4
    assert detector.scores[0].probability(output.logit.numpy())[0] == pytest.approx(0.75)
    assert detector.distance(output) is None  # the loss knows no center

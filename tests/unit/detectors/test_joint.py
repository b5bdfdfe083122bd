import pytest
import torch

from fakeforensics.models.card import Architecture
from fakeforensics.models.latent import LatentOutput
from fakeforensics.models.registry import build_detector

OUTPUT = LatentOutput(torch.zeros(2, 4), torch.tensor([0.0, 1.0986123]), torch.tensor([4.0, 0.5]))
LABEL = torch.tensor([0.0, 1.0])
IMAGES = torch.zeros(2, 3, 32, 32)


def bce():
    return build_detector("bce", Architecture(crop_size=32), {})


def joint(lambda_):
    return build_detector("joint", Architecture(crop_size=32), {"lambda": lambda_})


def test_hand_worked_losses():
    # real: 0.1 · 4 + log 2; fake: 0.1 / 0.500001 − log 3/4
    assert joint(0.1).losses(IMAGES, OUTPUT, LABEL).tolist() == pytest.approx([1.093147, 0.487682], abs=1e-6)


def test_lambda_zero_is_bce_bit_for_bit():
    assert torch.equal(joint(0.0).losses(IMAGES, OUTPUT, LABEL), bce().losses(IMAGES, OUTPUT, LABEL))


def test_lambda_zero_leaves_the_gradients_of_bce_even_for_a_fake_on_the_center():
    def gradient(detector):
        code = torch.tensor([[0.3, -0.2], [0.0, 0.0]], requires_grad=True)
        output = LatentOutput(code, code.sum(dim=1), code.square().sum(dim=1))
        detector.losses(IMAGES, output, LABEL).sum().backward()
        return code.grad

    assert torch.equal(gradient(joint(0.0)), gradient(bce()))


def test_gradient_is_that_of_finite_differences():
    code = torch.tensor([[0.3, -0.2], [0.5, 0.7]], dtype=torch.float64, requires_grad=True)
    detector = joint(0.3)

    def losses(code):
        output = LatentOutput(code, code.sum(dim=1), code.square().sum(dim=1))
        return detector.losses(IMAGES, output, LABEL.double())

    assert torch.autograd.gradcheck(losses, code)


def test_scores_are_both():
    assert joint(0.1).read(IMAGES, OUTPUT) == {"logit": OUTPUT.logit, "score_cd": OUTPUT.distance}


def test_both_parts_are_trained():
    assert all(weight.requires_grad for weight in joint(0.1).parameters())

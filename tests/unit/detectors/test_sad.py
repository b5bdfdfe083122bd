import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fakeforensics.detectors.sad import EPS, sad_loss
from fakeforensics.models.card import Architecture
from fakeforensics.models.latent import LatentOutput, squared_distance
from fakeforensics.models.registry import build_detector


def test_hand_worked_losses():
    distance = torch.tensor([4.0, 4.0, 0.25, 0.25])
    label = torch.tensor([0.0, 1.0, 0.0, 1.0])
    # a real costs d²; a fake 1 / (d² + 1e-6): 1/4.000001 and 1/0.250001
    assert sad_loss(distance, label).tolist() == pytest.approx([4.0, 0.25, 0.25, 3.999984], rel=1e-6)


def test_eps_belongs_to_fakes_alone():
    zero = torch.zeros(2)
    # a real on the center costs nothing at all; a fake there 1 / eps
    assert sad_loss(zero, torch.tensor([0.0, 1.0])).tolist() == pytest.approx([0.0, 1e6])
    exact = torch.tensor([1e-12, 1e12])
    assert torch.equal(sad_loss(exact, torch.zeros(2)), exact)


def test_gradient_is_that_of_finite_differences():
    distance = torch.tensor([0.5, 2.0, 0.5, 2.0], dtype=torch.float64, requires_grad=True)
    label = torch.tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda value: sad_loss(value, label), distance)


@given(st.floats(1e-6, 1e6), st.sampled_from([0.0, 1.0]))
def test_float32_follows_equation_3_1_in_float64(distance, label):
    expected = distance ** (1 - 2 * label) if label == 0 else 1 / (distance + EPS)
    assert sad_loss(torch.tensor([distance]), torch.tensor([label])).item() == pytest.approx(
        expected, rel=1e-5
    )


@pytest.mark.parametrize("distance", [0.0, 1e-12, 1e12])
@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize("bf16", [False, True])
def test_loss_and_gradients_are_finite_at_the_extremes(distance, label, bf16):
    length = distance**0.5
    code = torch.tensor([[length, 0.0]], dtype=torch.bfloat16 if bf16 else torch.float32, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        losses = sad_loss(squared_distance(code, torch.zeros(2)), torch.tensor([label]))
    losses.sum().backward()
    assert losses.dtype == torch.float32
    assert torch.isfinite(losses).all()
    assert torch.isfinite(code.grad).all()


def test_fakes_are_pushed_out_and_reals_pulled_in():
    distance = torch.tensor([1.0, 1.0], requires_grad=True)
    sad_loss(distance, torch.tensor([0.0, 1.0])).sum().backward()
    # d(d²)/d(d²) = 1; d(1/(d² + eps))/d(d²) = −1/(1 + 1e-6)²
    assert distance.grad.tolist() == pytest.approx([1.0, -1.0], rel=1e-5)


def test_its_score_is_the_distance_and_its_classifier_is_not_trained():
    detector = build_detector("sad", Architecture(crop_size=32), {})
    output = LatentOutput(torch.zeros(1, 4), torch.tensor([1.0]), torch.tensor([9.0]))
    images = torch.zeros(1, 3, 32, 32)
    assert detector.read(images, output) == {"score_cd": output.distance}
    assert detector.losses(images, output, torch.tensor([0.0])).item() == 9.0
    assert not any(weight.requires_grad for weight in detector.classifier.parameters())

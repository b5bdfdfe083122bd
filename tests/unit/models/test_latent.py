from typing import ClassVar

import pytest
import torch

from fakeforensics.models.card import Architecture
from fakeforensics.models.latent import (
    CenterSettings,
    LatentDetector,
    away_from_zero,
    squared_distance,
)
from tests.score_specs import CD, SL


class Latent(LatentDetector):
    name: ClassVar = "latent"
    label: ClassVar = "latent"
    title: ClassVar = "the network without a loss of its own"
    sees: ClassVar = "reals+fakes"
    scores: ClassVar = (CD, SL)
    Settings: ClassVar = CenterSettings

    def losses(self, images, output, labels):
        return output.distance


def latent(**architecture):
    return Latent(Architecture(**{"crop_size": 32} | architecture), CenterSettings())


@pytest.fixture
def images():
    return torch.randn(7, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_hand_worked_distance():
    code = torch.tensor([[3.0, 4.0], [1.0, 1.0]])
    # (3−1)² + (4−1)² = 13; the second code is the center
    assert squared_distance(code, torch.ones(2)).tolist() == [13.0, 0.0]


def test_distance_is_float32_under_bf16():
    # in bfloat16 256.5² rounds to 65536; in float32 it is exact
    with torch.autocast("cpu", torch.bfloat16):
        distance = squared_distance(torch.tensor([[256.5]]), torch.zeros(1))
    assert distance.dtype == torch.float32
    assert distance.item() == 65792.25


def test_all_outputs_are_float32_under_bf16():
    detector = latent().eval()
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        output = detector(torch.randn(2, 3, 32, 32))
    assert [value.dtype for value in output] == [torch.float32] * 3


def test_output_is_classifier_and_distance_of_the_code(images):
    detector = latent().eval()
    detector.center.fill_(0.5)
    with torch.no_grad():
        output = detector(images)
        assert output.code.shape == (7, 512)
        assert torch.equal(output.logit, detector.classifier(output.code)[:, 0])
    assert torch.allclose(output.distance, ((output.code - 0.5) ** 2).sum(dim=1))


def test_scores_are_by_the_columns_that_the_detector_declares(images):
    detector = latent().eval()
    with torch.no_grad():
        output, scores = detector(images), detector.score(images)
    assert list(scores) == ["score_cd", "logit"]
    assert torch.equal(scores["score_cd"], output.distance)
    assert torch.equal(scores["logit"], output.logit)


def test_a_map_is_pooled_for_the_classifier_alone():
    detector = latent(code="map", crop_size=64).eval()
    pooled = latent(crop_size=64).eval()
    pooled.backbone.load_state_dict(detector.backbone.state_dict())
    pooled.classifier.load_state_dict(detector.classifier.state_dict())
    assert detector.center.shape == (512 * 2 * 2,)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        whole, mean = detector(images), pooled(images)
    assert whole.code.shape == (2, 512 * 2 * 2)
    assert torch.allclose(whole.logit, mean.logit, atol=1e-5)
    # the center is zero: a sum over 2 × 2 places as many as the mean has
    assert torch.allclose(whole.distance, whole.code.square().sum(dim=1))


def test_center_is_saved_but_not_trained():
    detector = latent()
    assert "center" in detector.state_dict()
    assert "center" not in dict(detector.named_parameters())


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_memory_order_does_not_change_the_output(memory):
    torch.manual_seed(0)
    detector = latent().eval()
    images = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        expected = detector(images).code
        got = detector.to(memory_format=memory)(images.contiguous(memory_format=memory)).code
    assert torch.allclose(got, expected, atol=1e-4)


class Brightness(torch.nn.Module):
    """Gives an image its mean brightness as each value of the code."""

    def forward(self, images):
        return images.mean(dim=(1, 2, 3))[:, None].expand(-1, 512)


def test_hand_worked_mean_code():
    detector = latent()
    detector.backbone = Brightness()
    batches = [torch.full((2, 3, 32, 32), 10.0), torch.full((1, 3, 32, 32), 40.0)]
    # (10 + 10 + 40) / 3: images count, not batches
    assert detector.mean_code(batches).tolist() == pytest.approx([20.0] * 512)


def test_mean_code_does_not_depend_on_how_images_are_batched(images):
    detector = latent().eval()
    whole = detector.mean_code([images])
    assert torch.allclose(whole, detector.mean_code([images[:2], images[2:]]), atol=1e-6)


def test_mean_code_leaves_the_detector_as_it_was(images):
    detector = latent().eval()
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    detector.mean_code([images])
    # running statistics of batch normalization included
    for name, tensor in detector.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_mean_code_is_float32_under_bf16(images):
    detector = latent()
    expected = detector.mean_code([images])
    with torch.autocast("cpu", torch.bfloat16):
        got = detector.mean_code([images])
    assert got.dtype == torch.float32
    assert torch.equal(got, expected)


def test_coordinates_near_zero_are_pushed_out():
    center = torch.tensor([-0.5, -0.1, -0.01, 0.0, 0.01, 0.1, 0.5])
    assert away_from_zero(center).tolist() == pytest.approx([-0.5, -0.1, -0.1, 0.1, 0.1, 0.1, 0.5])


def test_the_center_reaches_the_distance():
    detector = latent().eval()
    detector.set_center(torch.full((512,), 2.0))
    with torch.no_grad():
        output = detector(torch.zeros(1, 3, 32, 32))
    assert output.distance.item() == pytest.approx((output.code - 2).square().sum().item(), rel=1e-5)


def centers(detector, images):
    """The center after each of the three moments at which it may move; its network changes between them."""
    found = []
    for moment in (detector.on_start, detector.on_epoch_end, detector.on_finish):
        moment([images])
        found.append(detector.center.clone())
        with torch.no_grad():
            detector.backbone.layer4[1].bn2.bias += 1
    return found


def test_the_center_follows_the_weights_after_each_epoch(images):
    first, second, last = centers(latent(), images)
    assert not torch.equal(first, second)
    assert torch.equal(second, last)  # the epoch whose weights are kept had this one


def test_a_center_from_init_stays(images):
    detector = Latent(Architecture(crop_size=32), CenterSettings(center="init"))
    first, second, last = centers(detector, images)
    assert torch.equal(first, second)
    assert torch.equal(second, last)
    assert first.abs().min() >= 0.1


def test_a_loss_without_a_center_gets_one_in_the_end(images, monkeypatch):
    monkeypatch.setattr(Latent, "uses_center", False)
    detector = latent()
    first, second, last = centers(detector, images)
    assert not first.any()
    assert not second.any()
    assert last.any()
    assert detector.distance(detector(images)) is None

import pytest
import torch

from fakeforensics.models.detector import Detector
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.training.centre import away_from_zero, mean_code, set_centre
from fakeforensics.training.dataset import Batch

PREPROCESS = Preprocess(crop_size=32)
CPU = torch.device("cpu")


@pytest.fixture
def images():
    return torch.randint(
        0, 256, (7, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


def batch(images, labels):
    return Batch(images, torch.tensor(labels, dtype=torch.float32), torch.arange(len(images)))


class Brightness(torch.nn.Module):
    """Gives an image its mean brightness as each value of the code."""

    def forward(self, images):
        return images.mean(dim=(1, 2, 3))[:, None].expand(-1, 512)


def test_hand_worked_mean_over_reals_alone():
    detector = Detector()
    detector.backbone = Brightness()
    images = torch.tensor([10, 20, 90], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 3, 32, 32)
    plain = Preprocess(crop_size=32, mean=(0, 0, 0), std=(1 / 255, 1 / 255, 1 / 255))
    # (10 + 20) / 2; the fake's 90 does not count
    centre = mean_code(detector, [batch(images, [0, 0, 1])], plain, CPU)
    assert centre.tolist() == pytest.approx([15.0] * 512)


def test_it_does_not_depend_on_how_images_are_batched(images):
    detector = Detector()
    labels = [0, 1, 0, 0, 1, 0, 0]
    whole = mean_code(detector, [batch(images, labels)], PREPROCESS, CPU)
    parts = mean_code(
        detector, [batch(images[:2], labels[:2]), batch(images[2:], labels[2:])], PREPROCESS, CPU
    )
    assert torch.allclose(whole, parts, atol=1e-6)


def test_it_leaves_the_detector_as_it_was(images):
    detector = Detector().train()
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    centre = mean_code(detector, [batch(images, [0] * 7)], PREPROCESS, CPU)
    assert detector.training
    assert not centre.requires_grad
    # running statistics of batch normalisation included: it ran in evaluation mode
    for name, tensor in detector.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_it_is_float32_under_bf16(images):
    detector = Detector()
    expected = mean_code(detector, [batch(images, [0] * 7)], PREPROCESS, CPU)
    with torch.autocast("cpu", torch.bfloat16):
        got = mean_code(detector, [batch(images, [0] * 7)], PREPROCESS, CPU)
    assert got.dtype == torch.float32
    assert torch.equal(got, expected)


def test_coordinates_near_zero_are_pushed_out():
    centre = torch.tensor([-0.5, -0.1, -0.01, 0.0, 0.01, 0.1, 0.5])
    assert away_from_zero(centre).tolist() == pytest.approx([-0.5, -0.1, -0.1, 0.1, 0.1, 0.1, 0.5])


def test_setting_it_reaches_the_distance():
    detector = Detector().eval()
    set_centre(detector, torch.full((512,), 2.0))
    with torch.no_grad():
        output = detector(torch.zeros(1, 3, 32, 32))
    assert output.distance.item() == pytest.approx((output.code - 2).square().sum().item(), rel=1e-5)

import math

import pytest
import torch

from fakeforensics.models.vae import Decoder, VaeOutput, averaging, divergence, log_mean_exp, shrink


def test_hand_worked_divergences():
    output = VaeOutput(
        torch.tensor([[3.0, 4.0]]),
        torch.tensor([[0.0, math.log(4.0)]]),
        torch.zeros(1, 2),
        torch.zeros(1, 3, 64, 64),
    )
    # ½ [9 + 16 + (1 − 1 − 0) + (4 − 1 − log 4)] = 14 − log 2
    assert divergence(output).item() == pytest.approx(14 - math.log(2), rel=1e-6)
    # against N(3, 1): ½ [0 + 1 + 0 + 3 − log 4] = 2 − log 2
    assert divergence(output, 3.0).item() == pytest.approx(2 - math.log(2), rel=1e-6)


def test_log_mean_exp():
    # log ((2 + 4)/2) = log 3, also where the exponentials overflow
    values = torch.tensor([[math.log(2.0)], [math.log(4.0)]])
    assert log_mean_exp(values).item() == pytest.approx(math.log(3))
    assert log_mean_exp(values - 1000).item() == pytest.approx(math.log(3) - 1000)


@pytest.mark.parametrize("size", [32, 64, 100, 128, 224])
def test_shrinking_keeps_the_mean(size):
    pixels = torch.rand(2, 3, size, size)
    small = shrink(pixels)
    assert small.shape == (2, 3, 64, 64)
    assert torch.allclose(small.mean(dim=(2, 3)), pixels.mean(dim=(2, 3)), atol=1e-5)
    assert torch.allclose(averaging(size, pixels).sum(dim=1), torch.ones(64), atol=1e-5)


def test_a_partly_covered_pixel_counts_in_part():
    # 96 pixels to 64: each covers 1.5, the first pixel 0 and half of pixel 1
    assert averaging(96, torch.zeros(1))[0, :3].tolist() == pytest.approx([2 / 3, 1 / 3, 0])


def test_no_reconstruction_depends_on_other_images():
    decoder, z = Decoder(4), torch.randn(3, 4)
    assert decoder(z).shape == (3, 3, 64, 64)
    assert torch.allclose(decoder(z)[:1], decoder(z[:1]), atol=1e-5)

import pytest
import torch

from fakeforensics.models.fourier import amplitudes, frequency_rings, ring_means


@pytest.mark.parametrize("size", [8, 33, 64])
def test_amplitudes_are_those_of_the_fast_transform(size):
    images = torch.rand(2, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(amplitudes(images), torch.fft.fft2(images).abs(), rtol=1e-9, atol=1e-9)


def test_a_wave_has_two_terms():
    # cos(2π·3x/16) over 16 x 16: 256/2 at the frequencies (0, ±3), nothing elsewhere
    wave = torch.cos(2 * torch.pi * 3 * torch.arange(16, dtype=torch.float64) / 16).expand(1, 1, 16, 16)
    found = amplitudes(wave)[0, 0]
    assert found[0, 3].item() == pytest.approx(128.0)
    assert found[0, 13].item() == pytest.approx(128.0)
    assert found.sum().item() == pytest.approx(256.0)


def test_rings():
    # frequencies of side 4: 0, 1, −2, −1; (−2, −2) has length 2.83
    assert frequency_rings(4).tolist() == [[0, 1, 2, 1], [1, 1, 2, 1], [2, 2, 2, 2], [1, 1, 2, 1]]
    values = torch.arange(16.0).view(1, 4, 4)
    # ring 0: 0. Ring 1: 1, 3, 4, 5, 7, 12, 13, 15: mean 7.5. Ring 2: 2, 6, 8, 9, 10, 11, 14: mean 60/7
    assert ring_means(values, frequency_rings(4), 3)[0].tolist() == pytest.approx([0, 7.5, 60 / 7])
    assert ring_means(values, frequency_rings(4), 2)[0].tolist() == pytest.approx([0, 7.5])

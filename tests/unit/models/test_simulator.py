import pytest
import torch

from fakeforensics.models.simulator import Simulator, patch_discriminator, train_simulator


@pytest.mark.parametrize("upsampling", ["transposed", "nearest"])
@pytest.mark.parametrize("size", [32, 50])
def test_it_keeps_the_size_and_stays_within_minus_one_and_one(upsampling, size):
    torch.manual_seed(0)
    made = Simulator(4, 1, upsampling)(torch.randn(2, 3, size, size))
    assert made.shape == (2, 3, size, size)
    assert made.abs().max() <= 1


def test_the_papers_networks():
    # CycleGAN's own: 11.378 million weights of resnet_9blocks, 2.765 million of the 70 x 70 discriminator
    assert sum(weight.numel() for weight in Simulator(64, 9, "transposed").parameters()) == 11_378_179
    assert sum(weight.numel() for weight in patch_discriminator(64).parameters()) == 2_764_737
    assert patch_discriminator(4)(torch.zeros(1, 3, 256, 256)).shape == (1, 1, 30, 30)


def test_it_learns_to_reconstruct():
    torch.manual_seed(0)
    images = torch.rand(4, 3, 1, 1) * torch.ones(4, 3, 32, 32) - 0.5
    simulator, losses = Simulator(16, 0, "nearest"), []

    def error():
        with torch.no_grad():
            return (simulator(images) - images).abs().mean().item()

    before = error()
    train_simulator(
        simulator,
        [images],
        width=4,
        epochs=60,
        batch_size=2,
        weight=10.0,
        note=lambda epoch, made, told: losses.append((epoch, made, told)),
    )
    assert [epoch for epoch, _, _ in losses] == list(range(60))
    # The losses also hold the opinion of the discriminator, which may rise. Three seeds gave 0.52 to 0.84.
    assert error() < 0.95 * before

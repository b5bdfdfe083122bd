"""AutoGAN's simulator of generators: a network that reconstructs reals as an up-sampling generator would."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor, distributed, nn
from torch.nn import functional

_POOL = 50  # reconstructions kept for the discriminator
_SIDE = 4  # images must be a multiple of this, as two convolutions halve their sides


class Simulator(nn.Module):
    """CycleGAN's residual generator with instance normalization, from [−1, 1] to [−1, 1].

    Args:
        width: Channels of the first layer; 64 in the paper.
        blocks: Residual blocks; 9 in the paper.
        upsampling: `transposed` convolutions, or `nearest` up-sampling and convolutions.
    """

    def __init__(self, width: int, blocks: int, upsampling: str) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), *_normed(nn.Conv2d(3, width, 7))]
        for factor in (1, 2):
            layers += _normed(nn.Conv2d(factor * width, 2 * factor * width, 3, stride=2, padding=1))
        layers += [_Residual(4 * width) for _ in range(blocks)]
        for factor in (4, 2):
            wide, narrow = factor * width, factor * width // 2
            if upsampling == "transposed":
                layers += _normed(nn.ConvTranspose2d(wide, narrow, 3, stride=2, padding=1, output_padding=1))
            else:
                layers += [nn.Upsample(scale_factor=2), *_normed(nn.Conv2d(wide, narrow, 3, padding=1))]
        self.layers = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())
        self.apply(_initialize)

    def forward(self, images: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch 3 h w"]:
        """Reconstruct images of any size from 32 on; edges repeat to a multiple of 4."""
        height, width = images.shape[-2:]
        right, down = -width % _SIDE, -height % _SIDE
        padded = functional.pad(images, (0, right, 0, down), mode="replicate") if right or down else images
        made: Tensor = self.layers(padded)
        return made[..., :height, :width]


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        convolution = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)]
        again = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)]
        self.layers = nn.Sequential(*convolution, nn.ReLU(), *again)

    def forward(self, x: Float[Tensor, "batch dim h w"]) -> Float[Tensor, "batch dim h w"]:
        """Add what two convolutions make of `x`."""
        added: Tensor = self.layers(x)
        return x + added


def patch_discriminator(width: int) -> nn.Sequential:
    """CycleGAN's discriminator: one number for each patch of 70 x 70 pixels (fewer in small images)."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    for wide, stride in ((width, 2), (2 * width, 2), (4 * width, 1)):
        layers += [
            nn.Conv2d(wide, 2 * wide, 4, stride=stride, padding=1),
            nn.InstanceNorm2d(2 * wide),
            nn.LeakyReLU(0.2),
        ]
    network = nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, padding=1))
    network.apply(_initialize)
    return network


def train_simulator(
    simulator: Simulator,
    reals: Iterable[Float[Tensor, "_ 3 h w"]],
    *,
    width: int,
    epochs: int,
    batch_size: int,
    weight: float,
    note: Callable[[int, float, float], None],
) -> None:
    """Train the simulator in place against a discriminator of its own.

    The discriminator minimizes ½ [mean (D(x) − 1)² + mean D(G(x'))²], with x' from a pool of the last 50
    reconstructions; the simulator mean (D(G(x)) − 1)² + λ mean |G(x) − x|. Adam at 2e-4 with β₁ = 0.5; the
    rate falls to zero over the second half of the epochs. Images are flipped at random.

    Args:
        simulator: On the device of the images.
        reals: Batches in [−1, 1], read once per epoch.
        width: Of the discriminator's first layer.
        epochs: Passes over the reals.
        batch_size: Images per step.
        weight: λ.
        note: Called after each epoch with its number and the mean losses of simulator and discriminator.

    Source:
        Zhang et al., Detecting and Simulating Artifacts in GAN Fake Images, WIFS 2019; the networks and the
        loss are those of Zhu et al., Unpaired Image-to-Image Translation, ICCV 2017, and Mao et al., Least
        Squares Generative Adversarial Networks, ICCV 2017.
    """
    device = next(simulator.parameters()).device
    discriminator = patch_discriminator(width).to(device)
    networks: tuple[nn.Module, nn.Module] = (simulator, discriminator)
    makers = [torch.optim.Adam(one.parameters(), lr=2e-4, betas=(0.5, 0.999)) for one in networks]
    pool = _Pool()
    for epoch in range(epochs):
        for optimizer in makers:
            optimizer.param_groups[0]["lr"] = 2e-4 * min(1.0, 2 * (epochs - epoch) / (epochs + 1))
        total = torch.zeros(3, dtype=torch.float64, device=device)
        for batch in reals:
            for part in torch.split(batch, batch_size):
                mirrored = torch.rand(len(part), 1, 1, 1, device=device) < 0.5
                images = torch.where(mirrored, part.flip(3), part)
                losses = _step(simulator, discriminator, images, weight, makers, pool)
                total += torch.stack([*losses, torch.ones_like(losses[0])]).double()
        made, found, steps = total.tolist()
        note(epoch, made / max(1, steps), found / max(1, steps))
    _agree(simulator)


def _step(
    simulator: Simulator,
    discriminator: nn.Module,
    images: Float[Tensor, "batch 3 h w"],
    weight: float,
    makers: list[torch.optim.Adam],
    pool: _Pool,
) -> tuple[Tensor, Tensor]:
    made = simulator(images)
    fooled = (discriminator(made) - 1).square().mean()
    simulated = fooled + weight * (made - images).abs().mean()
    makers[0].zero_grad()
    simulated.backward()
    makers[0].step()
    old = pool.exchange(made.detach())
    makers[1].zero_grad()
    told = 0.5 * ((discriminator(images) - 1).square().mean() + discriminator(old).square().mean())
    told.backward()
    makers[1].step()
    return simulated.detach(), told.detach()


class _Pool:
    """Half of the time, returns an earlier reconstruction and keeps the new one."""

    def __init__(self) -> None:
        self.kept: list[Tensor] = []

    def exchange(self, images: Tensor) -> Tensor:
        out = []
        for image in images:
            if len(self.kept) < _POOL:
                self.kept.append(image)
                out.append(image)
            elif torch.rand(()) < 0.5:
                place = int(torch.randint(_POOL, ()))
                out.append(self.kept[place])
                self.kept[place] = image
            else:
                out.append(image)
        return torch.stack(out)


def _agree(simulator: nn.Module) -> None:
    """Give every process the simulator of the first; each trained its own on its share of the reals."""
    if distributed.is_available() and distributed.is_initialized():
        with torch.no_grad():
            for weight in simulator.parameters():
                distributed.broadcast(weight, 0)


def _normed(layer: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    return [layer, nn.InstanceNorm2d(layer.out_channels), nn.ReLU()]


def _initialize(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)

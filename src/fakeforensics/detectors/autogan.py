"""AutoGAN: a classifier of spectra that learns from reals and from its own simulation of fakes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from fakeforensics.metrics.spec import Scores, ScoreSpec
from fakeforensics.models.card import Architecture, Sees
from fakeforensics.models.detector import Labels, NetworkDetector, Values
from fakeforensics.models.fourier import amplitudes
from fakeforensics.models.latent import Reals
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.models.simulator import Simulator, train_simulator
from fakeforensics.params import Count, Group, Number

log = logging.getLogger(__name__)

S_AG = ScoreSpec(
    name="ag", label="S_AG", title="logit of the spectrum's classifier", column="autogan_logit", scale="logit"
)
_EPS = 1e-3
_LOW, _HIGH = 0.05, 0.95  # the quantiles of a spectrum that become −1 and 1


class AutoGanSettings(Group):
    """Settings of AutoGAN.

    Args:
        upsampling: How the simulator enlarges: `transposed` convolutions, or `nearest` and convolutions.
        reconstruction: λ, the weight of |G(x) − x| beside the discriminator's opinion; 0.5 in the code.
        epochs: Passes of the simulator over the reals. Half of them at the full learning rate.
        batch_size: Images per step of the simulator.
        width: Channels of the first layers of simulator and discriminator.
        blocks: The simulator's residual blocks.
    """

    upsampling: Literal["transposed", "nearest"] = "transposed"
    reconstruction: Annotated[Number, Field(ge=0)] = 0.5
    epochs: Annotated[Count, Field(ge=1)] = 200
    batch_size: Annotated[Count, Field(ge=1)] = 8
    width: Annotated[Count, Field(ge=1, le=256)] = 64
    blocks: Annotated[Count, Field(ge=0, le=32)] = 9


class AutoGanOutput(NamedTuple):
    """Logits of the images, and in training mode of their simulations, in float32."""

    logit: Labels
    simulated: Labels | None


class AutoGan(NetworkDetector):
    """½ [CE(x, real) + CE(G(x), fake)] of each real x, from log spectra; scored by the logit.

    Before the first epoch the simulator G learns to reconstruct the training reals. Then its weights are
    fixed. The classifier sees one spectrum per color channel: ln(|F| + 1e-3) of values in [0, 1], scaled so
    that the 5th percentile is −1 and the 95th is 1, and clipped to that range. Frequencies are not shifted.
    Reals and their simulations go through the network in one batch.

    Differences from the paper: its classifiers learn from pictures of CycleGAN's data sets. This simulator
    learns from the protocol's reals, so a protocol needs no fakes. The paper's value of λ was not available;
    the default is the code's.

    Differences from the public code: images are not enlarged to 286 pixels before they are cropped. One logit
    replaces the softmax over two outputs. `nearest` differs from `transposed` only in how it enlarges; the
    code's version has two more convolutions with leaky ReLU and a last one of 1 x 1. The code labels reals 1
    and tests the weights of epoch 10 of 20; here validation on reals and their simulations chooses the epoch.
    The code's run_training.py does not start.

    Source:
        Zhang, Karaman and Chang, Detecting and Simulating Artifacts in GAN Fake Images, WIFS 2019;
        ColumbiaDVMM/AutoGAN at 01172b3, and spongezhang/pytorch-CycleGAN-and-pix2pix at 5edd6df for the
        simulator.
    """

    name: ClassVar[str] = "autogan"
    label: ClassVar[str] = "AutoGAN"
    title: ClassVar[str] = "spectra of reals against those of its own simulated fakes"
    sees: ClassVar[Sees] = "reals+simulated"
    scores: ClassVar[Scores] = (S_AG,)
    Settings: ClassVar[type[Group]] = AutoGanSettings
    recipe: ClassVar[Mapping[str, Any]] = {
        "train.backbone": "resnet34",
        "train.optimizer": "sgd",
        "train.learning_rate": 0.01,
        "train.momentum": 0.9,
        "train.dampening": 0.9,
        "train.weight_decay": 1e-4,
        "train.lr_decay": 1.0,
        "train.batch_size": 16,
        "train.max_epochs": 20,
        "augment.flip_prob": 0.0,
    }
    settings: AutoGanSettings

    def __init__(self, architecture: Architecture, settings: Group) -> None:
        super().__init__(architecture, settings)
        self.classifier = nn.Linear(self.use_backbone().code_size, 1)
        own = self.settings
        self.simulator = Simulator(own.width, own.blocks, own.upsampling)
        # Trained on its own, before the first epoch.
        self.simulator.requires_grad_(False)

    @property
    def preprocess(self) -> Preprocess:
        """Channels in [0, 1]."""
        return Preprocess(crop_size=self.architecture.crop_size, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))

    def simulate(self, images: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch 3 h w"]:
        """Fakes of real images, both with channels in [0, 1], without gradients."""
        with torch.no_grad():
            made: Tensor = self.simulator(2 * images - 1)
            return (made.float() + 1) / 2

    def classify(self, images: Float[Tensor, "batch 3 h w"]) -> Labels:
        """The logit of images whose channels are in [0, 1]."""
        code = self.backbone(log_spectrum(images))
        with torch.autocast(images.device.type, enabled=False):
            logit: Tensor = self.classifier(code.float()).squeeze(1)
        return logit

    def forward(self, images: Float[Tensor, "batch 3 h w"]) -> AutoGanOutput:
        """Logits of images, and in training mode of their simulations."""
        if not self.training:
            return AutoGanOutput(self.classify(images), None)
        # One batch: batch normalization must not tell the two kinds apart by themselves.
        logit, simulated = self.classify(torch.cat([images, self.simulate(images)])).chunk(2)
        return AutoGanOutput(logit, simulated)

    def losses(
        self,
        images: Float[Tensor, "batch 3 h w"],
        output: AutoGanOutput,
        labels: Labels,  # noqa: ARG002
    ) -> Labels:
        """The mean cross-entropy of each real and its simulation."""
        simulated = output.simulated
        if simulated is None:
            simulated = self.classify(self.simulate(images))
        return 0.5 * (functional.softplus(output.logit) + functional.softplus(-simulated))

    def read(self, images: Float[Tensor, "batch 3 h w"], output: AutoGanOutput) -> Values:  # noqa: ARG002
        """The logit."""
        return {S_AG.column: output.logit}

    def on_start(self, images: Reals) -> None:
        """Train the simulator on the reals."""
        own, last = self.settings, self.settings.epochs - 1
        self.simulator.requires_grad_(True)

        def note(epoch: int, made: float, told: float) -> None:
            level = logging.INFO if epoch % 10 == 0 or epoch == last else logging.DEBUG
            log.log(level, "simulator, epoch %d: loss %.4g, its discriminator's %.4g", epoch, made, told)

        with torch.enable_grad():
            train_simulator(
                self.simulator,
                _Scaled(images),
                width=own.width,
                epochs=own.epochs,
                batch_size=own.batch_size,
                weight=own.reconstruction,
                note=note,
            )
        self.simulator.requires_grad_(False)
        self.simulator.zero_grad()


class _Scaled:
    """Images from [0, 1] in [−1, 1]; each pass reads them again."""

    def __init__(self, images: Reals) -> None:
        self._images = images

    def __iter__(self) -> Iterator[Tensor]:
        for batch in self._images:
            yield 2 * batch - 1


def log_spectrum(images: Float[Tensor, "batch 3 n n"]) -> Float[Tensor, "batch 3 n n"]:
    """Each channel's ln(|F| + 1e-3), with its 5th percentile at −1 and its 95th at 1, cut off there.

    Args:
        images: Square, with channels in [0, 1].
    """
    with torch.autocast(images.device.type, enabled=False):
        spectrum = (amplitudes(images) + _EPS).log().float()
        ordered = spectrum.flatten(2).sort(dim=2).values
        low, high = (_quantile(ordered, share)[..., None] for share in (_LOW, _HIGH))
        return (2 * (spectrum - low) / (high - low).clamp_min(_EPS) - 1).clamp(-1, 1)


def _quantile(ordered: Float[Tensor, "batch 3 places"], share: float) -> Float[Tensor, "batch 3 1"]:
    """As NumPy's percentile; torch.quantile refuses more than 16 million numbers and does not export."""
    place = share * (ordered.shape[2] - 1)
    low = int(place)
    below, above = ordered[..., low : low + 1], ordered[..., low + 1 : low + 2]
    return below + (place - low) * (above - below)

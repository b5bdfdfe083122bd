"""DP-VAE: a variational autoencoder with one prior for reals and another one for fakes."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from fakeforensics.metrics.spec import Scores
from fakeforensics.models.card import Sees
from fakeforensics.models.detector import Labels
from fakeforensics.models.vae import S_ELBO, S_KL, VaeDetector, VaeOutput, VaeSettings, choose, divergence
from fakeforensics.params import Group, Number


class DpVaeSettings(VaeSettings):
    """Settings of DP-VAE.

    Args:
        alpha: α, every coordinate of the mean of the fakes' prior.
    """

    alpha: Annotated[Number, Field(gt=0)] = 10.0


class DpVae(VaeDetector):
    """−ELBO(x; N(0, I)) of a real, −ELBO(x; N(α 1, I)) of a fake; scored by KL(q(z|x) ‖ N(0, I)) and −ELBO.

    The decoder learns from reals alone: a fake's term has gradients for the encoder only. This is also the
    thesis's own future work (section 4.5), a VAE with a constraint that separates real and fake. Scores take
    z at its mean. The ensembles of five of the paper are left out: train with five seeds.

    Without labeled fakes, or with a few and a short training, S_KL ranks the wrong way round: a code tells
    less of an image that is unlike the reals, and so lies nearer to their prior. S_ELBO ranks without labels
    too (docs/benchmarks.md, digits).

    No code of the authors is public, and only the paper's abstract was at hand when this was checked: priors,
    α and scores are unconfirmed. The decoder's layers and the Gaussian likelihood on 64 x 64 pixels are ours.
    Backbone and training recipe are those of params.yaml.

    Source:
        Daniel, Kurutach and Tamar, Deep Variational Semi-Supervised Novelty Detection, arXiv 1911.04971, the
        dual prior.
    """

    name: ClassVar[str] = "dp_vae"
    label: ClassVar[str] = "DP-VAE"
    title: ClassVar[str] = "variational autoencoder with priors for real and fake"
    sees: ClassVar[Sees] = "reals+fakes"
    scores: ClassVar[Scores] = (S_KL, S_ELBO)
    Settings: ClassVar[type[Group]] = DpVaeSettings
    settings: DpVaeSettings

    def losses(self, images: Float[Tensor, "batch 3 h w"], output: VaeOutput, labels: Labels) -> Labels:
        """The negative lower bound of each image under its class's prior."""
        losses = self.negative_elbo(images, output)
        fakes = torch.nonzero(labels == 1).squeeze(1)
        if not len(fakes):
            return losses
        theirs = choose(output, fakes)
        surprise = self.surprise(images[fakes], self.decode_frozen(theirs.z))
        return losses.index_put((fakes,), surprise + divergence(theirs, self.settings.alpha))

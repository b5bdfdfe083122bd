"""MML-VAE: a variational autoencoder that makes reals likely and fakes unlikely."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from fakeforensics.metrics.spec import Scores
from fakeforensics.models.card import Architecture, Sees
from fakeforensics.models.detector import Labels
from fakeforensics.models.vae import S_ELBO, VaeDetector, VaeOutput, VaeSettings, choose, log_mean_exp
from fakeforensics.params import Count, Group, Number


class MmlVaeSettings(VaeSettings):
    """Settings of MML-VAE.

    Args:
        gamma: γ, the weight of the fakes' bound.
        samples: k, the draws of z that estimate it.
        bound: `log`, CUBO₂ by log-mean-exp. `exp`, its exponential form exp(2 CUBO₂), divided by the largest
            of the batch, because the likelihood of a whole image underflows. Images whose likelihood is
            already small then get vanishing gradients.
    """

    gamma: Annotated[Number, Field(gt=0)] = 1.0
    samples: Annotated[Count, Field(ge=1, le=64)] = 5
    bound: Literal["log", "exp"] = "log"


class MmlVae(VaeDetector):
    """−ELBO(x) of a real, γ CUBO₂(x) of a fake; scored by −ELBO.

    ELBO = E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)) bounds log p(x) from below, and CUBO₂ = ½ log E_q[(p(x, z) /
    q(z|x))²] bounds it from above. Training raises ELBO for reals and lowers CUBO₂ for fakes. CUBO₂ is
    estimated from k draws by a log-mean-exp.

    CUBO₂ has no lower limit: the fakes' term, and with it the validation loss, may fall as long as training
    lasts. Scores take z at its mean. In validation the k draws are the same for every image.

    The authors published no code, and only the paper's abstract was available for a check. The two bounds,
    the score, γ and k are unconfirmed, as are the choices that this module shares with `dp_vae`.

    Source:
        Daniel, Kurutach and Tamar, Deep Variational Semi-Supervised Novelty Detection, arXiv 1911.04971, the
        max-min likelihood; Dieng et al., Variational Inference via χ Upper Bound Minimization, NIPS 2017.
    """

    name: ClassVar[str] = "mml_vae"
    label: ClassVar[str] = "MML-VAE"
    title: ClassVar[str] = "variational autoencoder with likely reals and unlikely fakes"
    sees: ClassVar[Sees] = "reals+fakes"
    scores: ClassVar[Scores] = (S_ELBO,)
    Settings: ClassVar[type[Group]] = MmlVaeSettings
    settings: MmlVaeSettings
    draws: Tensor

    def __init__(self, architecture: Architecture, settings: Group) -> None:
        super().__init__(architecture, settings)
        generator = torch.Generator().manual_seed(0)
        draws = torch.randn(self.settings.samples, 1, self.settings.latent, generator=generator)
        self.register_buffer("draws", draws, persistent=False)

    def losses(self, images: Float[Tensor, "batch 3 h w"], output: VaeOutput, labels: Labels) -> Labels:
        """−ELBO of a real, γ CUBO₂ of a fake."""
        losses = self.negative_elbo(images, output)
        fakes = torch.nonzero(labels == 1).squeeze(1)
        if not len(fakes):
            return losses
        bound = self.upper_bound(images[fakes], choose(output, fakes))
        return losses.index_put((fakes,), self.settings.gamma * bound)

    def upper_bound(self, images: Float[Tensor, "batch 3 h w"], output: VaeOutput) -> Float[Tensor, " batch"]:
        """CUBO₂ of each image up to the constant of log p(x|z)."""
        shape = (self.settings.samples, *output.mean.shape)
        noise = torch.randn(shape, device=images.device) if self.training else self.draws.expand(shape)
        z = output.mean + noise * (output.log_variance / 2).exp()
        logits = self.decoder(z.flatten(0, 1)).float().unflatten(0, shape[:2])
        surprise = torch.stack([self.surprise(images, one) for one in logits])
        # log p(z) − log q(z|x): both Gaussians' constants cancel.
        ratio = 0.5 * (noise.square() + output.log_variance - z.square()).sum(dim=2)
        cubo = 0.5 * log_mean_exp(2 * (ratio - surprise))
        if self.settings.bound == "log":
            return cubo
        return (2 * (cubo - cubo.detach().amax())).exp()

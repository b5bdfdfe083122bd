"""A network of one's own without a backbone: a VAE that learns reals, scored in two ways."""

from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from fakeforensics.metrics.spec import ScoreSpec
from fakeforensics.models.detector import NetworkDetector


class TinyVae(NetworkDetector):
    name = "tiny_vae"
    label = "VAE"
    title = "variational autoencoder of reals"
    sees = "reals"
    scores: ClassVar = (
        ScoreSpec(name="rec", label="S_REC", title="error", column="score_rec", scale="positive"),
        ScoreSpec(name="elbo", label="S_ELBO", title="negative bound", column="score_elbo", scale="real"),
    )

    def __init__(self, architecture, settings):
        super().__init__(architecture, settings)
        self.encode = nn.Conv2d(3, 8, 4, stride=4)
        self.decode = nn.ConvTranspose2d(4, 3, 4, stride=4)

    def forward(self, images):
        mean, log_variance = self.encode(images).float().chunk(2, dim=1)
        noise = torch.randn_like(mean) if self.training else 0
        return self.decode(mean + noise * (log_variance / 2).exp()).float(), mean, log_variance

    def _parts(self, images, output):
        back, mean, log_variance = output
        error = functional.mse_loss(back, images, reduction="none").mean(dim=(1, 2, 3))
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean(dim=(1, 2, 3))
        return error, divergence

    def losses(self, images, output, labels):
        error, divergence = self._parts(images, output)
        return error + divergence

    def read(self, images, output):
        error, divergence = self._parts(images, output)
        return {"score_rec": error, "score_elbo": error + divergence}

    def distance(self, output):
        return output[1].square().mean(dim=(1, 2, 3))

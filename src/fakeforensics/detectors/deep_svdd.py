"""Deep support vector data description, with and without a soft boundary: only real images are seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, distributed

from fakeforensics.metrics.spec import Scores
from fakeforensics.models.card import Architecture, Sees
from fakeforensics.models.latent import S_CD, CenterSettings, LatentDetector, LatentOutput, Reals
from fakeforensics.params import Count, Group, Number

CODE_RECIPE = {"train.weight_decay": 0.5e-6, "train.max_epochs": 150, "train.milestones": (50,)}


class DeepSvddSettings(CenterSettings):
    """Settings of Deep SVDD.

    Args:
        center: `init` keeps the center as first computed, as the paper does: a center that follows the codes
            makes the trivial solution, all codes on the center, easier to reach.
        objective: `one_class` draws all reals to the center; `soft_boundary` only those outside a ball.
        nu: ν of `soft_boundary`, an upper bound on the share of training reals outside the ball.
        radius: How R of `soft_boundary` is updated. `blocks`, as in the paper: after some epochs R becomes
            the (1 − ν)-quantile of the distances of all training reals. `batch`, as in the PyTorch code: R is
            0 during the warm-up, then the quantile of each mini-batch.
        warm_up: Epochs at the beginning. With `blocks` R is solved for before and after each of them.
        block: Epochs between two solutions of `blocks` after the warm-up.
        recipe: `paper`: 150 epochs at 1e-4, then 100 at 1e-5, weight decay 1e-6. `code`, the PyTorch code's:
            50 and 100 epochs, weight decay 0.5e-6.
    """

    center: Literal["init", "epoch"] = "init"
    objective: Literal["one_class", "soft_boundary"] = "one_class"
    nu: Annotated[Number, Field(gt=0, le=1)] = 0.1
    radius: Literal["blocks", "batch"] = "blocks"
    warm_up: Annotated[Count, Field(ge=0)] = 10
    block: Annotated[Count, Field(ge=1)] = 5
    recipe: Literal["paper", "code"] = "paper"


class DeepSvdd(LatentDetector):
    """The squared distance of reals to the center, scored by that distance (equation 3.3).

    One-class: the mean of d² = ‖f(x) − c‖², which is equation 3.1 without fakes. Soft boundary:
    R² + 1/(νn) Σ max(0, d² − R²). Its score d² − R² ranks images as d² does, so both objectives use d².

    Differences from the paper: its network has no bias terms and no affine normalization. This one has both,
    so all codes can collapse into the center; training warns of that. The paper first trains an autoencoder;
    this detector starts from `train.weights`. The authors train to the last epoch; this detector stops with
    the patience of params.yaml.

    Differences between paper and code: the authors published two programs. The one behind the paper's figures
    (Theano) trains for 50 + 100 epochs; the paper says 150 + 100. It starts R at the quantile and solves for
    R after each of 10 epochs, then after every fifth epoch. There it uses R where its loss expects R². The
    PyTorch code has half the weight decay and computes R from each mini-batch. It lowers the learning rate at
    the start of an epoch, which is one epoch early since PyTorch 1.1. Both programs leave a center coordinate
    at exactly zero if it is zero; here it becomes 0.1.

    Source:
        Ruff et al., Deep One-Class Classification, ICML 2018 (its numbers of epochs as quoted in issue 12 of
        lukasruff/Deep-SVDD); lukasruff/Deep-SVDD at e20f18c, whose weight decay and blocks are taken, and
        lukasruff/Deep-SVDD-PyTorch at 1901612.
    """

    name: ClassVar[str] = "deep_svdd"
    label: ClassVar[str] = "Deep SVDD"
    title: ClassVar[str] = "one-class: reals near a center"
    sees: ClassVar[Sees] = "reals"
    scores: ClassVar[Scores] = (S_CD,)
    Settings: ClassVar[type[Group]] = DeepSvddSettings
    recipe: ClassVar[Mapping[str, Any]] = {
        "train.learning_rate": 1e-4,
        "train.weight_decay": 1e-6,
        "train.batch_size": 200,
        "train.max_epochs": 250,
        "train.schedule": "steps",
        "train.milestones": (150,),
        "train.lr_factor": 0.1,
    }
    uses_classifier: ClassVar[bool] = False
    settings: DeepSvddSettings
    radius: Tensor
    epochs: Tensor

    def __init__(self, architecture: Architecture, settings: Group) -> None:
        super().__init__(architecture, settings)
        if self._is_soft:
            self.register_buffer("radius", torch.zeros(()))
            self.register_buffer("epochs", torch.zeros((), dtype=torch.int64))

    @classmethod
    def recipe_of(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """The paper's recipe, or the code's."""
        if settings.get("recipe", "paper") == "paper":
            return cls.recipe
        return {**cls.recipe, **CODE_RECIPE}

    @property
    def _is_soft(self) -> bool:
        return self.settings.objective == "soft_boundary"

    def losses(
        self,
        images: Float[Tensor, "batch 3 h w"],  # noqa: ARG002
        output: LatentOutput,
        labels: Float[Tensor, " batch"],  # noqa: ARG002
    ) -> Float[Tensor, " batch"]:
        """d² of each sample, or R² + max(0, d² − R²) / ν; all of them are real."""
        if not self._is_soft:
            return output.distance
        if self.training and self.settings.radius == "batch" and int(self.epochs) >= self.settings.warm_up:
            self._set_radius(output.distance.detach(), "linear")
        square = self.radius.square()
        return square + (output.distance - square).clamp_min(0) / self.settings.nu

    def on_start(self, images: Reals) -> None:
        """Compute the center, and R for it."""
        super().on_start(images)
        if self._is_soft and self.settings.radius == "blocks":
            self._solve_radius(images)

    def on_epoch_end(self, images: Reals) -> None:
        """Count the epoch; solve for R if it ends a block."""
        super().on_epoch_end(images)
        if not self._is_soft:
            return
        epoch = int(self.epochs)
        self.epochs += 1
        ends_block = epoch < self.settings.warm_up or epoch % self.settings.block == 0
        if self.settings.radius == "blocks" and ends_block:
            self._solve_radius(images)

    def _solve_radius(self, images: Reals) -> None:
        """The R of the smallest loss: a smaller ball would leave out more than the share ν."""
        distances = gather_all(torch.cat([self(batch).distance for batch in images]))
        self._set_radius(distances, "inverted_cdf")

    def _set_radius(self, distances: Float[Tensor, " n"], method: Literal["linear", "inverted_cdf"]) -> None:
        """The (1 − ν)-quantile; `linear` interpolates, which is not where the loss is smallest."""
        quantile = np.quantile(distances.sqrt().cpu().numpy(), 1 - self.settings.nu, method=method)
        with torch.no_grad():
            self.radius.fill_(float(quantile))


def gather_all(values: Float[Tensor, " n"]) -> Float[Tensor, " m"]:
    """The values of all processes of a run, of which each may hold another number."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return values
    parts: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(parts, values.cpu())
    return torch.cat(parts)

"""The thesis's network: backbone f, classifier l and center c (section 3.2.2); and its two scores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fakeforensics.metrics.spec import ScoreSpec
from fakeforensics.models.card import Architecture
from fakeforensics.models.detector import Labels, NetworkDetector, Values
from fakeforensics.models.runtime import all_sum
from fakeforensics.params import Group

S_SL = ScoreSpec(name="sl", label="S_SL", title="logit of the classifier", column="logit", scale="logit")
S_CD = ScoreSpec(
    name="cd", label="S_CD", title="squared distance to the center", column="score_cd", scale="positive"
)
CLAMP = 0.1
Reals = Iterable[Float[Tensor, "_ 3 h w"]]  # batches may differ in size


class CenterSettings(Group):
    """Settings of a detector whose loss depends on the center.

    Args:
        center: `epoch` computes c again after each epoch; `init` keeps the first one, away from zero.
    """

    center: Literal["init", "epoch"] = "epoch"


class LatentOutput(NamedTuple):
    """The network's output for a batch, all in float32.

    Attributes:
        code: The latent code f(x).
        logit: l(f(x)) before its sigmoid; higher is more likely fake.
        distance: ‖f(x) − c‖², equation 3.3; at least 0, higher is more likely fake.
    """

    code: Float[Tensor, "batch dim"]
    logit: Float[Tensor, " batch"]
    distance: Float[Tensor, " batch"]


def squared_distance(
    code: Float[Tensor, "batch dim"], center: Float[Tensor, " dim"]
) -> Float[Tensor, " batch"]:
    """S_CD of equation 3.3, ‖f(x) − c‖², in float32 or, for float64 codes, in float64.

    bfloat16 could not distinguish near codes, and 1 / d² would overflow in float16.
    """
    with torch.autocast(code.device.type, enabled=False):
        wide = code if code.dtype == torch.float64 else code.float()
        return (wide - center).square().sum(dim=1)


class LatentDetector(NetworkDetector):
    """A backbone with a linear classifier and a center of real images; subclasses add the loss.

    The center c moves at the end of each epoch, before that epoch's validation, to the mean code of the real
    training images under the weights just reached. The same c serves the saved model and the next epoch's
    training. `center: init` keeps the first one.

    Args:
        architecture: The parameters of the backbone.
        settings: The detector's settings.

    Attributes:
        uses_center: Whether the loss depends on c. If not, c is computed once after training.
        uses_classifier: Whether the loss depends on l. If not, l stays as initialized.
        backbone: f, from a normalized Float[batch, 3, h, w] to Float[batch, dim].
        classifier: l, one linear layer from the pooled code to 1.
        center: c, Float[dim] (equation 3.2); zero until training has set it.
    """

    uses_center: ClassVar[bool] = True
    uses_classifier: ClassVar[bool] = True
    center: Tensor

    def __init__(self, architecture: Architecture, settings: Group) -> None:
        super().__init__(architecture, settings)
        facts = self.use_backbone()
        self.channels = facts.channels
        self.classifier = nn.Linear(facts.channels, 1)
        # Parameters that no loss reaches would make distributed training wait for their gradients.
        self.classifier.requires_grad_(self.uses_classifier)
        self.register_buffer("center", torch.zeros(facts.code_size))

    def forward(self, images: Float[Tensor, "batch 3 h w"]) -> LatentOutput:
        """Encode and score normalized images.

        Args:
            images: Images of the architecture's crop size; a ResNet's pooled code takes any size from 32 on.
        """
        code = self.backbone(images)
        # Outside autocast: rounded logits would tie, and average precision is about their order.
        with torch.autocast(images.device.type, enabled=False):
            code = code.float()
            pooled = code
            if self.architecture.code == "map":
                pooled = code.unflatten(1, (self.channels, -1)).mean(dim=2)
            logit = self.classifier(pooled).squeeze(1)
        return LatentOutput(code, logit, squared_distance(code, self.center))

    def read(self, images: Float[Tensor, "batch 3 h w"], output: LatentOutput) -> Values:  # noqa: ARG002
        """S_SL's logit (equation 3.6) and S_CD (equation 3.3), those that the detector declares."""
        values = {S_SL.column: output.logit, S_CD.column: output.distance}
        return {score.column: values[score.column] for score in self.scores}

    def distance(self, output: LatentOutput) -> Labels | None:
        """d² = ‖f(x) − c‖²."""
        return output.distance if self.uses_center else None

    def on_start(self, images: Reals) -> None:
        """Compute the first center."""
        if self.uses_center:
            center = self.mean_code(images)
            self.set_center(away_from_zero(center) if self._center_setting == "init" else center)

    def on_epoch_end(self, images: Reals) -> None:
        """Move the center to the reals' mean code."""
        if self.uses_center and self._center_setting == "epoch":
            self.set_center(self.mean_code(images))

    def on_finish(self, images: Reals) -> None:
        """Compute the center of a network whose loss does not use it, so that every model has one."""
        if not self.uses_center:
            self.set_center(self.mean_code(images))

    @property
    def _center_setting(self) -> str:
        return str(getattr(self.settings, "center", "epoch"))

    def set_center(self, center: Float[Tensor, " dim"]) -> None:
        """Write c into the network."""
        with torch.no_grad():
            self.center.copy_(center)

    def mean_code(self, reals: Reals) -> Float[Tensor, " dim"]:
        """Compute c = Σ f(x) 1(y = 0) / Σ 1(y = 0) in float32; called in evaluation mode without gradient.

        Args:
            reals: This process's share of the real training images. Sum and count are added over all
                processes, so that shares may differ in size.

        Source:
            Equation 3.2.
        """
        # Float64, so that the order of a hundred thousand additions has no visible effect.
        total = torch.zeros_like(self.center, dtype=torch.float64)
        count = torch.zeros((), dtype=torch.float64, device=self.center.device)
        with torch.autocast(self.center.device.type, enabled=False):
            for images in reals:
                ones = torch.ones(len(images), dtype=torch.float64, device=images.device)
                total += ones @ self.backbone(images).double()
                count += ones.sum()
        return (all_sum(total) / all_sum(count)).float()


def away_from_zero(center: Float[Tensor, " dim"]) -> Float[Tensor, " dim"]:
    """Push coordinates within 0.1 of zero out to ±0.1, zero itself to +0.1.

    A fixed center may have coordinates near zero. A network with zero weights reaches those for every image,
    which is the trivial solution.

    Source:
        Ruff et al., Deep One-Class Classification, ICML 2018, and the code of Deep SAD, which leaves zero.
    """
    small = center.abs() < CLAMP
    return torch.where(small, torch.where(center < 0, -CLAMP, CLAMP), center)

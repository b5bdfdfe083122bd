"""A network on the first three stages of a ResNet, for detectors whose authors leave out the last one."""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models import ResNet

from fakeforensics.errors import UserError
from fakeforensics.models.backbone import GlobalAveragePool, build_backbone, start_backbone
from fakeforensics.models.card import Architecture
from fakeforensics.models.detector import NetworkDetector
from fakeforensics.params import Group

_CUT = "layer4"


class ShallowDetector(NetworkDetector):
    """A ResNet to its third stage, averaged over space; subclasses add heads and the loss.

    `train.code` has no effect: the code is always pooled.

    Args:
        architecture: The parameters of the backbone.
        settings: The detector's settings.

    Attributes:
        width: Length of the code, 256 for ResNet-18.

    Raises:
        UserError: If the backbone is not a ResNet.
    """

    def __init__(self, architecture: Architecture, settings: Group) -> None:
        super().__init__(architecture, settings)
        self.facts = self.use_backbone()
        if not isinstance(self.backbone, ResNet):
            raise UserError(
                f"the detector {self.name!r} needs a ResNet, which it uses up to the third stage",
                found=f"the backbone {architecture.backbone}",
                fix=f"detector_settings: {{{self.name}: {{train: {{backbone: resnet18}}}}}}",
            )
        self.width = int(self.backbone.layer4[0].conv1.in_channels)
        self.backbone.layer4 = nn.Sequential()
        self.backbone.avgpool = GlobalAveragePool()
        self.facts = replace(self.facts, heat_layer="layer3", channels=self.width, code_size=self.width)

    def code(self, images: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch width"]:
        """The pooled code of normalized images, in float32."""
        code: Tensor = self.backbone(images)
        return code.float()

    def start_from(self, weights: str, sha256: str | None) -> dict[str, str]:
        """Load `train.weights` of the whole network and keep the first three stages."""
        if weights == "none" or self.facts is None:
            return {"weights": "none"}
        whole, facts = build_backbone(self.architecture)
        record = start_backbone(whole, facts, self.architecture.crop_size, weights, sha256)
        self.backbone.load_state_dict(
            {name: value for name, value in whole.state_dict().items() if not name.startswith(f"{_CUT}.")}
        )
        return record

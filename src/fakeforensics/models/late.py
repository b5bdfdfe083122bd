"""A backbone of which only the end is trained, for detectors whose authors freeze the convolutions."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models import VGG, AlexNet, ResNet

from fakeforensics.errors import UserError
from fakeforensics.models.card import Architecture
from fakeforensics.models.detector import NetworkDetector
from fakeforensics.params import Group


class LateDetector(NetworkDetector):
    """A backbone whose last stage alone is trained; subclasses add heads and the loss.

    A ResNet's last stage is its fourth. Of AlexNet and VGG, the networks of the papers, the fully connected
    layers are trained. The frozen part also keeps its batch normalization statistics.

    Args:
        architecture: The parameters of the backbone.
        settings: The detector's settings.

    Attributes:
        width: Length of the code.

    Raises:
        UserError: If the backbone is not a ResNet, AlexNet or VGG.
    """

    def __init__(self, architecture: Architecture, settings: Group) -> None:
        super().__init__(architecture, settings)
        self.width = self.use_backbone().code_size
        stages = {ResNet: "layer4", AlexNet: "classifier", VGG: "classifier"}
        found = [stage for kind, stage in stages.items() if isinstance(self.backbone, kind)]
        if not found:
            raise UserError(
                f"the detector {self.name!r} needs a ResNet, AlexNet or VGG, whose convolutions it freezes",
                found=f"the backbone {architecture.backbone}",
                fix=f"detector_settings: {{{self.name}: {{train: {{backbone: resnet18}}}}}}",
            )
        (self.trained_stage,) = found
        for stage in self._frozen:
            stage.requires_grad_(False)

    @property
    def _frozen(self) -> list[nn.Module]:
        return [stage for name, stage in self.backbone.named_children() if name != self.trained_stage]

    def train(self, mode: bool = True) -> LateDetector:
        """Set the mode of the trained part; the frozen part stays in evaluation mode."""
        super().train(mode)
        for stage in self._frozen:
            stage.eval()
        return self

    def code(self, images: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch width"]:
        """The code of normalized images, in float32."""
        code: Tensor = self.backbone(images)
        return code.float()

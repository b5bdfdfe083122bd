"""The detector: backbone f, classifier l and centre c (section 3.2.2 of the thesis)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fakeforensics.models.backbone import CODE_SIZE, build_backbone


class DetectorOutput(NamedTuple):
    """What the detector says of a batch, all in float32.

    Attributes:
        code: The latent code f(x).
        logit: l(f(x)) before its sigmoid; higher is faker.
        distance: ‖f(x) − c‖², equation 3.3; at least 0, higher is faker.
    """

    code: Float[Tensor, "batch dim"]
    logit: Float[Tensor, " batch"]
    distance: Float[Tensor, " batch"]


def squared_distance(
    code: Float[Tensor, "batch dim"], centre: Float[Tensor, " dim"]
) -> Float[Tensor, " batch"]:
    """S_CD of equation 3.3, ‖f(x) − c‖², in float32 or, for float64 codes, in float64.

    bfloat16 could not tell near codes apart, and 1 / d² would overflow in float16.
    """
    with torch.autocast(code.device.type, enabled=False):
        wide = code if code.dtype == torch.float64 else code.float()
        return (wide - centre).square().sum(dim=1)


class Detector(nn.Module):
    """ResNet with a linear classifier and a centre of real images.

    Example:
        >>> detector = Detector("resnet18")
        >>> detector(torch.zeros(2, 3, 64, 64)).logit.shape
        torch.Size([2])

    Args:
        backbone: `resnet18`, `resnet34` or `resnet50`.
        stem: `standard` or `no_downsampling`.

    Attributes:
        backbone: f, from a normalised Float[batch, 3, h, w] to Float[batch, dim]; dim 512, 2048 for resnet50.
        classifier: l, one linear layer from dim to 1.
        centre: c, Float[dim] (equation 3.2); zero until training has set it.

    Raises:
        UserError: If the backbone or the stem is unknown.
    """

    centre: Tensor

    def __init__(self, backbone: str = "resnet18", stem: str = "standard") -> None:
        super().__init__()
        self.architecture = {"backbone": backbone, "stem": stem}
        self.backbone = build_backbone(backbone, stem)
        self.classifier = nn.Linear(CODE_SIZE[backbone], 1)
        self.register_buffer("centre", torch.zeros(CODE_SIZE[backbone]))

    def forward(self, images: Float[Tensor, "batch 3 h w"]) -> DetectorOutput:
        """Encode and score normalised images.

        Args:
            images: Normalised by `Preprocess.normalise`; any height and width from 32 on.
        """
        code = self.backbone(images)
        # Outside autocast: rounded logits would tie, and average precision is about their order.
        with torch.autocast(images.device.type, enabled=False):
            logit = self.classifier(code).squeeze(1)
        return DetectorOutput(code, logit, squared_distance(code, self.centre))

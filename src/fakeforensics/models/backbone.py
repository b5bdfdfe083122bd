"""The backbone f: a ResNet whose layer4 output, averaged over space, is the latent code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision import models as zoo

from fakeforensics.errors import UserError

BackboneName = Literal["resnet18", "resnet34", "resnet50"]
StemName = Literal["standard", "no_downsampling"]

CODE_SIZE: dict[str, int] = {"resnet18": 512, "resnet34": 512, "resnet50": 2048}


class GlobalAveragePool(nn.Module):
    """Mean over height and width, in float32 whatever the precision of the features.

    In bfloat16 a code would keep 8 bits, too few for the small distances to the centre of a tight class.
    """

    def forward(self, features: Float[Tensor, "batch dim h w"]) -> Float[Tensor, "batch dim 1 1"]:
        """Average `features` over its last two axes."""
        return features.float().mean(dim=(-2, -1), keepdim=True)


def build_backbone(name: str = "resnet18", stem: str = "standard") -> nn.Module:
    """Build f, randomly initialised from PyTorch's global generator.

    Args:
        name: `resnet18` (the thesis's choice, section 4.2), `resnet34` or `resnet50`.
        stem: `standard`, or `no_downsampling`: the first convolution with stride 1 and no max-pooling, which
            keeps the high frequencies where up-sampling leaves its traces, for about 16 times the work.

    Returns:
        A module from Float[batch, 3, h, w] to Float[batch, CODE_SIZE[name]]. Its children keep torchvision's
        names, so that published weights load; the stem has no weights of its own and takes them as they are.

    Raises:
        UserError: If `name` or `stem` is unknown.

    Source:
        He et al., Deep Residual Learning for Image Recognition, CVPR 2016. The stem: Gragnaniello et al., Are
        GAN Generated Images Easy to Detect?, ICME 2021.
    """
    if name not in CODE_SIZE:
        raise UserError(f"unknown backbone {name!r}", expected=", ".join(CODE_SIZE))
    if stem not in ("standard", "no_downsampling"):
        raise UserError(f"unknown stem {stem!r}", expected="standard, no_downsampling")
    backbone: Any = zoo.get_model(name, weights=None)
    backbone.avgpool = GlobalAveragePool()
    backbone.fc = nn.Identity()
    if stem == "no_downsampling":
        backbone.conv1.stride = (1, 1)
        backbone.maxpool = nn.Identity()
    return cast(nn.Module, backbone)


def load_backbone(backbone: nn.Module, state: Mapping[str, Any], where: str) -> None:
    """Put published ImageNet weights into `backbone`; the ImageNet classifier `fc` is left out.

    Args:
        backbone: What `build_backbone` made.
        state: Tensors by torchvision's names.
        where: What the weights come from, for the message.

    Raises:
        UserError: If the names or shapes are not those of this backbone.
    """
    if not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise UserError(f"{where}: not a state dict", expected="tensors by torchvision's names")
    body = {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}
    own = {name: tensor.shape for name, tensor in backbone.state_dict().items()}
    theirs = {name: tensor.shape for name, tensor in body.items()}
    differing = sorted(name for name in own.keys() | theirs.keys() if own.get(name) != theirs.get(name))
    if differing:
        raise UserError(
            f"{where}: these weights do not fit the backbone",
            found=f"{len(differing)} tensors missing, foreign or of another shape, such as {differing[0]}",
            fix="check `train.backbone` against the file",
        )
    with torch.no_grad():
        backbone.load_state_dict(body)

"""A network with a twentieth of ResNet-18's weights, for tests of what trains, writes and runs networks.

Where the family matters, those of hundreds of megabytes get few blocks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from torch import nn
from torchvision import models as zoo
from torchvision.models import convnext, vision_transformer
from torchvision.models.resnet import BasicBlock, ResNet


class ThinResNet(ResNet):
    """A ResNet of one block, whose last map has the size and the channels of ResNet-18's."""

    def _make_layer(self, block: Any, planes: int, blocks: int, **options: Any) -> Any:
        if planes == 64:
            return super()._make_layer(block, planes, blocks, **options)
        return nn.Conv2d(64, 512, 1, stride=8) if planes == 512 else nn.Identity()


def thin_resnet(name: str, weights: None = None, **options: Any) -> ThinResNet:
    """Stands in for torchvision's `get_model`."""
    return ThinResNet(BasicBlock, [1, 1, 1, 1])


@contextmanager
def thin_networks() -> Iterator[pytest.MonkeyPatch]:
    """Every backbone is a `ThinResNet`; the patch that makes it so takes more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo, "get_model", thin_resnet)
        yield patch


def few_blocks(patch: pytest.MonkeyPatch) -> None:
    """ConvNeXt and vision transformers have one block where they have up to twelve."""
    convnext_of, transformer_of = convnext._convnext, vision_transformer._vision_transformer

    def one_each(blocks: Any, *others: Any, **options: Any) -> nn.Module:
        single = [convnext.CNBlockConfig(one.input_channels, one.out_channels, 1) for one in blocks]
        return convnext_of(single, *others, **options)

    def one_layer(**options: Any) -> nn.Module:
        return transformer_of(**options | {"num_layers": 1})

    patch.setattr(convnext, "_convnext", one_each)
    patch.setattr(vision_transformer, "_vision_transformer", one_layer)

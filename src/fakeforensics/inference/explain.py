"""Heat maps of the regions that contribute to a score: Grad-CAM by captum. The first use imports torch."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from fakeforensics.errors import UserError
from fakeforensics.inference.assessment import ScoreRule
from fakeforensics.inference.inputs import Rgb
from fakeforensics.inference.package import Package
from fakeforensics.inference.pictures import Heat

if TYPE_CHECKING:
    from torch import Tensor


def need_captum() -> None:
    """Raise a `UserError` if captum is not installed."""
    if find_spec("captum") is None:
        raise UserError(
            "heat maps need the package captum, which is not installed",
            fix="pip install 'fake-forensics[explain]'",
        )


class Explainer:
    """Computes heat maps of the deciding score. They need gradients, which only torch computes.

    Args:
        package: The detector.

    Raises:
        UserError: If captum is not installed, the detector has no layer that a heat map could show, or its
            weights are damaged.
    """

    def __init__(self, package: Package) -> None:
        need_captum()
        from captum.attr import LayerAttribution, LayerGradCam

        from fakeforensics.inference.torch_network import TorchNetwork

        self._network = TorchNetwork(package)
        detector = self._network.detector
        column = ScoreRule(package.decision, package.scores).spec.column
        layer = detector.heat_layer
        if layer is None:
            raise UserError(
                f"the detector {detector.name} has no layer with a feature map, which heat maps need",
                fix="leave out --explain",
            )

        def forward(images: Tensor) -> Tensor:
            return detector.score(images)[column]

        self._gradcam = LayerGradCam(forward, layer)
        self._enlarge = LayerAttribution.interpolate

    def heat(self, crops: Sequence[Rgb]) -> list[Heat]:
        """The heat maps of crops.

        Returns:
            For each crop a map of its size: how much each place raises the score, scaled to a maximum of 1.
            All values are 0 if no place raises it.

        Source:
            Selvaraju et al., Grad-CAM, ICCV 2017, applied to the detector's `heat_layer`.
        """
        import torch

        images = self._network.preprocess.normalize(self._network.images(crops)).requires_grad_()
        maps = self._gradcam.attribute(images, relu_attributions=True)
        large = self._enlarge(maps, images.shape[2:], "bilinear").detach()[:, 0].cpu()
        peaks = large.amax(dim=(1, 2), keepdim=True)
        return list((large / peaks.clamp_min(torch.finfo(large.dtype).tiny)).numpy())

"""Where in a crop the score comes from: Grad-CAM through captum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fakeforensics.errors import UserError
from fakeforensics.inference.inputs import Rgb
from fakeforensics.inference.pictures import Heat
from fakeforensics.inference.predict import LoadedModel


class Explainer:
    """Heat maps of the deciding score.

    Raises:
        UserError: If captum is not installed, or the detector has no layer that a heat map could show.
    """

    def __init__(self, model: LoadedModel) -> None:
        try:
            from captum.attr import LayerAttribution, LayerGradCam
        except ModuleNotFoundError:
            raise UserError(
                "heat maps need the package captum, which is not installed",
                fix="pip install 'fake-forensics[explain]'",
            ) from None
        self._model = model
        detector = model.detector
        column = model.rule.spec.column
        layer = detector.heat_layer
        if layer is None:
            raise UserError(
                f"the detector {detector.name} has no layer with a feature map, so there are no heat maps",
                fix="leave out --explain",
            )

        def forward(images: Tensor) -> Tensor:
            return detector.score(images)[column]

        self._gradcam = LayerGradCam(forward, layer)
        self._enlarge = LayerAttribution.interpolate

    def heat(self, crops: Sequence[Rgb]) -> list[Heat]:
        """For each crop how much each place raises the score: a map of its size, its maximum 1 (or 0).

        Source:
            Selvaraju et al., Grad-CAM, ICCV 2017; of the detector's `heat_layer`.
        """
        stacked = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).to(self._model.device)
        images = self._model.preprocess.normalize(stacked).requires_grad_()
        maps = self._gradcam.attribute(images, relu_attributions=True)
        large = self._enlarge(maps, images.shape[2:], "bilinear").detach()[:, 0].cpu()
        peaks = large.amax(dim=(1, 2), keepdim=True)
        return list((large / peaks.clamp_min(torch.finfo(large.dtype).tiny)).numpy())

"""Where in a crop the score comes from: Grad-CAM through captum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fakeforensics.errors import UserError
from fakeforensics.inference.detect import Judge
from fakeforensics.inference.frames import Rgb

Heat = Float[np.ndarray, "height width"]


class Explainer:
    """Heat maps of the deciding score.

    Args:
        judge: The loaded model.

    Raises:
        UserError: If captum is not installed, or the detector has no layer that a heat map could show.
    """

    def __init__(self, judge: Judge) -> None:
        try:
            from captum.attr import LayerAttribution, LayerGradCam
        except ModuleNotFoundError:
            raise UserError(
                "heat maps need the package captum, which is not installed",
                fix="pip install 'fake-forensics[explain]'",
            ) from None
        self._judge = judge
        detector = judge.scorer.detector
        column = judge.policy.spec.column
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
        """How much each place raises the score.

        Args:
            crops: Of the size that the network takes.

        Returns:
            For each crop a map of its size, in [0, 1]; its own highest place is 1, unless no place raises the
            score.

        Source:
            Selvaraju et al., Grad-CAM, ICCV 2017; of the detector's `heat_layer`.
        """
        scorer = self._judge.scorer
        stacked = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).to(scorer.device)
        images = scorer.preprocess.normalize(stacked).requires_grad_()
        maps = self._gradcam.attribute(images, relu_attributions=True)
        large = self._enlarge(maps, images.shape[2:], "bilinear").detach()[:, 0].cpu()
        peaks = large.amax(dim=(1, 2), keepdim=True)
        return list((large / peaks.clamp_min(torch.finfo(large.dtype).tiny)).numpy())

"""A packaged detector's network in torch: scores on a GPU if there is one, and gradients for heat maps."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from fakeforensics.inference.network import Crops, Network
from fakeforensics.inference.package import Package
from fakeforensics.models.runtime import full_float32, keep_freed_memory, processor
from fakeforensics.models.saving import load_detector


class TorchNetwork(Network):
    """The network of a package in torch, with the same arithmetic as the score stage.

    Args:
        package: The package.

    Raises:
        UserError: If the weights are damaged or do not fit the card.
    """

    def __init__(self, package: Package) -> None:
        detector, _ = load_detector(package.directory)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self._device.type == "cpu":
            keep_freed_memory()
        self.runtime = f"torch {torch.__version__}"
        self.device = str(self._device)
        self.processor = processor()
        self.threads = torch.get_num_threads()
        self.has_heat_maps = detector.heat_layer is not None
        self.preprocess = package.preprocess
        self.detector = detector.to(self._device).eval().to(memory_format=torch.channels_last)

    def score(self, crops: Crops) -> dict[str, list[float]]:
        """The scores of crops by column, in their order."""
        with torch.inference_mode(), full_float32():
            scores = self.detector.score(self.preprocess.normalize(self.images(crops)))
        return {column: values.cpu().tolist() for column, values in scores.items()}

    def images(self, crops: Crops) -> UInt8[Tensor, "batch 3 size size"]:
        """The pixels of crops on the network's device."""
        return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).to(self._device)

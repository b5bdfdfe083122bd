"""From crops to scores, with the arithmetic of the evaluate stage."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from jaxtyping import UInt8

from fakeforensics.models.detector import Detector
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.models.runtime import full_float32, keep_freed_memory

Crops = Sequence[UInt8[np.ndarray, "size size 3"]]


class Scorer:
    """Scores crops in batches, on a GPU if there is one.

    Args:
        detector: As loaded.
        preprocess: Of the model's card.
    """

    def __init__(self, detector: Detector, preprocess: Preprocess) -> None:
        self.preprocess = preprocess
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self.device.type == "cpu":
            keep_freed_memory()
        self.detector = detector.to(self.device).eval().to(memory_format=torch.channels_last)
        cv2.setNumThreads(1)  # the batch's threads belong to torch

    def score(self, crops: Crops) -> list[dict[str, float]]:
        """Score crops of the size that `Preprocess.crop` gives.

        Returns:
            For each crop its scores by column.
        """
        stacked = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
        with torch.inference_mode(), full_float32():
            scores = self.detector.score(self.preprocess.normalize(stacked.to(self.device)))
        columns = {column: values.cpu().tolist() for column, values in scores.items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

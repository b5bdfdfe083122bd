"""From crops to scores, with the arithmetic of the evaluate stage."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from jaxtyping import UInt8

from fakeforensics.inference.scores import Scores
from fakeforensics.models.detector import Detector
from fakeforensics.models.memory import keep_freed_memory
from fakeforensics.models.precision import full_float32
from fakeforensics.models.preprocess import Preprocess

Crops = Sequence[UInt8[np.ndarray, "size size 3"]]


class Scorer:
    """Scores crops in batches, on a GPU if there is one.

    Args:
        detector: As loaded.
        preprocess: Of the model's card.
        objective: `bce`, `sad` or `joint`: which of the scores mean something.
    """

    def __init__(self, detector: Detector, preprocess: Preprocess, objective: str) -> None:
        self.preprocess = preprocess
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self.device.type == "cpu":
            keep_freed_memory()
        self.detector = detector.to(self.device).eval().to(memory_format=torch.channels_last)
        self._has_logit, self._has_distance = objective != "sad", objective != "bce"
        cv2.setNumThreads(1)  # the batch's threads belong to torch

    def score(self, crops: Crops) -> list[Scores]:
        """Score crops of the size that `Preprocess.crop` gives."""
        stacked = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
        with torch.inference_mode(), full_float32():
            output = self.detector(self.preprocess.normalise(stacked.to(self.device)))
        logits, distances = output.logit.cpu().tolist(), output.distance.cpu().tolist()
        return [
            Scores(logit if self._has_logit else None, distance if self._has_distance else None)
            for logit, distance in zip(logits, distances, strict=True)
        ]

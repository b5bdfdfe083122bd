"""What training and scoring need of an objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from fakeforensics.models.detector import DetectorOutput

Scores = dict[str, Float[Tensor, " batch"]]


class Objective(ABC):
    """A loss a sample and the scores that go with it.

    Attributes:
        name: As on the command line.
        uses_centre: Whether the loss depends on c, which then is computed before the first epoch.
        uses_classifier: Whether the loss depends on l; otherwise l stays as initialised.
    """

    name: ClassVar[str]
    uses_centre: ClassVar[bool]
    uses_classifier: ClassVar[bool]

    @abstractmethod
    def losses(self, output: DetectorOutput, label: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """The loss of each sample; a batch's loss is their mean.

        Args:
            output: Of the detector, float32.
            label: y, 0 real or 1 fake, as floats.
        """

    @abstractmethod
    def scores(self, output: DetectorOutput) -> Scores:
        """Scores by column name, each higher for a faker image."""

"""What a detector says of a crop. No torch here: answers are made without it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scores:
    """What the detector says of one crop.

    Args:
        logit: S_SL before its sigmoid (equation 3.6); None if the objective does not train it.
        score_cd: S_CD, the squared distance to the centre (equation 3.3); None likewise.
    """

    logit: float | None
    score_cd: float | None

    @property
    def score_sl(self) -> float | None:
        """S_SL, 0 … 1."""
        return None if self.logit is None else sigmoid(self.logit)

    def get(self, name: str) -> float | None:
        """What is ranked and cut by: the logit for `sl`, S_CD for `cd`."""
        return self.logit if name == "sl" else self.score_cd


def sigmoid(logit: float) -> float:
    """A probability, 0 … 1, from a logit of any size."""
    return 1 / (1 + math.exp(-logit)) if logit > -700 else 0.0

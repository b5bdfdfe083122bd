"""A reason to doubt that a detector has learned anything, from its training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def epoch_doubt(card: Mapping[str, Any]) -> str | None:
    """What is to be said of a detector whose first epoch was its best; None of any other.

    Args:
        card: From `read_card`, or the values that are about to be written into it.
    """
    epochs = card.get("epochs", 1)
    if epochs < 2 or card.get("best_epoch") != 0:
        return None
    return (
        f"Training kept the first of its {epochs} epochs: no later one was better on validation, so more "
        "training did not help."
    )

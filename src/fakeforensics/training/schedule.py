"""What follows from the epochs so far: the next learning rate, the best epoch, and whether training is over.

Each is a function of the history alone, so that a resumed run continues as if it had never stopped.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import torch

from fakeforensics.params import TrainParams

Row = dict[str, Any]
MONITORED = {"loss": "val_loss", "accuracy": "val_accuracy"}


def best_row(history: list[Row], params: TrainParams) -> Row:
    """The first row of the lowest validation loss, or of the highest accuracy with `monitor: accuracy`."""
    sign = -1 if params.monitor == "accuracy" else 1
    return min(history, key=lambda row: sign * float(row[MONITORED[params.monitor]]))


def is_over(history: list[Row], params: TrainParams, steps: int) -> bool:
    """Whether training ends after the last row of `history`.

    Args:
        history: One row per finished epoch.
        params: The `train` group.
        steps: Steps per epoch.
    """
    if not history:
        return False
    waited = history[-1]["epoch"] - best_row(history, params)["epoch"]
    return (
        len(history) >= params.max_epochs
        or waited >= params.patience
        or (params.max_steps is not None and len(history) * steps >= params.max_steps)
        or learning_rate(history, params) < params.min_learning_rate
    )


def learning_rate(history: list[Row], params: TrainParams) -> float:
    """The learning rate of the epoch after `history`."""
    first, epoch = params.learning_rate, len(history)
    if params.schedule == "exponential":
        return first * params.lr_decay**epoch
    if params.schedule == "steps":
        return first * params.lr_factor ** bisect_right(params.milestones, epoch)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=first)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode="max" if params.monitor == "accuracy" else "min",
        factor=params.lr_factor,
        patience=params.plateau_patience,
        threshold=params.plateau_threshold,
        threshold_mode="abs",
    )
    for row in history:
        plateau.step(row[MONITORED[params.monitor]])
    return float(optimizer.param_groups[0]["lr"])

"""Decisions from the epochs so far: the next learning rate, the best epoch, and whether training is over.

They depend only on the history, so that a resumed run continues as if it had not been interrupted.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import torch

from fakeforensics.params import TrainParams

Row = dict[str, Any]
MONITORED = {"loss": "val_loss", "accuracy": "val_accuracy"}


def best_row(history: list[Row], params: TrainParams) -> Row:
    """The row with the lowest validation loss or, with `monitor: accuracy`, with the highest accuracy.

    If several rows are equally good, it is the first of them. With `plateau_restart` only the rows since the
    last fall of the learning rate count, if there are any.
    """
    sign = -1 if params.monitor == "accuracy" else 1
    begins = [0]
    if params.schedule == "plateau" and params.plateau_restart is not None:
        begins += [begin for begin in _plateau(history, params)[1] if begin < len(history)]
    return min(history[begins[-1] :], key=lambda row: sign * float(row[MONITORED[params.monitor]]))


def is_over(history: list[Row], params: TrainParams, steps: int) -> bool:
    """Whether training ends after the last row of `history`.

    Args:
        history: One row per finished epoch.
        params: The group `train` of the settings.
        steps: Optimizer steps per epoch.
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
    return _plateau(history, params)[0]


def _plateau(history: list[Row], params: TrainParams) -> tuple[float, list[int]]:
    """The learning rate after `history`, and the epochs, from 0, that began with a lower rate."""
    rate, falls = params.learning_rate, list[int]()
    scheduler = _reduce_on_plateau(rate, params.plateau_threshold, params)
    for epoch, row in enumerate(history):
        scheduler.step(row[MONITORED[params.monitor]])
        now = float(scheduler.get_last_lr()[0])
        if now < rate:
            rate = now
            falls.append(epoch + 1)
            if params.plateau_restart is not None:
                scheduler = _reduce_on_plateau(rate, params.plateau_restart, params)
    return rate, falls


def _reduce_on_plateau(
    rate: float, threshold: float, params: TrainParams
) -> torch.optim.lr_scheduler.ReduceLROnPlateau:
    return torch.optim.lr_scheduler.ReduceLROnPlateau(
        torch.optim.SGD([torch.zeros(1)], lr=rate),
        mode="max" if params.monitor == "accuracy" else "min",
        factor=params.lr_factor,
        patience=params.plateau_patience,
        threshold=threshold,
        threshold_mode="abs",
    )

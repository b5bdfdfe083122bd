"""Sums and means over the processes of a run; with one process they are what they are given."""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn


def world_size() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if _running() else 1


def all_sum(value: Tensor) -> Tensor:
    """The sum of `value` over all processes, the same on each."""
    if not _running():
        return value
    total = value.clone()
    distributed.all_reduce(total)
    return total


@torch.no_grad()
def average_buffers(module: nn.Module) -> None:
    """Average floating-point buffers over all processes.

    Each process's batch normalisation follows its own share of the images, so that without this every process
    would validate a slightly different network.
    """
    if not _running():
        return
    for buffer in module.buffers():
        if buffer.is_floating_point():
            buffer.copy_(all_sum(buffer) / world_size())


def _running() -> bool:
    return distributed.is_available() and distributed.is_initialized()

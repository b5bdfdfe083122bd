"""Memory that decoding processes share with the training process, for the batches on their way to it."""

from __future__ import annotations

import logging
import math
import mmap
import os
import weakref
from contextlib import suppress
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from fakeforensics.training.dataset import Batch, Sample, collate

log = logging.getLogger(__name__)


class Parcel(NamedTuple):
    """Says where a batch lies: all that a decoding process sends of it."""

    slot: int
    images: int


class Slots:
    """Room for batches, each process's its own, so that no two write at once.

    Sent as tensors, a batch would cost the training process a handshake over a socket for each of them, a
    mapping whose pages are faulted in one by one, and a copy into page-locked memory: together more than a
    fast GPU takes for a training step (docs/benchmarks.md). The memory is nobody's file, so that a
    container's small /dev/shm does not limit it.

    A slot's process alone marks it as taken, and the training process alone as free again. Where none is
    free, or a batch does not fit, the batch is sent as tensors all the same.

    Args:
        workers: Decoding processes, forked from this one.
        each: Slots of each.
        images: Most images of a batch.
        size: Height and width of an image, pixels.
    """

    def __init__(self, workers: int, each: int, images: int, size: int) -> None:
        count = workers * each
        self._each = each
        self._batches = Batch(
            _shared(torch.uint8, count, images, size, size, 3),
            _shared(torch.float32, count, images),
            _shared(torch.int64, count, images),
        )
        self._taken = _shared(torch.uint8, count)
        self._locked = False

    def collate(self, samples: list[Sample]) -> Parcel | Batch:
        """Stack samples into a free slot of the decoding process that this is called in."""
        slot = self._find_slot(samples)
        if slot is None:
            return collate(samples)
        self._taken[slot] = 1
        images, labels, rows = (values[slot, : len(samples)] for values in self._batches)
        torch.stack([sample.image.permute(1, 2, 0) for sample in samples], out=images)
        labels.copy_(torch.tensor([sample.label for sample in samples]))
        rows.copy_(torch.tensor([sample.row for sample in samples]))
        return Parcel(slot, len(samples))

    def look(self, parcel: Parcel) -> Batch:
        """The batch where it lies, for as long as its slot is not freed."""
        images, labels, rows = (values[parcel.slot, : parcel.images] for values in self._batches)
        return Batch(images.permute(0, 3, 1, 2), labels, rows)

    def free(self, slot: int) -> None:
        """Let the slot's process write there again."""
        self._taken[slot] = 0

    def free_all(self) -> None:
        """Free every slot, once no process writes any more."""
        self._taken.zero_()

    def lock_pages(self) -> None:
        """Lock the memory to where it is, so that the GPU fetches from it by itself.

        Warns where the system refuses; copies are slower then.
        """
        if self._locked:
            return
        self._locked = True
        for values in self._batches:
            start = values.data_ptr()
            error = _cudart().cudaHostRegister(start, values.nbytes, 0)
            if int(error) != 0:
                log.warning(
                    "cannot lock %d MB of memory (%s): copies to the GPU will be slower",
                    values.nbytes >> 20,
                    _cudart().cudaGetErrorString(error),
                )
                _forget_error()
                return
            # Another mapping may come to lie in the same place. At exit the system sees to it.
            weakref.finalize(self, _unlock, start, os.getpid()).atexit = False

    def _find_slot(self, samples: list[Sample]) -> int | None:
        worker = get_worker_info()
        _, most, *shape = self._batches.images.shape
        _, height, width = samples[0].image.shape
        if worker is None or len(samples) > most or shape != [height, width, 3]:
            return None
        begin = worker.id * self._each
        free = (self._taken[begin : begin + self._each] == 0).nonzero()
        return begin + int(free[0]) if len(free) else None


def _shared(dtype: torch.dtype, *shape: int) -> Tensor:
    return torch.frombuffer(mmap.mmap(-1, math.prod(shape) * dtype.itemsize), dtype=dtype).view(shape)


def _unlock(start: int, process: int) -> None:
    if os.getpid() == process and int(_cudart().cudaHostUnregister(start)) != 0:
        _forget_error()


def _forget_error() -> None:
    # CUDA keeps it for whatever asks next, and this asks.
    with suppress(RuntimeError):
        torch.ones(1, device="cuda")


def _cudart() -> Any:
    return torch.cuda.cudart()  # type: ignore[no-untyped-call]

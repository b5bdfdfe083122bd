"""Batches of a dataset, decoded beside the training process and brought to the device."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler

from fakeforensics.training.dataset import Batch, ManifestDataset, collate, start_worker
from fakeforensics.training.slots import Parcel, Slots

_PREFETCH = 2
# Besides the batches that a process has ready: the one it writes, and one on its way to the device.
_SLOTS = _PREFETCH + 2
_AHEAD = 4


class Loader:
    """The batches of a dataset, on the device.

    On a GPU a batch is copied while those before it are still computed on; this process gets at most four
    batches ahead of the device.

    Args:
        dataset: Of images.
        batches: Which of its items make up which batch.
        size: Images of a full batch.
        crop_size: Height and width of an image, pixels.
        workers: Decoding processes, kept from one pass to the next. Without any, this process decodes.
    """

    def __init__(
        self, dataset: ManifestDataset, batches: Sampler[list[Any]], size: int, crop_size: int, workers: int
    ) -> None:
        self.dataset = dataset
        self.batches = batches
        self.workers = workers
        # Elsewhere processes are not forked, and would not share the memory.
        shared = workers > 0 and sys.platform == "linux"
        self._slots = Slots(workers, _SLOTS, size, crop_size) if shared else None
        self._idle: DataLoader[Any] | None = None

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Batch]:
        # The processes of a pass that was broken off may still be writing, and are not used again.
        loader, self._idle = self._idle or self._start(), None
        bring = _ToGpu(self._slots) if torch.cuda.is_available() else _Taken(self._slots)
        for number, found in enumerate(loader, start=1):
            if number == len(self):
                self._idle = loader
            yield bring(found)

    def _start(self) -> DataLoader[Any]:
        return DataLoader(
            self.dataset,
            batch_sampler=self.batches,
            num_workers=self.workers,
            collate_fn=self._slots.collate if self._slots else collate,
            worker_init_fn=start_worker,
            persistent_workers=self.workers > 0,
            prefetch_factor=_PREFETCH if self.workers else None,
            multiprocessing_context="fork" if self._slots else None,
        )


class _Taken:
    """Takes the batches of a pass out of their slots."""

    def __init__(self, slots: Slots | None) -> None:
        self.slots = slots
        if slots:
            slots.free_all()

    def __call__(self, found: Parcel | Batch) -> Batch:
        if isinstance(found, Batch) or self.slots is None:
            return Batch(*found)
        batch = Batch(*(values.clone() for values in self.slots.look(found)))
        self.slots.free(found.slot)
        return batch


class _ToGpu:
    """Copies the batches of a pass to the GPU, in a stream beside the one that computes."""

    def __init__(self, slots: Slots | None) -> None:
        self.slots = slots
        self.device = torch.device("cuda", torch.cuda.current_device())
        self.stream: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.copied: deque[tuple[torch.cuda.Event, int]] = deque()
        self.asked: deque[torch.cuda.Event] = deque()
        if slots:
            torch.cuda.synchronize()  # for copies of the pass before
            slots.free_all()

    def __call__(self, found: Parcel | Batch) -> Batch:
        if self.slots:
            self.slots.lock_pages()  # once, when the decoding processes have been forked
        computing = torch.cuda.current_stream()
        # Marks the end of the work on the batches before.
        self.asked.append(_mark(computing))
        if len(self.asked) > _AHEAD:
            self.asked.popleft().synchronize()
        here = self.slots.look(found) if self.slots and isinstance(found, Parcel) else Batch(*found)
        with torch.cuda.stream(self.stream):
            batch = Batch(*(values.to(self.device, non_blocking=True) for values in here))
        arrived = _mark(self.stream)
        computing.wait_event(arrived)
        for values in batch:
            values.record_stream(computing)
        if self.slots and isinstance(found, Parcel):
            self.copied.append((arrived, found.slot))
            while self.copied and self.copied[0][0].query():  # type: ignore[no-untyped-call]
                self.slots.free(self.copied.popleft()[1])
        return batch


def _mark(stream: torch.cuda.Stream) -> torch.cuda.Event:
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record(stream)
    return event

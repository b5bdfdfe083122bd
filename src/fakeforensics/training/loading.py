"""Batches of a dataset, decoded beside the training process and brought to the device."""

from __future__ import annotations

import gc
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
        self.size = size
        self.crop_size = crop_size
        self._idle: tuple[DataLoader[Any], _Taken | _ToGpu] | None = None

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Batch]:
        # The processes of a pass that was broken off may still be writing, and are not used again.
        crew, self._idle = self._idle or self._start(), None
        loader, bring = crew
        bring.begin()
        try:
            for number, found in enumerate(loader, start=1):
                if number == len(self):
                    self._idle = crew
                yield bring(found)
        finally:
            bring.settle()

    def close(self) -> None:
        """End the decoding processes and give their memory back; another pass would start anew."""
        self._idle = None

    def _start(self) -> tuple[DataLoader[Any], _Taken | _ToGpu]:
        slots = None
        # Elsewhere processes are not forked, and would not share the memory.
        if self.workers > 0 and sys.platform == "linux":
            slots = Slots(self.workers, _SLOTS, self.size, self.crop_size)
            gc.collect()  # garbage may lie on the GPU, where a forked process cannot free it
        loader: DataLoader[Any] = DataLoader(
            self.dataset,
            batch_sampler=self.batches,
            num_workers=self.workers,
            collate_fn=slots.collate if slots else collate,
            worker_init_fn=start_worker,
            persistent_workers=self.workers > 0,
            prefetch_factor=_PREFETCH if self.workers else None,
            multiprocessing_context="fork" if slots else None,
        )
        return loader, _ToGpu(slots) if torch.cuda.is_available() else _Taken(slots)


class _Taken:
    """Takes batches out of their slots."""

    def __init__(self, slots: Slots | None) -> None:
        self.slots = slots

    def begin(self) -> None:
        """Begin a pass."""
        if self.slots:
            self.slots.free_all()

    def __call__(self, found: Parcel | Batch) -> Batch:
        if isinstance(found, Batch) or self.slots is None:
            return Batch(*found)
        batch = Batch(*(values.clone() for values in self.slots.look(found)))
        self.slots.free(found.slot)
        return batch

    def settle(self) -> None:
        """Nothing is under way."""


class _ToGpu:
    """Copies batches to the GPU, in a stream beside the one that computes."""

    def __init__(self, slots: Slots | None) -> None:
        self.slots = slots
        self.device = torch.device("cuda", torch.cuda.current_device())
        self.stream: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.copied: deque[tuple[torch.cuda.Event, int]] = deque()
        self.asked: deque[torch.cuda.Event] = deque()

    def begin(self) -> None:
        """Begin a pass."""
        self.settle()
        self.copied.clear()
        self.asked.clear()
        if self.slots:
            self.slots.free_all()

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

    def settle(self) -> None:
        """Wait for the copies under way; the memory they read may be given back after."""
        self.stream.synchronize()


def _mark(stream: torch.cuda.Stream) -> torch.cuda.Event:
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record(stream)
    return event

"""Reads and decodes the images of a manifest in batches, for training and scoring."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from fakeforensics.images.pixels import Pixels
from fakeforensics.images.reader import ImageReader
from fakeforensics.images.rows import Rows
from fakeforensics.images.transforms import AnyRgb
from fakeforensics.lookahead import uninterrupted

Item = int | tuple[int, ...]

_AHEAD = 4  # batches that each decoding process keeps ready


class Batch(NamedTuple):
    """A batch of images of one size. The memory format is channels-last, as they were decoded.

    `rows` are their row numbers in the manifest, and `labels` are those of `Rows`.
    """

    images: UInt8[Tensor, "batch 3 h w"]
    labels: Float[Tensor, " batch"]
    rows: Int[Tensor, " batch"]


class ManifestDataset(Dataset[Batch]):
    """The images of a manifest, in its order.

    An item is a row number, or a tuple of a row number and further arguments of `transform`. Read whole
    batches, such as `dataset[[0, 1, 2]]`: the main process then decodes them in all its threads at once.

    The bytes of each image are compared with its SHA-256 in the manifest when the image is first read.

    Args:
        manifest: Rows with key, source, shard, offset, size, sha256, label, and raw_path for images that are
            read in place; or a `Rows` object made of them.
        images_root: The folder of all sources' images.
        transform: Turns a decoded RGB image into one of the common size, such as `Preprocess.crop`.
        compare: Whether to compare the bytes with the SHA-256; False if another dataset of this run did.
        pixels: The stored decoded images; None decodes an image each time.
        only_cuts: Whether `transform` only crops and mirrors. With stored pixels, threads then cost more than
            they save.
    """

    def __init__(
        self,
        manifest: pd.DataFrame | Rows,
        images_root: Path,
        transform: Callable[..., AnyRgb],
        *,
        compare: bool = True,
        pixels: Pixels | None = None,
        only_cuts: bool = False,
    ) -> None:
        self.rows = manifest if isinstance(manifest, Rows) else Rows(manifest)
        self.transform = transform
        self.labels: Int[np.ndarray, " rows"] = self.rows.labels
        self._pixels = pixels
        self._is_light = only_cuts and pixels is not None
        # This memory is shared with the decoding processes, so that the next epoch compares nothing again.
        self._is_new = torch.full((len(self.rows),), compare)
        self._is_new.share_memory_()  # type: ignore[no-untyped-call]
        self._reader = ImageReader(images_root)
        self._threads: tuple[int, ThreadPoolExecutor] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, items: Sequence[Item]) -> Batch:
        return self.__getitems__(items)

    def __getitems__(self, items: Sequence[Item]) -> Batch:
        """Read a whole batch; a DataLoader calls this."""
        parts = [item if isinstance(item, tuple) else (item,) for item in items]
        rows = [row for row, *_ in parts]
        new = self._is_new.numpy()
        data = [self._read(row, is_new=new.item(row)) for row in rows]
        first = self._image(parts[0], data[0])
        images = np.empty((len(parts), *first.shape), np.uint8)
        images[0] = first

        def put(number: int) -> None:
            images[number] = self._image(parts[number], data[number])

        others = range(1, len(parts))
        if self._is_light or get_worker_info() is not None:
            for number in others:
                put(number)
        else:
            with uninterrupted():
                list(self._pool().map(put, others))
        return Batch(
            torch.from_numpy(images).permute(0, 3, 1, 2),
            torch.from_numpy(self.labels[rows].astype(np.float32)),
            torch.tensor(rows),
        )

    def _read(self, row: int, *, is_new: bool) -> bytes | None:
        """The bytes of an image; None if its pixels are stored and undamaged."""
        if self._pixels is None:
            return self.rows.read(row, self._reader)
        if is_new and not self._pixels.is_sound(row):
            return self.rows.read(row, self._reader)
        if is_new:
            self._is_new[row] = False
        return None

    def _image(self, item: tuple[int, ...], data: bytes | None) -> AnyRgb:
        row, *rest = item
        if data is None:
            assert self._pixels is not None
            return self.transform(self._pixels.image(row), *rest)
        image = self.rows.decode(row, data, compare=bool(self._is_new[row]))
        # If stored pixels are damaged, the image stays marked as new, so that it is decoded each time.
        if self._pixels is None:
            self._is_new[row] = False
        return self.transform(image, *rest)

    def _pool(self) -> ThreadPoolExecutor:
        # A pool does not survive a fork.
        if self._threads is None or self._threads[0] != os.getpid():
            cv2.setNumThreads(1)
            self._threads = (os.getpid(), ThreadPoolExecutor(torch.get_num_threads()))
        return self._threads[1]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_threads": None}


class OrderedBatches(Sampler[list[int]]):
    """Batches of all rows in order, each row once, divided among processes without padding.

    Args:
        rows: Row numbers.
        batch_size: Images per batch in this process.
        rank: Number of this process, from 0.
        world: The number of processes.
    """

    def __init__(self, rows: range | np.ndarray, batch_size: int, rank: int = 0, world: int = 1) -> None:
        self.rows = rows[rank::world]
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        for begin in range(0, len(self.rows), self.batch_size):
            yield [int(row) for row in self.rows[begin : begin + self.batch_size]]


class Loader:
    """The batches of a dataset, decoded in this process or in others and moved to a device.

    Args:
        dataset: The images.
        batches: The items of each batch.
        workers: Number of decoding processes; 0 decodes in this process.
        device: The device that batches are moved to.
        keep: Whether the decoding processes stay alive between passes.
    """

    def __init__(
        self,
        dataset: ManifestDataset,
        batches: Sampler[list[Any]],
        workers: int,
        device: torch.device,
        keep: bool = False,
    ) -> None:
        self.device = device
        self._dataset, self._batches = dataset, batches
        self._loader: DataLoader[Any] | None = None
        if workers:
            self._loader = DataLoader(
                dataset,
                batch_sampler=batches,
                num_workers=workers,
                collate_fn=_as_it_is,
                worker_init_fn=_start_worker,
                persistent_workers=keep,
                prefetch_factor=_AHEAD,
                pin_memory=device.type == "cuda",
            )

    def __len__(self) -> int:
        return len(self._batches)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._here() if self._loader is None else self._loader:
            yield Batch(*(values.to(self.device, non_blocking=True) for values in batch))

    def _here(self) -> Iterator[Batch]:
        # A DataLoader draws a seed for its processes. Drawing one here too keeps the network's later random
        # numbers equal with and without decoding processes.
        torch.empty((), dtype=torch.int64).random_()
        for batch in map(self._dataset.__getitems__, self._batches):
            yield Batch(*(part.pin_memory() for part in batch)) if self.device.type == "cuda" else batch


def _as_it_is(batch: Any) -> Any:
    return batch


def _start_worker(_: int) -> None:
    """Limit a decoding process to one thread, so that it does not compete with the training step.

    The process also never collects inherited objects, because garbage of the training process may lie on a
    GPU, which a decoding process cannot access.
    """
    gc.freeze()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)

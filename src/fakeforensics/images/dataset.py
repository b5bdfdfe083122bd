"""The images of a manifest, read from shards and decoded in batches, for training and scoring."""

from __future__ import annotations

import gc
import hashlib
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

from fakeforensics.errors import UserError
from fakeforensics.images.codec import decode
from fakeforensics.images.digits import SOURCE as DIGITS
from fakeforensics.images.digits import digit
from fakeforensics.images.shards import ShardReader
from fakeforensics.images.transforms import AnyRgb

Item = int | tuple[int, ...]

_AHEAD = 4  # batches that each decoding process keeps ready


class Sample(NamedTuple):
    """One image: uint8 RGB, 0 real or 1 fake, and its row in the manifest."""

    image: UInt8[Tensor, "3 h w"]
    label: int
    row: int


class Batch(NamedTuple):
    """Images of one size; their memory order is channels-last, as they were decoded."""

    images: UInt8[Tensor, "batch 3 h w"]
    labels: Float[Tensor, " batch"]
    rows: Int[Tensor, " batch"]


class ManifestDataset(Dataset[Sample]):
    """The images of a manifest, in its order.

    An item is a row number, or a tuple of a row number and what `transform` takes after the image. Read whole
    batches where you can: the main process then decodes them in all its threads at once.

    The bytes of each image are compared with its SHA-256 in the manifest when it is first read.

    Args:
        manifest: Rows with key, source, shard, offset, size, sha256, label; also those of `digit_rows`.
        images_root: The folder of all sources' images.
        transform: From a decoded RGB image to one of the common size, such as `Preprocess.crop`.
        compare: Whether the bytes are compared; not if another dataset of this run did.
    """

    def __init__(
        self,
        manifest: pd.DataFrame,
        images_root: Path,
        transform: Callable[..., AnyRgb],
        *,
        compare: bool = True,
    ) -> None:
        self.transform = transform
        self._digests = manifest["sha256"].tolist()
        # Shared with the decoding processes, so that the next epoch compares nothing again.
        self._is_new = torch.full((len(manifest),), compare)
        self._is_new.share_memory_()  # type: ignore[no-untyped-call]
        self._places = list(
            zip(*(manifest[name].tolist() for name in ("source", "shard", "offset", "size")), strict=True)
        )
        self.labels = manifest["label"].to_numpy(dtype=np.int64)
        self.keys = manifest["key"].tolist()
        self._reader = ShardReader(images_root)
        self._threads: tuple[int, ThreadPoolExecutor] | None = None

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, item: Item) -> Sample:
        return self._sample(item, self._read(item))

    def __getitems__(self, items: Sequence[Item]) -> list[Sample]:
        """Read a whole batch; a DataLoader calls this."""
        data = [self._read(item) for item in items]
        if get_worker_info() is not None:
            return list(map(self._sample, items, data))
        return list(self._pool().map(self._sample, items, data))

    def _read(self, item: Item) -> bytes:
        row, *_ = _parts(item)
        source, shard, offset, size = self._places[row]
        return digit(offset) if source == DIGITS else self._reader.read(source, shard, offset, size)

    def _sample(self, item: Item, data: bytes) -> Sample:
        row, *rest = _parts(item)
        if self._is_new[row]:
            self._compare(row, data)
            self._is_new[row] = False
        try:
            image = decode(data)
        except ValueError as error:
            source, shard, offset, _ = self._places[row]
            raise UserError(
                f"{source}/{shard}: the image {self.keys[row]} at {offset} cannot be decoded",
                found=str(error),
                fix=f"run `dvc checkout`, or `dvc repro --force faces@{source}`",
            ) from None
        pixels = np.ascontiguousarray(self.transform(image, *rest))
        return Sample(torch.from_numpy(pixels).permute(2, 0, 1), int(self.labels[row]), row)

    def _compare(self, row: int, data: bytes) -> None:
        source, shard, offset, _ = self._places[row]
        if source == DIGITS:  # made, not read
            return
        found = hashlib.sha256(data).hexdigest()
        if found != self._digests[row]:
            raise UserError(
                f"{source}/{shard}: the image {self.keys[row]} at {offset} is not the one in the manifest",
                expected=f"SHA-256 {self._digests[row]}",
                found=f"SHA-256 {found}",
                fix=f"if the file is damaged, run `dvc checkout` or `dvc repro --force faces@{source}`, then "
                "`dvc repro`, which makes the manifests of the images as they are now",
            )

    def _pool(self) -> ThreadPoolExecutor:
        # A pool does not survive a fork.
        if self._threads is None or self._threads[0] != os.getpid():
            cv2.setNumThreads(1)
            self._threads = (os.getpid(), ThreadPoolExecutor(torch.get_num_threads()))
        return self._threads[1]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_threads": None}


class OrderedBatches(Sampler[list[int]]):
    """All rows in order, once, shared out between processes without padding.

    Args:
        rows: Row numbers.
        batch_size: The batch size of this process.
        rank: This process, from 0.
        world: The number of processes.
    """

    def __init__(self, rows: np.ndarray, batch_size: int, rank: int = 0, world: int = 1) -> None:
        self.rows = [int(row) for row in rows[rank::world]]
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        for begin in range(0, len(self.rows), self.batch_size):
            yield self.rows[begin : begin + self.batch_size]


class Loader:
    """The batches of a dataset, decoded in this process or in others and brought to a device.

    Args:
        dataset: The images.
        batches: Which of its items make up which batch.
        workers: Decoding processes; 0 decodes in this one.
        device: Where the batches are needed.
        keep: Whether the decoding processes live on between passes.
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
        self._loader: DataLoader[Any] = DataLoader(
            dataset,
            batch_sampler=batches,
            num_workers=workers,
            collate_fn=collate,
            worker_init_fn=_start_worker,
            persistent_workers=keep and workers > 0,
            prefetch_factor=_AHEAD if workers else None,
            pin_memory=device.type == "cuda",
        )

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._loader:
            yield Batch(*(values.to(self.device, non_blocking=True) for values in batch))


def collate(samples: list[Sample]) -> Batch:
    """Stack samples into a batch whose images lie channels-last in memory."""
    images = torch.stack([sample.image.permute(1, 2, 0) for sample in samples]).permute(0, 3, 1, 2)
    return Batch(
        images,
        torch.tensor([sample.label for sample in samples], dtype=torch.float32),
        torch.tensor([sample.row for sample in samples]),
    )


def _parts(item: Item) -> tuple[int, ...]:
    return item if isinstance(item, tuple) else (item,)


def _start_worker(_: int) -> None:
    """Keep a decoding process to one thread, so that it does not compete with the training step.

    It also never collects inherited objects: the training process's garbage may lie on a GPU, which a
    decoding process cannot reach.
    """
    gc.freeze()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)

"""Decoded images in the memory of the device that trains: a batch is gathered there, and nothing is sent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch.utils.data import Sampler

from fakeforensics.images.dataset import Batch
from fakeforensics.images.pixels import Pixels

log = logging.getLogger(__name__)

_SHARE = 0.5  # of the device's free memory that images may take


class Cut(NamedTuple):
    """Which square of an image becomes a sample.

    Args:
        top: Its first line.
        left: Its first column.
        flip: Whether it is mirrored left to right.
        turn: Whether it is mirrored top to bottom.
    """

    top: int
    left: int
    flip: bool = False
    turn: bool = False


class DeviceImages:
    """All images of a manifest, of one size, on a device.

    Args:
        images: Height and width are the same for all.
        labels: One per image.
        device: Where they are kept.
    """

    def __init__(
        self, images: UInt8[np.ndarray, "n h w 3"], labels: Int[np.ndarray, " n"], device: torch.device
    ) -> None:
        self.images: UInt8[Tensor, "n h w 3"] = torch.from_numpy(images).to(device)
        self.use_labels(labels)

    @classmethod
    def of(
        cls, pixels: Pixels, labels: Int[np.ndarray, " n"], least: int, device: torch.device
    ) -> DeviceImages | None:
        """Bring the kept pixels of a manifest to a device.

        Args:
            pixels: The images.
            labels: One per image.
            least: The side of the squares that will be cut, in pixels.
            device: Where they are kept.

        Returns:
            None if they do not fit there, differ in size, are smaller than the squares, or one is damaged.
        """
        shapes = {pixels.image(row).shape for row in range(len(labels))}
        if len(shapes) != 1 or min(next(iter(shapes))[:2]) < least:
            log.warning("images of %d sizes, or small ones, are not kept on the device", len(shapes))
            return None
        (shape,) = shapes
        needed = len(labels) * int(np.prod(shape))
        if device.type == "cuda" and needed > _SHARE * torch.cuda.mem_get_info(device)[0]:
            log.warning("%.1f GB of pixels do not fit into the device's memory", needed / 1e9)
            return None
        images = np.empty((len(labels), *shape), np.uint8)
        for row in range(len(labels)):
            if not pixels.is_sound(row):
                return None
            images[row] = pixels.image(row)
        return cls(images, labels, device)

    def use_labels(self, labels: Int[np.ndarray, " n"]) -> None:
        """Give the images other labels."""
        self.labels = torch.from_numpy(labels.astype(np.float32)).to(self.images.device)

    def batch(self, rows: list[int], cuts: list[Cut], size: int) -> Batch:
        """Gather squares of `size` pixels; the images' memory order is channels-last."""
        device = self.images.device
        where = torch.tensor(rows, device=device)
        top, left, flip, turn = torch.tensor(cuts, device=device).T
        along = torch.arange(size, device=device)
        lines = top[:, None] + torch.where(turn[:, None] > 0, size - 1 - along, along)
        columns = left[:, None] + torch.where(flip[:, None] > 0, size - 1 - along, along)
        images = self.images[where[:, None, None], lines[:, :, None], columns[:, None, :]]
        return Batch(images.permute(0, 3, 1, 2), self.labels[where], where)


class DeviceLoader:
    """The batches of images that lie on a device.

    Args:
        images: The images.
        batches: Which of them make up which batch.
        cut: The square of an image of this height and width, from the item of `batches` that names it.
        size: Its side in pixels.
    """

    def __init__(
        self, images: DeviceImages, batches: Sampler[list[Any]], cut: Callable[..., Cut], size: int
    ) -> None:
        self.images, self._batches, self._cut, self._size = images, batches, cut, size

    def __len__(self) -> int:
        return len(self._batches)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Batch]:
        height, width = self.images.images.shape[1:3]
        torch.empty((), dtype=torch.int64).random_()  # as `Loader` does
        for items in self._batches:
            parts = [item if isinstance(item, tuple) else (item,) for item in items]
            cuts = [self._cut(height, width, *rest) for _, *rest in parts]
            yield self.images.batch([row for row, *_ in parts], cuts, self._size)

"""Keeps decoded images in the memory of the training device, so that no image is copied to it per batch."""

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
    """The square of an image that becomes a sample.

    Args:
        top: Its first row of pixels.
        left: Its first column of pixels.
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
        images: The pixels.
        labels: One label per image.
        device: The device that holds them.
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
        """Copy the stored pixels of a manifest to a device.

        Args:
            pixels: The images.
            labels: One label per image.
            least: The side of the squares that will be cut out, in pixels.
            device: The device.

        Returns:
            None if the images do not fit into half of the device's free memory, differ in size, are smaller
            than the squares, or one is damaged.
        """
        shapes = {pixels.image(row).shape for row in range(len(labels))}
        if len(shapes) != 1 or min(next(iter(shapes))[:2]) < least:
            log.warning(
                "images of %d different sizes, or smaller than the crop, are not kept on the device",
                len(shapes),
            )
            return None
        (shape,) = shapes
        needed = len(labels) * int(np.prod(shape))
        if device.type == "cuda" and needed > _SHARE * torch.cuda.mem_get_info(device)[0]:
            log.warning("%.1f GB of pixels do not fit into half of the device's free memory", needed / 1e9)
            return None
        images = np.empty((len(labels), *shape), np.uint8)
        for row in range(len(labels)):
            if not pixels.is_sound(row):
                return None
            images[row] = pixels.image(row)
        return cls(images, labels, device)

    def use_labels(self, labels: Int[np.ndarray, " n"]) -> None:
        """Replace the labels of all images."""
        self.labels = torch.from_numpy(labels.astype(np.float32)).to(self.images.device)

    def batch(self, rows: list[int], cuts: list[Cut], size: int) -> Batch:
        """Gather a batch of squares. The memory format is channels-last.

        Args:
            rows: The images' rows.
            cuts: The square of each image.
            size: Side of the squares in pixels.
        """
        device = self.images.device
        where = torch.tensor(rows, device=device)
        top, left, flip, turn = torch.tensor(cuts, device=device).T
        along = torch.arange(size, device=device)
        lines = top[:, None] + torch.where(turn[:, None] > 0, size - 1 - along, along)
        columns = left[:, None] + torch.where(flip[:, None] > 0, size - 1 - along, along)
        images = self.images[where[:, None, None], lines[:, :, None], columns[:, None, :]]
        return Batch(images.permute(0, 3, 1, 2), self.labels[where], where)


class DeviceLoader:
    """The batches of images that are kept on a device.

    Args:
        images: The images.
        batches: The items of each batch.
        cut: Returns the square of an image from the image's height and width and the rest of the item.
        size: Side of the squares in pixels.
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

"""Augmentation of training images: blur, JPEG, random crop, flip, in this order."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from jaxtyping import UInt8

from fakeforensics.images.dataset import ManifestDataset
from fakeforensics.images.transforms import AnyRgb, Rgb, blur, jpeg
from fakeforensics.models.preprocess import pad
from fakeforensics.params import AugmentParams


class Augment:
    """Augments an image by random numbers that depend on seed, epoch and place alone.

    So a run repeats, whatever the number of processes and of decoding workers, and also when it is resumed.

    Args:
        params: Probabilities and ranges.
        crop_size: Side of the crop in pixels; smaller images are padded with black.
        seed: Of the run.

    Source:
        Wang et al., CNN-generated images are surprisingly easy to spot… for now, CVPR 2020, whose order and
        ranges these are.
    """

    def __init__(self, params: AugmentParams, crop_size: int, seed: int) -> None:
        self.params = params
        self.crop_size = crop_size
        self.seed = seed

    def __call__(self, image: Rgb, epoch: int, place: int) -> UInt8[np.ndarray, "size size 3"]:
        """Augment `image`, uint8 RGB.

        Args:
            image: Of any size.
            epoch: From 0.
            place: Of the image in the epoch's order, over all processes.
        """
        params = self.params
        # All numbers are drawn whether used or not: turning blur on leaves every crop where it was.
        do_blur, sigma, do_jpeg, quality, down, right, do_flip = np.random.default_rng(
            (self.seed, epoch, place)
        ).random(7)
        if do_blur < params.blur_prob:
            image = blur(image, _between(sigma, *params.blur_sigma))
        if do_jpeg < params.jpeg_prob:
            low, high = params.jpeg_quality
            image = jpeg(image, low + int(quality * (high - low + 1)))
        image = pad(image, self.crop_size)
        top = int(down * (image.shape[0] - self.crop_size + 1))
        left = int(right * (image.shape[1] - self.crop_size + 1))
        image = image[top : top + self.crop_size, left : left + self.crop_size]
        # NumPy's mirrored view would be copied pixel by pixel, 30 times slower.
        return cv2.flip(image, 1) if do_flip < params.flip_prob else image


class Draw(NamedTuple):
    """A training image; epoch and place in the epoch's order decide its augmentation."""

    epoch: int
    place: int
    row: int


class AugmentedDataset(ManifestDataset):
    """The images of a manifest, augmented; its items are `Draw`s.

    Args:
        manifest: As for `ManifestDataset`.
        images_root: The folder of all sources' images.
        augment: From an image and its `Draw` to a crop.
    """

    def __init__(self, manifest: pd.DataFrame, images_root: Path, augment: Augment) -> None:
        super().__init__(manifest, images_root, _unchanged)
        self.augment = augment

    def row(self, item: Draw) -> int:
        """The manifest's row of the draw."""
        return item.row

    def apply(self, item: Draw, image: Rgb) -> AnyRgb:
        """Augment the image as its epoch and place decide."""
        return self.augment(image, item.epoch, item.place)


def _unchanged(image: Rgb) -> Rgb:
    return image


def _between(share: float, low: float, high: float) -> float:
    return low + share * (high - low)

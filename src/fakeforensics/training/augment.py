"""Augmentation of training images: blur, JPEG, random crop, flip, in this order."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

from fakeforensics.images.images import decode
from fakeforensics.models.preprocess import Rgb, pad
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


def blur(image: Rgb, sigma: float) -> Rgb:
    """Gaussian blur.

    Args:
        image: uint8 RGB.
        sigma: Standard deviation in pixels; the kernel ends at 4 of them. Below 0.125 it is a single pixel
            and the image stays as it is.
    """
    side = 2 * int(4 * sigma + 0.5) + 1
    if side == 1:
        return image
    return cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REFLECT)


def jpeg(image: Rgb, quality: int) -> Rgb:
    """Encode as JPEG with 4:2:0 chroma and decode again.

    Args:
        image: uint8 RGB.
        quality: 1 … 100.
    """
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
    return decode(data.tobytes())


def _between(share: float, low: float, high: float) -> float:
    return low + share * (high - low)

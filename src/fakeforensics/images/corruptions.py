"""What happens to images on their way: compression, blur, resizing, noise."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from fakeforensics.errors import UserError
from fakeforensics.images.images import decode

Rgb = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True)
class Corruption:
    """A corruption of stored images, the same for an image on every call.

    Args:
        name: `jpeg_90`, `blur_2`, `resize_0.5`, `noise_8` and the like: a kind and its strength.
        aligned: Whether the images are aligned face crops. A photo that is resized before its face is cut
            gives a crop of the same size, so a resized crop is brought back to its size; an image that is
            taken as it is stays resized.
    """

    name: str
    aligned: bool = False

    def __post_init__(self) -> None:
        _parse(self.name)

    def __call__(self, image: Rgb) -> UInt8[np.ndarray, "h2 w2 3"]:
        """Corrupt an 8-bit RGB image."""
        kind, strength = _parse(self.name)
        if kind == "resize":
            resized = _resize(image, strength)
            return _fit(resized, image) if self.aligned else resized
        return KINDS[kind](image, strength)


def _parse(name: str) -> tuple[str, float]:
    kind, _, strength = name.partition("_")
    try:
        value = float(strength)
    except ValueError:
        value = -1.0
    if kind not in KINDS or not 0 < value <= LARGEST[kind]:
        ranges = ", ".join(f"{kind}_<0…{limit:g}>" for kind, limit in LARGEST.items())
        raise UserError(f"unknown corruption {name!r}", expected=ranges, fix="mend evaluate.corruptions")
    return kind, value


def _jpeg(image: Rgb, quality: float) -> Rgb:
    """JPEG with 4:2:0 chroma at a quality of 1 to 100."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, int(quality)))[1]
    return decode(data.tobytes())


def _blur(image: Rgb, sigma: float) -> Rgb:
    """Gaussian blur with a standard deviation in pixels."""
    side = 2 * int(4 * sigma + 0.5) + 1
    return cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REFLECT)


def _noise(image: Rgb, deviation: float) -> Rgb:
    """Gaussian noise with a standard deviation in gray levels; seeded by the pixels."""
    generator = np.random.default_rng(zlib.crc32(image.tobytes()))
    noisy = image + generator.normal(0, deviation, image.shape)
    return noisy.round().clip(0, 255).astype(np.uint8)


def _resize(image: Rgb, factor: float) -> UInt8[np.ndarray, "h2 w2 3"]:
    """Height and width times a factor: area averages to shrink, bicubic to enlarge."""
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=method)


def _fit(image: UInt8[np.ndarray, "h2 w2 3"], like: Rgb) -> Rgb:
    height, width = like.shape[:2]
    method = cv2.INTER_AREA if image.shape[0] > height else cv2.INTER_CUBIC
    return cv2.resize(image, (width, height), interpolation=method)


KINDS: dict[str, Callable[[Rgb, float], Rgb]] = {
    "jpeg": _jpeg,
    "blur": _blur,
    "resize": _resize,
    "noise": _noise,
}
LARGEST = {"jpeg": 100.0, "blur": 20.0, "resize": 4.0, "noise": 100.0}

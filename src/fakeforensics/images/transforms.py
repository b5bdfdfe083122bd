"""Image transforms for augmentation and for corrupted test sets."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from fakeforensics.errors import UserError
from fakeforensics.images.codec import decode

Rgb = UInt8[np.ndarray, "h w 3"]
AnyRgb = UInt8[np.ndarray, "_ _ 3"]  # the size may differ from that of the Rgb that went in


def jpeg(image: Rgb, quality: int) -> Rgb:
    """Encode as JPEG with 4:2:0 chroma subsampling and decode again; the quality is 1 to 100."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
    return decode(data.tobytes())


def jpeg_by_pillow(image: Rgb, quality: int) -> Rgb:
    """Like `jpeg`, but Pillow encodes and decodes."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as decoded:
        return np.asarray(decoded.convert("RGB"))


def blur(image: Rgb, sigma: float) -> Rgb:
    """Gaussian blur.

    Args:
        image: 8-bit RGB.
        sigma: Standard deviation in pixels; the kernel ends at 4 standard deviations. Below 0.125 the kernel
            is a single pixel, and the image is returned unchanged.
    """
    side = 2 * int(4 * sigma + 0.5) + 1
    if side == 1:
        return image
    return cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REFLECT)


def noise(image: Rgb, deviation: float) -> Rgb:
    """Add Gaussian noise; its seed comes from the pixels.

    Args:
        image: 8-bit RGB.
        deviation: Standard deviation in gray levels.
    """
    generator = np.random.default_rng(zlib.crc32(image.tobytes()))
    noisy = image + generator.normal(0, deviation, image.shape)
    return noisy.round().clip(0, 255).astype(np.uint8)


def resize(image: Rgb, factor: float) -> AnyRgb:
    """Multiply height and width by a factor, by area averages below 1 and bicubic interpolation from 1 on."""
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=method)


# Each corruption with the largest strength that it takes.
_CORRUPTIONS: dict[str, tuple[Callable[[Rgb, float], AnyRgb], float]] = {
    "jpeg": (lambda image, quality: jpeg(image, int(quality)), 100),
    "blur": (blur, 20),
    "resize": (resize, 4),
    "noise": (noise, 100),
}


@dataclass(frozen=True)
class Corruption:
    """A corruption of stored images. Every call corrupts an image in the same way.

    Args:
        name: A kind and its strength, such as `jpeg_90`, `blur_2`, `resize_0.5` or `noise_8`.
        aligned: Whether the images are aligned face crops. If a photo is resized before its face is cropped,
            the crop has the same size as without resizing. So a resized crop is resized back to its original
            size, while a whole image stays resized.

    Raises:
        UserError: If the kind or the strength is not valid.
    """

    name: str
    aligned: bool = False

    def __post_init__(self) -> None:
        _parse(self.name)

    def __call__(self, image: Rgb) -> AnyRgb:
        """Corrupt an 8-bit RGB image."""
        kind, strength = _parse(self.name)
        corrupted = _CORRUPTIONS[kind][0](image, strength)
        if not self.aligned or corrupted.shape == image.shape:
            return corrupted
        height, width = image.shape[:2]
        method = cv2.INTER_AREA if corrupted.shape[0] > height else cv2.INTER_CUBIC
        return cv2.resize(corrupted, (width, height), interpolation=method)


def _parse(name: str) -> tuple[str, float]:
    kind, _, strength = name.partition("_")
    try:
        value = float(strength)
    except ValueError:
        value = -1.0
    if kind not in _CORRUPTIONS or not 0 < value <= _CORRUPTIONS[kind][1]:
        raise UserError(
            f"unknown corruption {name!r}",
            expected=", ".join(f"{kind}_<0…{largest:g}>" for kind, (_, largest) in _CORRUPTIONS.items()),
            fix="correct `evaluate.corruptions` in params.yaml",
        )
    return kind, value

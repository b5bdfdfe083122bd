"""Reading one still image safely: its facts, its upright pixels, and reasons where it cannot be used."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from fakeforensics.faces.facts import Facts, chroma_sampling, jpeg_quality
from fakeforensics.faces.picture import MAX_PIXELS, Picture, UnreadableError
from fakeforensics.images.codec import decode

MAX_BYTES = 256 * 2**20
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000", "GIF")


@dataclass(frozen=True)
class Still:
    """A still image that could be read.

    Args:
        data: The file's bytes.
        facts: What they say of their coding.
        picture: The upright pixels.
        plain: Whether the bytes can be stored as they are: an upright 8-bit JPEG or PNG, RGB or gray.
    """

    data: bytes
    facts: Facts
    picture: Picture
    plain: bool


def read_still(path: Path, crop_box: tuple[int, int, int, int] | None = None) -> Still:
    """Read an image, applying its EXIF rotation.

    Args:
        path: The file.
        crop_box: Left, top, right, bottom of the part that counts, in upright pixels; None for all of it.

    Raises:
        UnreadableError: If it is no image, truncated, animated or too large.
        OSError: If the file cannot be read at all.
    """
    if path.stat().st_size > MAX_BYTES:
        raise UnreadableError(f"larger than {MAX_BYTES // 2**20} MiB")
    data = path.read_bytes()
    if not data:
        raise UnreadableError("empty file")
    with warnings.catch_warnings():
        # Pillow warns of large images and odd EXIF; sizes are judged here, of EXIF one tag counts.
        warnings.simplefilter("ignore")
        facts, rotation, plain = _inspect(data)
    try:
        rgb = decode(data)
    except ValueError as error:
        raise UnreadableError(f"damaged {facts.format}: {error}") from None
    rgb = np.ascontiguousarray(_upright(rgb, rotation))
    if crop_box is not None:
        left, top, right, bottom = crop_box
        if not (0 <= left < right <= rgb.shape[1] and 0 <= top < bottom <= rgb.shape[0]):
            raise UnreadableError(f"{rgb.shape[1]}x{rgb.shape[0]} pixels do not contain the crop {crop_box}")
        rgb, plain = np.ascontiguousarray(rgb[top:bottom, left:right]), False
    luma = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return Still(data, facts, Picture(luma, lambda: rgb), plain)


def _inspect(data: bytes) -> tuple[Facts, int, bool]:
    digest = hashlib.sha256(data).hexdigest()
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            return _judge(image, data, digest)
    except UnidentifiedImageError:
        raise UnreadableError("not an image in a format we read (" + ", ".join(_FORMATS) + ")") from None
    except Image.DecompressionBombError:
        raise UnreadableError(f"larger than {MAX_PIXELS // 10**6} megapixels") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow raises on damaged files
        raise UnreadableError(f"damaged image: {error}") from None


def _judge(image: Image.Image, data: bytes, digest: str) -> tuple[Facts, int, bool]:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise UnreadableError(f"{width}x{height} pixels, more than {MAX_PIXELS // 10**6} megapixels")
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise UnreadableError(f"animated or of several pages: {getattr(image, 'n_frames', 1)} frames")
    rotation = image.getexif().get(ExifTags.Base.Orientation, 1)
    if rotation in (5, 6, 7, 8):
        width, height = height, width
    format_ = "JPEG" if image.format == "MPO" else str(image.format)
    quality, sampling = -1, ""
    if format_ == "JPEG":
        tables = getattr(image, "quantization", {})
        quality = jpeg_quality(list(tables[min(tables)])) if tables else -1
        sampling = chroma_sampling(list(getattr(image, "layer", [])))
    plain = rotation == 1 and format_ in ("JPEG", "PNG") and image.mode in ("RGB", "L", "P")
    if not _ends_whole(format_, data):
        image.load()  # raises on a truncated file, which OpenCV would fill with gray
    return Facts(digest, format_, width, height, quality, sampling), rotation, plain


def _ends_whole(format_: str, data: bytes) -> bool:
    tail = data[-64:].rstrip(b"\0\r\n ")
    return (format_ == "JPEG" and tail.endswith(b"\xff\xd9")) or (
        format_ == "PNG" and tail.endswith(b"IEND\xaeB`\x82")
    )


def _upright(rgb: np.ndarray, orientation: int) -> np.ndarray:
    # EXIF 2.32, tag 0x0112: what must be done to see the picture upright.
    if orientation in (2, 7):
        rgb = rgb[:, ::-1]
    elif orientation in (4, 5):
        rgb = rgb[::-1]
    return np.rot90(rgb, {3: 2, 6: 3, 7: 3, 8: 1, 5: 3}.get(orientation, 0))

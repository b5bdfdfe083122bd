"""Reads one still image safely: its metadata and upright pixels, or the reason why it cannot be used."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageCms, TiffImagePlugin, UnidentifiedImageError

from fakeforensics.faces.display import swaps_sides, upright
from fakeforensics.faces.video import MAX_PIXELS, Frame, UnreadableError
from fakeforensics.images.codec import decode
from fakeforensics.reading import DAMAGED_IMAGE

MAX_BYTES = 256 * 2**20
# OpenCV reads the formats that training decodes, because training uses it too. Pillow reads all others,
# because OpenCV turns a TIFF upright in its own way, swaps red and blue of an AVIF with an alpha channel, and
# does not scale the samples of a PPM with another maximum or of a BMP with 5 bits.
_BY_OPENCV = ("JPEG", "MPO", "PNG")
_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "TIFF", "PPM", "JPEG2000", "GIF")
_UNKNOWN_RANGE = "floating-point, signed or 32-bit samples, whose range is not known"

# ITU-T T.81, table K.1 (luminance), row by row.
_LUMINANCE = np.array(
    [
        *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
        *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
        *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
        *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
    ]
)
# TIFF 6.0, baseline tags.
_BITS, _COMPRESSION, _PHOTOMETRIC, _PLANES, _SAMPLE_FORMAT = 258, 259, 262, 284, 339
# ITU-T T.81, table B.1: markers of frame headers, and what is unusual about their coding process.
_FRAME_HEADERS = {
    **dict.fromkeys((0xC0, 0xC1, 0xC2, 0xC9, 0xCA), ""),
    **dict.fromkeys((0xC3, 0xCB), ", lossless"),
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), ", hierarchical"),
}
_JP2_EXIF = b"JpgTiffExif->JP2"  # the UUID of the box where ExifTool and other programs store EXIF
_QUALITIES = np.arange(1, 101)
# libjpeg's jpeg_quality_scaling and jpeg_add_quant_table.
_PERCENT = np.where(_QUALITIES < 50, 5000 // _QUALITIES, 200 - 2 * _QUALITIES)
_TABLES = np.sort(np.clip((_LUMINANCE[None] * _PERCENT[:, None] + 50) // 100, 1, 255), axis=1)


class FileMetadata(NamedTuple):
    """The coding of a raw file, which can reveal whether it is real or fake.

    Args:
        sha256: SHA-256 of the file.
        format: "JPEG", "PNG", … for an image, "H264", … for a video; "" if not recognized.
        width: Width of the upright image in pixels.
        height: Height of the upright image in pixels.
        jpeg_quality: Estimated quality on libjpeg's scale, 1 … 100; -1 if not a JPEG.
        chroma_sampling: "4:4:4", "4:2:2", "4:2:0", …; "" if not known.
        profile: The codec's profile, such as "High"; "" if there is none.
        transfer: The stated transfer function, such as "bt709"; "" if the file states none.
        primaries: The stated color primaries of a video, or the name of a still's ICC profile; "" if there
            are none.
        pixel_aspect: Width to height of a stored pixel, such as "4:3"; "1:1" for square pixels.
        frame_rate: Average frames per second; 0 for stills.
        frames: Number of frames; 1 for stills.
    """

    sha256: str
    format: str = ""
    width: int = 0
    height: int = 0
    jpeg_quality: int = -1
    chroma_sampling: str = ""
    profile: str = ""
    transfer: str = ""
    primaries: str = ""
    pixel_aspect: str = "1:1"
    frame_rate: float = 0.0
    frames: int = 1


@dataclass(frozen=True)
class Still:
    """A still image that could be read: its bytes, metadata and upright pixels."""

    data: bytes
    metadata: FileMetadata
    frame: Frame
    plain: bool  # whether the bytes can be stored unchanged: an upright 8-bit JPEG or PNG without alpha


def read_still(path: Path, crop_box: tuple[int, int, int, int] | None = None) -> Still:
    """Read an image and apply its EXIF orientation.

    Args:
        path: The file.
        crop_box: Left, top, right, bottom of the part to use, in upright pixels; None uses all of it.

    Raises:
        UnreadableError: If the file is not an image of a supported kind, is truncated, animated or too large,
            or does not contain `crop_box`.
        OSError: If the file cannot be read at all.
    """
    if path.stat().st_size > MAX_BYTES:
        raise UnreadableError(f"larger than {MAX_BYTES // 2**20} MiB")
    data = path.read_bytes()
    if not data:
        raise UnreadableError("empty file")
    with warnings.catch_warnings():
        # Pillow warns about large images and odd EXIF. This module checks sizes and uses only one EXIF tag.
        warnings.simplefilter("ignore")
        metadata, rotation, plain, rgb = _examined(data)
    if rgb is None:
        try:
            rgb = decode(data)
        except ValueError as error:
            raise UnreadableError(unusual_kind(data) or f"damaged {metadata.format}: {error}") from None
    rgb = upright(rgb, rotation)
    if crop_box is not None:
        left, top, right, bottom = crop_box
        if not (0 <= left < right <= rgb.shape[1] and 0 <= top < bottom <= rgb.shape[0]):
            raise UnreadableError(f"{rgb.shape[1]}x{rgb.shape[0]} pixels do not contain the crop {crop_box}")
        rgb, plain = np.ascontiguousarray(rgb[top:bottom, left:right]), False
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return Still(data, metadata, Frame(gray, lambda: rgb), plain)


_Examined = tuple[FileMetadata, int, bool, UInt8[np.ndarray, "_ _ 3"] | None]


def _examined(data: bytes) -> _Examined:
    """Metadata, EXIF orientation, whether the bytes can be stored unchanged, and Pillow's pixels.

    The pixels are None for the formats that OpenCV decodes.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            return _examine(image, data)
    except UnidentifiedImageError:
        known = "not an image in a format we read (" + ", ".join(_FORMATS) + ")"
        raise UnreadableError(unusual_kind(data) or known) from None
    except Image.DecompressionBombError:
        raise UnreadableError(f"larger than {MAX_PIXELS // 10**6} megapixels") from None
    except DAMAGED_IMAGE as error:
        raise UnreadableError(f"damaged image: {error}") from None


def _examine(image: Image.Image, data: bytes) -> _Examined:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise UnreadableError(f"{width}x{height} pixels, more than {MAX_PIXELS // 10**6} megapixels")
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        raise UnreadableError(f"animated or of several pages: {getattr(image, 'n_frames', 1)} frames")
    if image.format == "TIFF":
        _refuse_misread(image)
    elif image.mode == "F":
        raise UnreadableError(f"{image.format}: {_UNKNOWN_RANGE}")
    in_training = image.format in _BY_OPENCV and image.mode != "CMYK"
    pixels = None if in_training else _pixels(image)
    # After decoding, because Pillow turns a TIFF upright while it decodes, and then removes its orientation.
    width, height = image.size
    rotation = _orientation(image, data)
    if swaps_sides(rotation):
        width, height = height, width
    format_ = "JPEG" if image.format == "MPO" else str(image.format)
    quality, sampling = -1, ""
    if format_ == "JPEG":
        tables = getattr(image, "quantization", {})
        quality = jpeg_quality(list(tables[min(tables)])) if tables else -1
        sampling = chroma_sampling(list(getattr(image, "layer", [])))
    is_deep = format_ == "PNG" and data[24] > 8  # Pillow's mode does not tell this for a PNG in color
    plain = rotation == 1 and in_training and image.mode in ("RGB", "L", "P") and not is_deep
    if not _ends_whole(format_, data):
        image.load()  # raises an error for a truncated file, which OpenCV would fill with gray
    metadata = FileMetadata(
        hashlib.sha256(data).hexdigest(), format_, width, height, quality, sampling, primaries=_profile(image)
    )
    return metadata, rotation, plain, pixels


def _refuse_misread(image: Image.Image) -> None:
    """Refuse the kinds of TIFF that Pillow misreads, and samples whose range is not known."""
    tags = getattr(image, "tag_v2", {})
    bits, formats = max(tags.get(_BITS, (1,))), set(tags.get(_SAMPLE_FORMAT, (1,)))
    if formats - {1} or bits > 16:
        raise UnreadableError(f"TIFF: {_UNKNOWN_RANGE}")
    if bits == 16 and tags.get(_PLANES) == 2 and len(image.getbands()) > 1:
        raise UnreadableError("TIFF: 16 bits in one plane for each color, which Pillow misreads")
    if image.mode == "LAB":
        raise UnreadableError("TIFF: CIELAB colors, which we do not convert")


def _pixels(image: Image.Image) -> UInt8[np.ndarray, "_ _ 3"]:
    """Pillow's pixels as 8-bit RGB without the alpha channel; of more bits, the upper 8 are kept."""
    try:
        image.load()
    except OSError as error:
        compression = image.info.get("compression")
        missing = f", or its compression {compression} is not supported" if compression else ""
        raise UnreadableError(f"damaged image{missing}: {error}") from None
    if image.mode.startswith("I"):  # 12 bits, or 16 as Pillow scales other maxima to
        tags = getattr(image, "tag_v2", {})
        bits = tags.get(_BITS, (16,))[0]
        gray = (np.asarray(image) >> (bits - 8)).astype(np.uint8)
        if tags.get(_PHOTOMETRIC) == 0:  # white is zero; Pillow inverts such images only up to 8 bits
            gray = 255 - gray
        return np.repeat(gray[..., None], 3, axis=2)
    if image.mode == "RGBa":  # colors multiplied by alpha
        image = image.convert("RGBA")
    return np.array(image.convert("RGB"))


def _orientation(image: Image.Image, data: bytes) -> int:
    """The EXIF orientation. Pillow does not read the EXIF of JPEG 2000, so it is read from its box."""
    exif = image.getexif()
    place = data.find(_JP2_EXIF) if image.format == "JPEG2000" else -1
    if place >= 0:
        exif.load(data[place + len(_JP2_EXIF) :])
    return int(exif.get(ExifTags.Base.Orientation, 1))


def unusual_kind(data: bytes) -> str:
    """The reason why an undamaged file of a known format is not read; "" if its header is not unusual.

    Args:
        data: The file's bytes.
    """
    if data[:4] in (b"II*\0", b"MM\0*"):
        try:
            return _unusual_tiff(data)
        except DAMAGED_IMAGE:
            return ""
    place = 2
    while data[:2] == b"\xff\xd8" and place + 5 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _FRAME_HEADERS:
            bits, process = data[place + 4], _FRAME_HEADERS[marker]
            return "" if bits == 8 and not process else f"JPEG: {bits} bits{process}, which we do not read"
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return ""


def _unusual_tiff(data: bytes) -> str:
    header = TiffImagePlugin.ImageFileDirectory_v2(data[:8])
    file = io.BytesIO(data)
    file.seek(header.next)
    header.load(file)
    if _PHOTOMETRIC not in header:
        return ""
    if set(header.get(_SAMPLE_FORMAT, (1,))) - {1} or max(header.get(_BITS, (1,))) > 16:
        return f"TIFF: {_UNKNOWN_RANGE}"
    tags = {"photometric": _PHOTOMETRIC, "bits": _BITS, "compression": _COMPRESSION}
    stated = ", ".join(f"{name} {header.get(tag)}" for name, tag in tags.items())
    return f"TIFF: a kind that Pillow does not read ({stated})"


def _profile(image: Image.Image) -> str:
    """The name of the image's ICC profile; "" if it has none."""
    icc = image.info.get("icc_profile")
    if not icc:
        return ""
    try:
        return str(ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.profile_description or "unnamed profile")
    except (OSError, ImageCms.PyCMSError):
        return "damaged profile"


def _ends_whole(format_: str, data: bytes) -> bool:
    """Whether a JPEG or PNG file is complete to its end.

    Raises:
        UnreadableError: If a chunk of a PNG is longer than the file; OpenCV would allocate up to 4 GB for it.
    """
    if format_ == "JPEG":
        return data[-64:].rstrip(b"\0\r\n ").endswith(b"\xff\xd9")
    place = 8 if format_ == "PNG" else len(data)
    while place + 12 <= len(data):
        length, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        place += 12 + length
        if place > len(data):
            raise UnreadableError(f"damaged PNG: its chunk {kind!r} is truncated")
        if kind == b"IEND":
            return True
    return False


def jpeg_quality(table: list[int]) -> int:
    """The quality of libjpeg whose luminance table is nearest to that of a file.

    Values are compared in sorted order, because their order (zigzag or rows) depends on the reader.

    Args:
        table: The file's 64 luminance quantization steps.

    Returns:
        1 … 100; exact for files that libjpeg wrote with its standard tables, otherwise the nearest.
    """
    distances = np.abs(_TABLES - np.sort(np.asarray(table))[None]).sum(axis=1)
    return int(_QUALITIES[np.flatnonzero(distances == distances.min())[-1]])


def chroma_sampling(layers: list[tuple[int, int, int, int]]) -> str:
    """The chroma sampling in the usual notation.

    Args:
        layers: (id, horizontal factor, vertical factor, table) of each component in a JPEG's frame header.

    Returns:
        "4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "4:0:0" for gray; "" for any other sampling.
    """
    if len(layers) == 1:
        return "4:0:0"
    if len(layers) != 3 or layers[1][1:3] != layers[2][1:3]:
        return ""
    (_, luma_x, luma_y, _), (_, chroma_x, chroma_y, _) = layers[:2]
    factors = f"{luma_x / chroma_x:g}x{luma_y / chroma_y:g}"
    known = {"1x1": "4:4:4", "2x1": "4:2:2", "2x2": "4:2:0", "1x2": "4:4:0", "4x1": "4:1:1"}
    return known.get(factors, "")

"""A quick look into a raw file: what it is, whether it is whole, and enough of it to notice copies."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SAMPLE_BYTES = 4096
END_MARKS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}


@dataclass(frozen=True)
class Probe:
    """What a quick look showed.

    Args:
        size: Bytes.
        sample: Hash of a stretch in the middle of the file; copies agree in it and in `size`.
        format: JPEG, PNG, H264, …; "" if not recognised.
        width: Pixels as stored, 0 if not known.
        height: Pixels as stored, 0 if not known.
        problem: Why the file cannot be read, or "".
    """

    size: int
    sample: str
    format: str = ""
    width: int = 0
    height: int = 0
    problem: str = ""


def probe(path: Path, kind: Literal["image", "video"], *, is_deep: bool = False) -> Probe:
    """Look into a file.

    An image's header is read and its end looked for; it is decoded only where the end is missing, or if
    `is_deep`. Of a video the first frame is decoded, or all if `is_deep`.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size // 2 - SAMPLE_BYTES // 2))
            sample = hashlib.sha256(file.read(SAMPLE_BYTES)).hexdigest()
    except OSError as error:
        return Probe(0, "", problem=error.strerror or str(error))
    if size == 0:
        return Probe(0, sample, problem="empty file")
    look = _look_at_image if kind == "image" else _look_at_video
    return look(path, Probe(size, sample), is_deep)


def _look_at_image(path: Path, seen: Probe, is_deep: bool) -> Probe:
    from PIL import Image, UnidentifiedImageError

    name, width, height, problem = "", 0, 0, ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd EXIF, which is not at issue here
        try:
            with Image.open(path) as image:
                name, (width, height) = image.format or "", image.size
                if is_deep or not _has_end(path, name):
                    image.load()
        except UnidentifiedImageError:
            problem = "not an image"
        # Pillow raises SyntaxError for a broken PNG and ValueError or OSError for other damage.
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            problem = f"damaged: {error}"
    return Probe(seen.size, seen.sample, name, width, height, problem)


def _has_end(path: Path, name: str) -> bool:
    mark = END_MARKS.get(name)
    if mark is None:
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 64))
        return mark in file.read()


def _look_at_video(path: Path, seen: Probe, is_deep: bool) -> Probe:
    import av

    name, width, height, problem = "", 0, 0, ""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                return Probe(seen.size, seen.sample, problem="no picture in it")
            stream = container.streams.video[0]
            name, width, height = stream.codec_context.name.upper(), stream.width, stream.height
            frames = 0
            for _ in container.decode(stream):
                frames += 1
                if not is_deep:
                    break
            if frames == 0:
                problem = "no frame can be decoded"
    except (av.error.FFmpegError, OSError, ValueError) as error:
        problem = f"damaged: {error}"
    return Probe(seen.size, seen.sample, name, width, height, problem)

"""Extracts whole images: a whole still, or whole frames of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from fakeforensics.faces.results import Crop, CropStore, Extraction, Rejection
from fakeforensics.faces.still import FileMetadata, Still, read_still
from fakeforensics.faces.video import Clip, Frame, UnreadableError, open_clip, spread_frames
from fakeforensics.files import sha256_file
from fakeforensics.params import FacesParams


def extract_whole(
    path: Path,
    kind: Literal["image", "video"],
    crop_box: tuple[int, int, int, int] | None,
    store: CropStore,
    params: FacesParams,
) -> Extraction:
    """Extract the whole images of a raw file. A fault of the file does not raise but becomes a rejection.

    Args:
        path: The file.
        kind: `image` or `video`.
        crop_box: Left, top, right, bottom of the part of a still to use, in pixels; None uses all of it.
        store: Receives the bytes or pixels.
        params: The group `faces` of the settings; only its choice of frames is used.
    """
    try:
        if kind == "video":
            return _whole_frames(path, store, params)
        still = read_still(path, crop_box)
    except (UnreadableError, OSError) as error:
        return rejected(path, error)
    return Extraction(still.metadata, [whole_still(still, store)], [])


def whole_still(still: Still, store: CropStore) -> Crop:
    """Store a still as one crop: its own bytes if training can decode them, otherwise its pixels as PNG."""
    if not still.plain:
        return Crop(store.add_pixels(still.frame.rgb))
    return Crop(store.add_raw(still.data, ".jpg" if still.metadata.format == "JPEG" else ".png"))


def rejected(path: Path, error: UnreadableError | OSError) -> Extraction:
    """The result of a file that cannot be read.

    Raises:
        OSError: The given error, if it concerns the output disk and not the file.
    """
    if isinstance(error, UnreadableError):
        return Extraction(FileMetadata(sha256_file(path)), [], [Rejection(str(error))])
    if error.filename is None:
        raise error
    return Extraction(FileMetadata(""), [], [Rejection(f"cannot be opened: {error.strerror}")])


def sample_frames(clip: Clip, params: FacesParams) -> Sequence[int]:
    """The numbers of the frames to extract."""
    if params.frame_step is not None:
        return range(0, clip.count, params.frame_step)
    return spread_frames(clip.count, params.frames_per_video, clip.times)


def clip_metadata(path: Path, clip: Clip, size: tuple[int, int]) -> FileMetadata:
    """The coding of a clip.

    Args:
        path: The clip's file.
        clip: The clip.
        size: Width and height of its upright first frame, in pixels.
    """
    return FileMetadata(
        sha256_file(path),
        clip.format,
        *size,
        chroma_sampling=clip.chroma,
        profile=clip.profile,
        transfer=clip.transfer,
        primaries=clip.primaries,
        pixel_aspect=f"{clip.pixel_aspect.numerator}:{clip.pixel_aspect.denominator}",
        frame_rate=clip.rate,
        frames=clip.count,
    )


def clip_extraction(metadata: FileMetadata, crops: list[Crop], rejections: Sequence[Rejection]) -> Extraction:
    """The result of a clip. Without any crop, the rejections of its frames become one of the file."""
    ordered = sorted(rejections, key=lambda rejection: rejection.frame)
    if crops:
        return Extraction(metadata, crops, ordered)
    reasons = sorted({rejection.reason for rejection in ordered})
    return Extraction(metadata, [], [Rejection(f"{'; '.join(reasons)} (all {len(ordered)} frames)")])


def _whole_frames(path: Path, store: CropStore, params: FacesParams) -> Extraction:
    crops: list[Crop] = []
    rejections: list[Rejection] = []
    size = (0, 0)
    with open_clip(path) as clip:
        for one in clip.frames(sample_frames(clip, params)):
            if isinstance(one, Frame):
                height, width = one.gray.shape
                size = size if crops else (width, height)
                crops.append(Crop(store.add_pixels(one.rgb), one.number))
            else:
                rejections.append(Rejection(str(one[1]), one[0]))
    return clip_extraction(clip_metadata(path, clip, size), crops, rejections)

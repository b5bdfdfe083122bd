"""Extracts the crops that a detector sees, like the faces stage. Workers start fast without torch."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Literal

import cv2

from fakeforensics.faces.align import align
from fakeforensics.faces.detect import SAME_FACE, Box, LandmarkPredictor
from fakeforensics.faces.extract import FaceExtractor, WorkItem
from fakeforensics.faces.results import Extraction, MemoryStore, stored_bytes, stored_pixels
from fakeforensics.faces.still import FileMetadata
from fakeforensics.faces.video import UnreadableError
from fakeforensics.inference.inputs import Item, Rgb, View, pick_frames, read_views
from fakeforensics.params import FacesParams
from fakeforensics.processes import TaskLostError


@dataclass(frozen=True)
class ExtractionSettings:
    """How crops are extracted.

    Args:
        crop: `faces`, or `whole` for whole images.
        faces: The group `faces` of params.yaml that the model was trained with.
        people: `main` takes the face that training takes: the largest face of a still, and the main person of
            a video. `stills` also takes the other faces of stills. `all` also takes every person in videos.
    """

    crop: Literal["faces", "whole"]
    faces: FacesParams
    people: Literal["main", "stills", "all"] = "stills"

    @property
    def others(self) -> bool:
        """Whether faces are wanted that the settings `faces` do not find."""
        return self.people != "main" and self.crop == "faces" and self.faces.tracks == "main"

    @property
    def everybody(self) -> FacesParams | None:
        """The settings that find every person in a video; None if only the main person is wanted."""
        if not (self.others and self.people == "all"):
            return None
        return self.faces.model_copy(update={"tracks": "all"})


@dataclass(frozen=True)
class FoundCrop:
    """One crop of a file.

    Args:
        stored: The bytes that the faces stage stores, or the pixels that it would store as PNG.
        frame: Frame number of a video, from 0; -1 for a still.
        face: 0 for the main face or person, then the others.
        box: Left, top, right, bottom in pixels of the upright frame; empty for a whole image.
    """

    stored: bytes | Rgb = field(compare=False)
    frame: int
    face: int
    box: tuple[float, ...]

    @property
    def data(self) -> bytes:
        """The bytes that the faces stage stores."""
        return stored_bytes(self.stored)

    @property
    def pixels(self) -> Rgb:
        """The pixels of the whole crop, 8-bit RGB."""
        return stored_pixels(self.stored)


@dataclass(frozen=True)
class FileCrops:
    """The crops of one file by frame and face, or the reason why there are none.

    Args:
        path: The file.
        crops: Its crops.
        reason: Why there are none; None if there are some.
        lost_frames: Number of sampled frames without a crop.
        views: Some of the frames with a crop, for display.
        metadata: Format and coding of the file; None if it could not be read.
    """

    path: Path
    crops: Sequence[FoundCrop]
    reason: str | None = None
    lost_frames: int = 0
    views: Sequence[View] = field(default=(), compare=False)
    metadata: FileMetadata | None = None


def load_extractors(settings: ExtractionSettings) -> None:
    """Load the models for the extraction into this process, before the first file.

    Raises:
        UserError: If dlib's models are missing.
    """
    _extractor(settings.faces)
    if settings.everybody is not None:
        _extractor(settings.everybody)


def extract_crops(settings: ExtractionSettings, item: Item, views: int = 0) -> FileCrops:
    """Extract the crops of one file.

    A fault of the file becomes the `reason` of the result.

    Args:
        settings: How crops are extracted.
        item: The file.
        views: The maximum number of frames to return for display.

    Raises:
        UnreadableError: If a frame cannot be read again for display.
    """
    if item.missing is not None:
        return FileCrops(item.path, (), item.missing)
    extraction, crops = _extract(item, settings.crop, settings.faces, others=settings.others)
    metadata = extraction.metadata if extraction.metadata.format else None
    if not crops:
        return FileCrops(item.path, (), extraction.rejections[0].reason, metadata=metadata)
    if item.kind == "video" and settings.everybody is not None:
        # The main face keeps the pixels of the faces stage. A search for everybody may find a slightly
        # different box.
        crops = _joined(crops, _extract(item, "faces", settings.everybody)[1])
    frames = pick_frames((crop.frame for crop in crops), views)
    lost = len({one.frame for one in extraction.rejections})
    return FileCrops(item.path, crops, lost_frames=lost, views=read_views(item, frames), metadata=metadata)


def cut_faces(faces: FacesParams, rgb: Rgb, boxes: Sequence[tuple[float, ...]]) -> list[Rgb]:
    """Crop the faces at known boxes from a picture, like the faces stage.

    The function finds the landmarks again.

    Args:
        faces: The settings of the crops.
        rgb: The picture, 8-bit RGB.
        boxes: Left, top, right, bottom of each face in pixels.
    """
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    predict = _landmark_predictor(faces.landmarks)
    return [align(rgb, predict(gray, Box(*box)), faces.size, faces.padding) for box in boxes]


def crops_or_reason(item: Item, future: Future[FileCrops]) -> FileCrops:
    """The result of a worker process, or the reason why it failed.

    Raises:
        UserError: If worker processes cannot load the models.
    """
    try:
        return future.result()
    except (TaskLostError, UnreadableError) as error:
        return FileCrops(item.path, (), str(error))
    except MemoryError:
        return FileCrops(item.path, (), "it needs too much memory")


@cache
def _landmark_predictor(landmarks: Literal[5, 68]) -> LandmarkPredictor:
    return LandmarkPredictor(landmarks)


@cache
def _extractor(faces: FacesParams) -> FaceExtractor:
    return FaceExtractor(faces)


def _extract(
    item: Item, crop: Literal["faces", "whole"], faces: FacesParams, *, others: bool = False
) -> tuple[Extraction, list[FoundCrop]]:
    store = MemoryStore()
    (extraction,) = _extractor(faces).extract([WorkItem(item.path, item.kind, crop, others=others)], [store])
    return extraction, [
        FoundCrop(store[one.stored.name], one.frame, one.track, one.box) for one in extraction.crops
    ]


def _joined(main: Sequence[FoundCrop], others: Sequence[FoundCrop]) -> list[FoundCrop]:
    boxes = {crop.frame: Box(*crop.box) for crop in main}
    is_main = {
        crop.face
        for crop in others
        if crop.frame in boxes and boxes[crop.frame].iou(Box(*crop.box)) >= SAME_FACE
    }
    numbers = {face: number for number, face in enumerate(sorted({c.face for c in others} - is_main), 1)}
    added = [replace(crop, face=numbers[crop.face]) for crop in others if crop.face in numbers]
    return sorted([*main, *added], key=lambda crop: (crop.frame, crop.face))

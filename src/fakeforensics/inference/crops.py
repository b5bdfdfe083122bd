"""Extracting the crops that a detector sees, as the faces stage does. Workers start fast without torch."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

from fakeforensics.faces.detect import Box
from fakeforensics.faces.extract import FaceExtractor, WorkItem
from fakeforensics.faces.results import Extraction, MemoryStore
from fakeforensics.faces.video import UnreadableError
from fakeforensics.inference.inputs import Item, View, pick_frames, read_views
from fakeforensics.params import FacesParams
from fakeforensics.processes import TaskLostError

# Two boxes that overlap this much show one face, found at two scales.
_SAME_FACE = 0.4


@dataclass(frozen=True)
class FoundCrop:
    """One crop of a file.

    Args:
        data: Its bytes as the faces stage stores them.
        frame: 0-based frame of a video; -1 for a still.
        face: 0 for the main face or person, then the others.
        box: Left, top, right, bottom in pixels of the upright frame; empty for a whole image.
    """

    data: bytes
    frame: int
    face: int
    box: tuple[float, ...]


@dataclass(frozen=True)
class FileCrops:
    """The crops of one file.

    Args:
        path: The file.
        crops: Sorted by frame, then face.
        reason: Why there are none; None if there are some.
        lost_frames: Sampled frames of a video without a crop.
        views: Frames with a crop, for display, if they were asked for.
    """

    path: Path
    crops: Sequence[FoundCrop]
    reason: str | None = None
    lost_frames: int = 0
    views: Sequence[View] = field(default=(), compare=False)


@dataclass(frozen=True)
class ExtractionSettings:
    """How crops are extracted: what a model's card records of its training data.

    Args:
        crop: `faces`, or `whole` for images as they are.
        faces: The `faces` group of params.yaml that the model was trained with.
        people: `main` takes the face that training would take: the largest of a still, the main person of a
            video. `stills` also takes the other faces of stills, `all` everybody in videos as well.
    """

    crop: Literal["faces", "whole"]
    faces: FacesParams
    people: Literal["main", "stills", "all"] = "stills"


class CropExtractor:
    """Extracts the crops of files; holds dlib's models."""

    def __init__(self, settings: ExtractionSettings) -> None:
        self._settings = settings
        self._as_trained = FaceExtractor(settings.faces)

    @cached_property
    def _everybody(self) -> FaceExtractor:
        return FaceExtractor(self._settings.faces.model_copy(update={"tracks": "all"}))

    def extract(self, item: Item) -> FileCrops:
        """Extract the crops of one file; whatever is wrong with it becomes the reason."""
        if item.missing is not None:
            return FileCrops(item.path, (), item.missing)
        extraction, crops = self._extract(self._as_trained, item)
        if not crops:
            return FileCrops(item.path, (), extraction.rejections[0].reason)
        if self._wants_others(item):
            # The main face keeps the pixels of the faces stage. A search for everybody may find a slightly
            # different box.
            _, others = self._extract(self._everybody, item)
            crops = _joined(crops, others)
        return FileCrops(item.path, crops, lost_frames=len({one.frame for one in extraction.rejections}))

    def _wants_others(self, item: Item) -> bool:
        if self._settings.crop == "whole" or self._settings.faces.tracks == "all":
            return False
        people = self._settings.people
        return people == "all" or (people == "stills" and item.kind == "image")

    def _extract(self, extractor: FaceExtractor, item: Item) -> tuple[Extraction, list[FoundCrop]]:
        store = MemoryStore()
        work = WorkItem(item.path, item.kind, self._settings.crop)
        (extraction,) = extractor.extract([work], [store])
        return extraction, [
            FoundCrop(store[crop.stored.name], crop.frame, crop.track, crop.box) for crop in extraction.crops
        ]


def _joined(main: Sequence[FoundCrop], others: Sequence[FoundCrop]) -> list[FoundCrop]:
    boxes = {crop.frame: Box(*crop.box) for crop in main}
    is_main = {
        crop.face
        for crop in others
        if crop.frame in boxes and boxes[crop.frame].iou(Box(*crop.box)) >= _SAME_FACE
    }
    numbers = {face: number for number, face in enumerate(sorted({c.face for c in others} - is_main), 1)}
    added = [replace(crop, face=numbers[crop.face]) for crop in others if crop.face in numbers]
    return sorted([*main, *added], key=lambda crop: (crop.frame, crop.face))


@cache
def extractor(settings: ExtractionSettings) -> CropExtractor:
    """This process's extractor, made once.

    Raises:
        UserError: If dlib's models are missing.
    """
    return CropExtractor(settings)


def extract_crops(settings: ExtractionSettings, item: Item, views: int = 0) -> FileCrops:
    """Extract the crops of one file in a worker process.

    Args:
        settings: How to extract.
        item: The file.
        views: Largest number of frames to return for display.
    """
    found = extractor(settings).extract(item)
    frames = pick_frames((crop.frame for crop in found.crops), views)
    return replace(found, views=read_views(item, frames))


def crops_or_reason(item: Item, future: Future[FileCrops]) -> FileCrops:
    """What a worker process found, or why it found nothing.

    Raises:
        UserError: If worker processes lack what extracting takes.
    """
    try:
        return future.result()
    except TaskLostError as error:
        return FileCrops(item.path, (), str(error))
    except MemoryError:
        return FileCrops(item.path, (), "it takes too much memory")
    except UnreadableError as error:  # of a frame for display
        return FileCrops(item.path, (), str(error))

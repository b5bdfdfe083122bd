"""Cutting out what the detector shall see, as the crop stage does. No torch here: workers start fast."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from fakeforensics.faces.extract import Extractor, Job
from fakeforensics.faces.geometry import Box
from fakeforensics.faces.part import Contents, Crop, PartWriter
from fakeforensics.inference.inputs import Item
from fakeforensics.params import FacesParams

# Two boxes that overlap this much show one face, found at two scales.
_SAME_FACE = 0.4


@dataclass(frozen=True)
class Cut:
    """One crop.

    Args:
        data: Its bytes as the crop stage stores them.
        frame: 0-based frame of a video; -1 for a still.
        face: 0 for the main face or person, then the others.
        box: Left, top, right, bottom in pixels of the upright frame; empty for a whole image.
    """

    data: bytes
    frame: int
    face: int
    box: tuple[float, ...]


@dataclass(frozen=True)
class CutFile:
    """What one file gave.

    Args:
        path: The file.
        cuts: Sorted by frame, then face.
        reason: Why it gave nothing; None if it gave something.
        lost_frames: Sampled frames of a video that gave no crop.
    """

    path: Path
    cuts: Sequence[Cut]
    reason: str | None = None
    lost_frames: int = 0


@dataclass(frozen=True)
class Recipe:
    """How crops are cut: what a model's card records of its training data.

    Args:
        crop: `faces`, or `whole` for images as they are.
        faces: The `faces` group of params.yaml that the model was trained with.
        people: `main` takes whom training took: the largest face of a still, the main person of a video.
            `stills` takes the other faces of a still as well, `all` everybody in videos too.
    """

    crop: Literal["faces", "whole"]
    faces: FacesParams
    people: Literal["main", "stills", "all"] = "stills"


class Cutter:
    """Cuts files by a recipe; holds dlib's models.

    Args:
        recipe: How.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._as_trained = Extractor(recipe.faces)

    @cached_property
    def _everybody(self) -> Extractor:
        return Extractor(self._recipe.faces.model_copy(update={"tracks": "all"}))

    def cut(self, item: Item) -> CutFile:
        """Cut one file; what is wrong with it becomes the reason."""
        if item.missing is not None:
            return CutFile(item.path, (), item.missing)
        contents, cuts = self._extract(self._as_trained, item)
        if not cuts:
            return CutFile(item.path, (), contents.rejections[0].reason)
        if self._wants_others(item):
            # The main face's pixels stay those of the crop stage, to which a search for everybody may give
            # a slightly different box.
            _, others = self._extract(self._everybody, item)
            cuts = _joined(cuts, others)
        return CutFile(item.path, cuts, lost_frames=len({one.frame for one in contents.rejections}))

    def _wants_others(self, item: Item) -> bool:
        if self._recipe.crop == "whole" or self._recipe.faces.tracks == "all":
            return False
        people = self._recipe.people
        return people == "all" or (people == "stills" and item.kind == "image")

    def _extract(self, extractor: Extractor, item: Item) -> tuple[Contents, list[Cut]]:
        buffer = io.BytesIO()
        job = Job(item.path, item.kind, self._recipe.crop)
        (contents,) = extractor.extract([job], [PartWriter(buffer)])
        return contents, [_cut(crop, buffer) for crop in contents.crops]


def _cut(crop: Crop, buffer: io.BytesIO) -> Cut:
    start = crop.blob.offset
    return Cut(bytes(buffer.getbuffer()[start : start + crop.blob.size]), crop.frame, crop.track, crop.box)


def _joined(main: Sequence[Cut], others: Sequence[Cut]) -> list[Cut]:
    boxes = {cut.frame: Box(*cut.box) for cut in main}
    is_main = {
        cut.face for cut in others if cut.frame in boxes and boxes[cut.frame].iou(Box(*cut.box)) >= _SAME_FACE
    }
    numbers = {face: number for number, face in enumerate(sorted({c.face for c in others} - is_main), 1)}
    added = [Cut(cut.data, cut.frame, numbers[cut.face], cut.box) for cut in others if cut.face in numbers]
    return sorted([*main, *added], key=lambda cut: (cut.frame, cut.face))

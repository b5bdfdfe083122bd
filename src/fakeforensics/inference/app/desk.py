"""Judging one stranger's file for the web page; knows nothing of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from fakeforensics.inference.cutting import Recipe
from fakeforensics.inference.detect import Judge
from fakeforensics.inference.explain import Explainer
from fakeforensics.inference.frames import Rgb, View
from fakeforensics.inference.galleries import fakest_frames
from fakeforensics.inference.inputs import Item, kind_of
from fakeforensics.inference.judgement import Face, Judgement
from fakeforensics.inference.limits import Limits
from fakeforensics.inference.pictures import draw_faces, overlay
from fakeforensics.inference.trained import Trained
from fakeforensics.inference.worker import cut_alone

MOST_FACES = 12
_VIEWS = 3


class Explained(NamedTuple):
    """A face with its heat map.

    Args:
        face: The face.
        picture: Its crop, beside itself under the heat map if there is one.
    """

    face: Face
    picture: Rgb


@dataclass(frozen=True)
class Reply:
    """All that the page shows of one file.

    Args:
        judgement: The scores and verdicts, or the reason why there are none.
        views: Frames with the faces marked.
        explained: Faces with their heat maps: of a video the fakest frames.
        has_heat: Whether the detector has heat maps.
    """

    judgement: Judgement
    views: Sequence[Rgb] = ()
    explained: Sequence[Explained] = ()
    has_heat: bool = True


class Desk:
    """Judges files that nobody vouches for: each is decoded in a process of its own, within limits.

    Args:
        trained: The model; loaded once.
        limits: What a file may cost.

    Raises:
        UserError: If the model is damaged, or captum is not installed.
    """

    def __init__(self, trained: Trained, limits: Limits) -> None:
        self._judge = Judge(trained)
        has_heat = self._judge.scorer.detector.heat_layer is not None
        self._explainer = Explainer(self._judge) if has_heat else None
        self._recipe = Recipe(trained.crop, trained.faces)
        self._limits = limits
        self._lock = Lock()

    def reply(self, path: Path) -> Reply:
        """Judge a file.

        Args:
            path: The upload.
        """
        item = Item(path, kind_of(path) or "image")
        alone = cut_alone(item, self._recipe, self._limits.max_seconds, self._limits.memory_mb, views=_VIEWS)
        with self._lock:  # the network's threads and captum's hooks belong to one file at a time
            scores = (
                self._judge.score([self._judge.read(cut) for cut in alone.file.cuts])
                if alone.file.cuts
                else []
            )
            judgement = self._judge.conclude(alone.file, item.kind, scores)
            explained = self._explain(judgement)
        has_heat = self._explainer is not None
        return Reply(judgement, [_marked(view, judgement) for view in alone.views], explained, has_heat)

    def _explain(self, judgement: Judgement) -> list[Explained]:
        faces = fakest_frames(judgement)
        if not faces:
            return []
        if len(faces) > MOST_FACES:
            faces = sorted(faces, key=lambda face: -face.answer.score)[:MOST_FACES]
        crops = [self._judge.read(face.cut) for face in faces]
        if self._explainer is None:
            return [Explained(face, crop) for face, crop in zip(faces, crops, strict=True)]
        heats = self._explainer.heat(crops)
        return [
            Explained(face, overlay(crop, heat)) for face, crop, heat in zip(faces, crops, heats, strict=True)
        ]


def _marked(view: View, judgement: Judgement) -> Rgb:
    faces = [
        replace(face, cut=replace(face.cut, box=tuple(side * view.scale for side in face.cut.box)))
        for face in judgement.faces
        if face.frame == view.frame
    ]
    return draw_faces(view.pixels, faces)

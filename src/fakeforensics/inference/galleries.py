"""The folders of pictures that `predict --boxes` and `--explain` write."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fakeforensics.inference.judgement import Face, Judgement
from fakeforensics.inference.pictures import grid, marked, overlay, picture_names, write_picture

if TYPE_CHECKING:
    from fakeforensics.inference.explain import Explainer
    from fakeforensics.inference.predict import Predictor

_VIDEO_FRAMES = 4


class Marks:
    """Copies of the files with the faces marked.

    Args:
        folder: Gets `<file name>.png`.
        paths: All files, for names that differ.
    """

    def __init__(self, folder: Path, paths: Sequence[Path]) -> None:
        self._folder = folder
        self._names = picture_names(paths)

    def __call__(self, judgement: Judgement) -> None:
        """Write a judged file's copy."""
        write_picture(self._folder / f"{self._names[judgement.path]}.png", marked(judgement))


class HeatMaps:
    """Heat maps over the crops: every face of a still; of a video, each person's fakest frames.

    Args:
        folder: Gets `<file name>.png`, a row for each crop.
        paths: All files, for names that differ.
        predictor: Has the model.
    """

    def __init__(self, folder: Path, paths: Sequence[Path], predictor: Predictor) -> None:
        self._folder = folder
        self._names = picture_names(paths)
        self._predictor = predictor

    @cached_property
    def _explainer(self) -> Explainer:
        from fakeforensics.inference.explain import Explainer

        return Explainer(self._predictor.judge)

    def __call__(self, judgement: Judgement) -> None:
        """Write a judged file's heat maps."""
        faces = fakest_frames(judgement)
        crops = [self._predictor.judge.read(face.cut) for face in faces]
        tiles = [overlay(crop, heat) for crop, heat in zip(crops, self._explainer.heat(crops), strict=True)]
        write_picture(self._folder / f"{self._names[judgement.path]}.png", grid(tiles, columns=2))


def fakest_frames(judgement: Judgement, count: int = _VIDEO_FRAMES) -> list[Face]:
    """All faces of a still; of a video `count` frames of each person, by falling score."""
    if judgement.kind == "image":
        return list(judgement.faces)
    ordered = sorted(judgement.faces, key=lambda face: -face.answer.score)
    return [
        face
        for person in judgement.people
        for face in [one for one in ordered if one.cut.face == person][:count]
    ]

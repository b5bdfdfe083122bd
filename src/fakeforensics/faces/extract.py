"""One raw file in, its crops and the reasons for what it did not give out."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from fakeforensics.faces.detect import Detector
from fakeforensics.faces.facts import Facts
from fakeforensics.faces.landmarks import Aligner
from fakeforensics.faces.part import Contents, Crop, PartWriter, Rejection
from fakeforensics.faces.people import Encoder, Fragment, rank
from fakeforensics.faces.picture import Picture, UnreadableError
from fakeforensics.faces.still import read_still
from fakeforensics.faces.track import Sighting, Tracker
from fakeforensics.faces.video import Clip, open_clip, spread
from fakeforensics.params import FacesParams
from fakeforensics.storage.images import encode_png

_NO_FACE = "no face found"
_CHIP = 150
# Frames are searched, then cut, then encoded by so many at once: each step then finds its model in the
# processor's cache.
_BATCH = 8
_Decoded = Picture | tuple[int, UnreadableError]


class Job(NamedTuple):
    """A raw file to take crops from.

    Args:
        path: The file.
        kind: `image` or `video`.
        crop: `faces` for aligned crops, `whole` for images as they are.
        crop_box: Left, top, right, bottom of the part of a still that counts; None for all of it.
    """

    path: Path
    kind: Literal["image", "video"]
    crop: Literal["faces", "whole"]
    crop_box: tuple[int, int, int, int] | None = None


class Extractor:
    """Takes crops from raw files; holds the models, so that a process loads them once.

    Args:
        params: The `faces` group.
    """

    def __init__(self, params: FacesParams) -> None:
        self._params = params
        self._detector = Detector(params.min_face)
        self._aligner = Aligner(params.landmarks, params.size, params.padding)
        self._chips = Aligner(params.landmarks, _CHIP, 0.25)
        self._encoder = Encoder()

    def extract(self, job: Job, part: PartWriter) -> Contents:
        """Take the crops of one raw file.

        Nothing that is wrong with the file raises: it becomes a rejection.

        Args:
            job: The file.
            part: Takes the crops' bytes as they come.
        """
        try:
            if job.kind == "image":
                return self._still(job, part)
            return self._video(job, part)
        except UnreadableError as error:
            return Contents(Facts(_digest(job.path)), [], [Rejection(str(error))])
        except OSError as error:
            if error.filename is None:
                raise  # the disk, not the file
            return Contents(Facts(""), [], [Rejection(f"cannot be opened: {error.strerror}")])

    def _still(self, job: Job, part: PartWriter) -> Contents:
        still = read_still(job.path, job.crop_box)
        if job.crop == "whole":
            data = still.data if still.plain else encode_png(still.picture.rgb)
            suffix = ".jpg" if still.plain and still.facts.format == "JPEG" else ".png"
            return Contents(still.facts, [Crop(part.add(data), suffix)], [])
        picture = still.picture
        if self._params.tracks == "all":
            hits = self._detector.all(picture.luma)
        else:
            hits = self._detector.anywhere(picture.luma)
        hits = sorted(hits, key=lambda hit: (-hit.box.area, hit.box))
        if self._params.tracks == "main":
            hits = hits[:1]
        crops = self._cut(
            [Sighting(number, picture, hit.box, hit.score) for number, hit in enumerate(hits)], part
        )
        return Contents(still.facts, crops, [] if crops else [Rejection(_NO_FACE)])

    def _video(self, job: Job, part: PartWriter) -> Contents:
        with open_clip(job.path) as clip:
            frames = self._frames(clip)
            tracker = Tracker(self._detector, self._params.tracks)
            people = _Gallery(self._chips, self._encoder)
            crops: list[Crop] = []
            rejections: list[Rejection] = []
            shape = (0, 0)
            for batch in _batched(clip.pictures(frames), _BATCH):
                pictures = [item for item in batch if isinstance(item, Picture)]
                rejections += [Rejection(str(item[1]), item[0]) for item in batch if isinstance(item, tuple)]
                if pictures:
                    shape = pictures[0].luma.shape
                if job.crop == "whole":
                    crops += [
                        Crop(part.add(encode_png(picture.rgb)), ".png", picture.frame) for picture in pictures
                    ]
                    continue
                sightings = [sighting for picture in pictures for sighting in tracker.observe(picture)]
                people.add(sightings)
                crops += self._cut(sightings, part)
        facts = Facts(_digest(job.path), clip.format, shape[1], shape[0], -1, clip.chroma)
        if job.crop == "faces":
            crops, more = self._choose(crops, people.fragments(), frames)
            known = {rejection.frame for rejection in rejections}
            rejections += [rejection for rejection in more if rejection.frame not in known]
        rejections.sort(key=lambda rejection: rejection.frame)
        if not crops:
            return Contents(facts, [], [_summary(rejections)])
        return Contents(facts, crops, rejections)

    def _frames(self, clip: Clip) -> Sequence[int]:
        if self._params.frame_step is not None:
            return range(0, clip.count, self._params.frame_step)
        return spread(clip.count, self._params.frames_per_video)

    def _cut(self, sightings: Sequence[Sighting], part: PartWriter) -> list[Crop]:
        shapes = [self._aligner.predict(sighting.picture.rgb, sighting.box) for sighting in sightings]
        chips = [
            self._aligner.crop(sighting.picture.rgb, shape)
            for sighting, shape in zip(sightings, shapes, strict=True)
        ]
        blobs = [part.add(encode_png(chip)) for chip in chips]
        return [
            Crop(
                blob,
                ".png",
                sighting.picture.frame,
                sighting.track,
                sighting.bridged,
                tuple(float(side) for side in sighting.box),
                tuple(float(value) for value in shape.points.ravel()),
                None if math.isnan(sighting.score) else sighting.score,
            )
            for sighting, shape, blob in zip(sightings, shapes, blobs, strict=True)
        ]

    def _choose(
        self, crops: Sequence[Crop], fragments: Sequence[Fragment], frames: Sequence[int]
    ) -> tuple[list[Crop], list[Rejection]]:
        people = rank(fragments, len(frames))
        if self._params.tracks == "main":
            people = people[:1]
        names = {track: number for number, person in enumerate(people) for track in person.tracks}
        best: dict[tuple[int, int], Crop] = {}
        for crop in crops:
            if crop.track not in names:
                continue
            named = replace(crop, track=names[crop.track])
            place = (named.frame, named.track)
            # Two fragments of one person may meet in a frame: the clearer sighting stays.
            if place not in best or _clarity(named) > _clarity(best[place]):
                best[place] = named
        chosen = [best[place] for place in sorted(best)]
        found = {crop.frame for crop in chosen}
        others = {crop.frame for crop in crops} - found
        rejections = [
            Rejection("only other people or a stray detection" if frame in others else _NO_FACE, frame)
            for frame in frames
            if frame not in found
        ]
        return chosen, rejections


class _Gallery:
    """The fragments of a clip, with the codes that tell people apart where there are several."""

    def __init__(self, aligner: Aligner, encoder: Encoder) -> None:
        self._aligner = aligner
        self._encoder = encoder
        self._fragments: dict[int, Fragment] = {}

    def add(self, sightings: Sequence[Sighting]) -> None:
        """Count sightings, keeping the clearest face of each fragment."""
        for sighting in sightings:
            if not sighting.bridged:
                self._count(sighting)

    def _count(self, sighting: Sighting) -> None:
        if sighting.track not in self._fragments:
            self._encode()
        fragment = self._fragments.setdefault(sighting.track, Fragment(sighting.track))
        fragment.seen += 1
        fragment.weight += sighting.box.width
        clearer = fragment.best is None or sighting.score > fragment.best.score
        if clearer and fragment.code is None:
            fragment.best = sighting

    def fragments(self) -> list[Fragment]:
        """All fragments; with codes, if there are several."""
        if len(self._fragments) > 1:
            self._encode()
        return list(self._fragments.values())

    def _encode(self) -> None:
        for fragment in self._fragments.values():
            if fragment.best is not None and fragment.code is None:
                rgb, box = fragment.best.picture.rgb, fragment.best.box
                fragment.code = self._encoder(self._aligner.crop(rgb, self._aligner.predict(rgb, box)))
                fragment.best = None


def _batched(pictures: Iterator[_Decoded], size: int) -> Iterator[list[_Decoded]]:
    while batch := list(islice(pictures, size)):
        yield batch


def _clarity(crop: Crop) -> float:
    return -math.inf if crop.score is None else crop.score


def _summary(rejections: Sequence[Rejection]) -> Rejection:
    reasons = sorted({rejection.reason for rejection in rejections})
    return Rejection(f"{'; '.join(reasons)} (all {len(rejections)} frames)")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

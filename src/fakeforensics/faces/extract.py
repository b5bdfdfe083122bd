"""One raw file in, its crops and the reasons for what it did not give out."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from fakeforensics.faces.align import align
from fakeforensics.faces.detect import Detector
from fakeforensics.faces.facts import Facts
from fakeforensics.faces.landmarks import Predictor
from fakeforensics.faces.part import Contents, Crop, PartWriter, Rejection
from fakeforensics.faces.people import Encoder, Fragment, rank
from fakeforensics.faces.picture import Picture, UnreadableError
from fakeforensics.faces.still import Still, read_still
from fakeforensics.faces.track import Sighting, Tracker
from fakeforensics.faces.video import Clip, open_clip, spread
from fakeforensics.images.codec import encode_png
from fakeforensics.params import FacesParams

_NO_FACE = "no face found"
# Stills are mostly portraits: the first search is for faces of half the shorter side.
_PORTRAIT = 0.5
# Pictures are held together up to so many pixels.
_HELD_PIXELS = 16_000_000
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
        self._predict = Predictor(params.landmarks)
        self._encoder = Encoder()

    def extract(self, jobs: Sequence[Job], parts: Sequence[PartWriter]) -> list[Contents]:
        """Take the crops of some raw files.

        Nothing that is wrong with a file raises: it becomes a rejection.

        Args:
            jobs: The files. Stills go faster by the dozen: what they need stays in the processor's cache.
            parts: Take the crops' bytes as they come, one for each job.

        Returns:
            What each file gave.
        """
        contents = [Contents(Facts(""), [], [])] * len(jobs)
        stills: dict[int, Still] = {}
        for number, (job, part) in enumerate(zip(jobs, parts, strict=True)):
            try:
                if job.kind == "video":
                    contents[number] = self._video(job, part)
                else:
                    stills[number] = read_still(job.path, job.crop_box)
                    contents[number] = Contents(stills[number].facts, [], [])
            except UnreadableError as error:
                contents[number] = Contents(Facts(_digest(job.path)), [], [Rejection(str(error))])
            except OSError as error:
                if error.filename is None:
                    raise  # the disk that is written to, not the file
                contents[number] = Contents(Facts(""), [], [Rejection(f"cannot be opened: {error.strerror}")])
            held = sum(still.picture.luma.size for still in stills.values())
            if stills and (held > _HELD_PIXELS or number == len(jobs) - 1):
                self._stills(jobs, parts, stills, contents)
                stills.clear()
        return contents

    def _stills(
        self,
        jobs: Sequence[Job],
        parts: Sequence[PartWriter],
        stills: dict[int, Still],
        contents: list[Contents],
    ) -> None:
        """Finish the stills that could be read."""
        sightings: dict[int, list[Sighting]] = {}
        for number, still in stills.items():
            if jobs[number].crop == "whole":
                data = still.data if still.plain else encode_png(still.picture.rgb)
                suffix = ".jpg" if still.plain and still.facts.format == "JPEG" else ".png"
                contents[number] = Contents(still.facts, [Crop(parts[number].add(data), suffix)], [])
            else:
                sightings[number] = self._faces(still.picture)
        cut = iter(self._cut([(parts[number], one) for number, many in sightings.items() for one in many]))
        for number, many in sightings.items():
            crops = list(islice(cut, len(many)))
            contents[number] = Contents(stills[number].facts, crops, [] if crops else [Rejection(_NO_FACE)])

    def _faces(self, picture: Picture) -> list[Sighting]:
        if self._params.tracks == "all":
            hits = self._detector.all(picture.luma)
        else:
            hits = self._detector.largest(picture.luma, _PORTRAIT)
        hits = sorted(hits, key=lambda hit: (-hit.box.area, hit.box))
        if self._params.tracks == "main":
            hits = hits[:1]
        return [Sighting(number, picture, hit.box, hit.score) for number, hit in enumerate(hits)]

    def _video(self, job: Job, part: PartWriter) -> Contents:
        with open_clip(job.path) as clip:
            frames = self._frames(clip)
            tracker = Tracker(self._detector, self._params.tracks)
            people = _Gallery(self._predict, self._encoder)
            size = max(1, min(_BATCH, _HELD_PIXELS // clip.pixels))
            crops: list[Crop] = []
            rejections: list[Rejection] = []
            shape = (0, 0)
            for batch in _batched(clip.pictures(frames), size):
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
                crops += self._cut([(part, sighting) for sighting in sightings])
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

    def _cut(self, work: Sequence[tuple[PartWriter, Sighting]]) -> list[Crop]:
        shapes = [self._predict(seen.picture.luma, seen.box) for _, seen in work]
        chips = [
            align(seen.picture.rgb, shape, self._params.size, self._params.padding)
            for (_, seen), shape in zip(work, shapes, strict=True)
        ]
        blobs = [part.add(encode_png(chip)) for (part, _), chip in zip(work, chips, strict=True)]
        return [
            Crop(
                blob,
                ".png",
                seen.picture.frame,
                seen.track,
                seen.bridged,
                tuple(float(side) for side in seen.box),
                tuple(float(value) for value in shape.points.ravel()),
                None if math.isnan(seen.score) else seen.score,
            )
            for (_, seen), shape, blob in zip(work, shapes, blobs, strict=True)
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

    def __init__(self, predict: Predictor, encoder: Encoder) -> None:
        self._predict = predict
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
                picture = fragment.best.picture
                shape = self._predict(picture.luma, fragment.best.box)
                fragment.code = self._encoder(picture.rgb, shape)
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

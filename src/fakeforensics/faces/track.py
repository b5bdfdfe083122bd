"""Following people through a clip: which detections, frame after frame, are one person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from fakeforensics.faces.detect import Detection, Detector, Luma
from fakeforensics.faces.geometry import Box
from fakeforensics.faces.picture import Picture

# The search square around the last face: its side in faces, and the face's width once resized.
SEARCH_MARGIN = 1.7
SEARCH_FACE = 85.0
# Where a face was just seen, a little less evidence is needed to see it again.
NEAR_THRESHOLD = -0.2
# A detection continues a track if it lies within this many face widths and changed in size by at most this.
_REACH = 0.8
_GROWTH = 1.6
# The detector may blink for two sampled frames and one second: the face between is interpolated.
BRIDGED_FRAMES = 2
BRIDGED_SECONDS = 1.0
# A bridged frame must still hint at a face: one that is turned away or covered is lost, not bridged.
_HINT = -1.0
# Every so many frames the whole frame is searched for people who came in.
_LOOK_AROUND = 16
# A person to be followed usually fills this share of the frame's shorter side; smaller ones are looked for
# where there is none such.
_LARGE = 0.31
# Mean change of brightness (of 255) between sampled frames that suggests a cut to another shot.
_CUT = 40.0
# With nobody in sight the finest, costly search pauses for up to this many frames.
_LONGEST_PAUSE = 8


@dataclass(frozen=True)
class Sighting:
    """One person in one frame.

    Args:
        track: Number of the fragment: an unbroken run of one person.
        picture: The frame.
        box: The face.
        score: The detector's margin; NaN if bridged.
        bridged: Whether the detector blinked and the box lies between two seen ones.
    """

    track: int
    picture: Picture
    box: Box
    score: float
    bridged: bool = False


@dataclass
class _Live:
    track: int
    box: Box
    seconds: float
    frame: int
    missed: list[Picture] = field(default_factory=list)


class Tracker:
    """Finds the people of a clip, frame by frame.

    Args:
        detector: Finds faces.
        tracks: `main` searches for the largest faces only, `all` for every face.
    """

    def __init__(self, detector: Detector, tracks: Literal["main", "all"]) -> None:
        self._detector = detector
        self._tracks = tracks
        self._live: list[_Live] = []
        self._begun = 0
        self._frames = 0
        self._thumbnail: Luma | None = None
        self._pause = 0
        self._resume_at = 0
        self._last_width = 0.0

    def observe(self, picture: Picture) -> Iterator[Sighting]:
        """Take the next sampled frame.

        Yields:
            The people seen in it, and those bridged in the frames before it.
        """
        if self._is_cut(picture.luma):
            self._live.clear()
        hits = self._search(picture.luma)
        for live, hit in self._assign(hits, picture):
            yield from self._bridge(live, hit.box, picture)
            live.box, live.seconds, live.frame = hit.box, picture.seconds, picture.frame
            live.missed.clear()
            self._last_width = hit.box.width
            yield Sighting(live.track, picture, hit.box, hit.score)
        for live in self._live:
            if live.frame != picture.frame:
                live.missed.append(picture)
        self._live = [live for live in self._live if self._waits(live, picture)]
        self._frames += 1

    def _search(self, luma: Luma) -> list[Detection]:
        hits: list[Detection] = []
        lost = not self._live
        for live in self._live:
            near = self._detector.near(luma, live.box, SEARCH_MARGIN, SEARCH_FACE, NEAR_THRESHOLD)
            lost = lost or not near
            hits += near
        if self._tracks == "all":
            if lost or self._frames % _LOOK_AROUND == 0:
                hits += self._detector.all(luma)
        elif lost:
            hits += self._search_lost(luma)
        elif self._frames % _LOOK_AROUND == 0:
            hits += self._detector.coarse(luma, _LARGE)
        return _distinct(hits)

    def _search_lost(self, luma: Luma) -> list[Detection]:
        if self._last_width:
            found = self._detector.at_scale(luma, SEARCH_FACE / self._last_width)
            if found:
                self._pause = 0
                return found
        if self._frames < self._resume_at:
            return []
        found = self._detector.largest(luma, _LARGE)
        self._pause = 0 if found else min(_LONGEST_PAUSE, max(1, 2 * self._pause))
        self._resume_at = self._frames + self._pause
        return found

    def _assign(self, hits: list[Detection], picture: Picture) -> list[tuple[_Live, Detection]]:
        pairs = sorted(
            (live.box.distance(hit.box), number, order)
            for number, live in enumerate(self._live)
            for order, hit in enumerate(hits)
            if _continues(live.box, hit.box)
        )
        matched: dict[int, int] = {}
        taken: set[int] = set()
        for _, number, order in pairs:
            if number not in matched and order not in taken:
                matched[number] = order
                taken.add(order)
        assigned = [(self._live[number], hits[order]) for number, order in sorted(matched.items())]
        for order, hit in enumerate(hits):
            if order not in taken and hit.score >= 0:
                assigned.append((self._begin(hit, picture), hit))
        return assigned

    def _begin(self, hit: Detection, picture: Picture) -> _Live:
        live = _Live(self._begun, hit.box, picture.seconds, picture.frame)
        self._begun += 1
        self._live.append(live)
        return live

    def _bridge(self, live: _Live, box: Box, picture: Picture) -> Iterator[Sighting]:
        span = picture.seconds - live.seconds
        if span > BRIDGED_SECONDS:
            return
        for missed in live.missed:
            share = (missed.seconds - live.seconds) / span if span > 0 else 0.5
            between = live.box.towards(box, share)
            if self._hints_at(missed.luma, between):
                yield Sighting(live.track, missed, between, float("nan"), bridged=True)

    def _hints_at(self, luma: Luma, box: Box) -> bool:
        near = self._detector.near(luma, box, SEARCH_MARGIN, SEARCH_FACE, _HINT)
        return any(_continues(box, hit.box) for hit in near)

    @staticmethod
    def _waits(live: _Live, picture: Picture) -> bool:
        return len(live.missed) <= BRIDGED_FRAMES and picture.seconds - live.seconds <= BRIDGED_SECONDS

    def _is_cut(self, luma: Luma) -> bool:
        rows, columns = (max(1, side // 32) for side in luma.shape)
        thumbnail = luma[rows // 2 :: rows, columns // 2 :: columns].astype(np.int16)
        last, self._thumbnail = self._thumbnail, thumbnail
        return last is not None and float(np.abs(thumbnail - last).mean()) > _CUT


def _continues(box: Box, other: Box) -> bool:
    return box.distance(other) < _REACH and 1 / _GROWTH < other.width / box.width < _GROWTH


def _distinct(hits: list[Detection]) -> list[Detection]:
    kept: list[Detection] = []
    for hit in sorted(hits, key=lambda hit: -hit.score):
        if all(hit.box.iou(other.box) < 0.4 for other in kept):
            kept.append(hit)
    return kept

"""Following people through a clip: detections become tracklets."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fakeforensics.faces.detect import SAME_FACE, Box, Detection, FaceDetector
from fakeforensics.faces.video import Frame, Gray

# The square around the last face that is searched: its side in face widths, and the face's width in pixels
# after resizing.
SEARCH_MARGIN = 1.7
SEARCH_FACE = 85.0
# Near the last place of a face, a lower detection score is enough.
NEAR_THRESHOLD = -0.2
# A detection continues a track if its distance is below this many face widths and its size changed by less
# than this factor.
_REACH = 0.8
_GROWTH = 1.6
# If the detector misses a face for at most two sampled frames and one second, the boxes between are
# interpolated.
INTERPOLATED_FRAMES = 2
INTERPOLATED_SECONDS = 1.0
# At an interpolated box the detector must reach this score, so that a face that is turned away or covered is
# not interpolated.
_HINT = -1.0
# Whoever is seen in the same place of the same shot again within this time is the same person.
_WAIT_SECONDS = 3.0
HELD_PIXELS = 16_000_000  # maximum pixels of frames that are in memory together
# A new face is followed back through this many sampled frames, in which it was too faint or was not searched
# for, or through fewer if they have more than HELD_PIXELS.
_LOOK_BACK = 16
# Every Nth frame is searched as a whole for people who came in.
_SEARCH_ALL = 16
# The face of the person to follow usually fills at least this share of the frame's shorter side. The search
# for smaller faces starts only if there is no such face.
_LARGE = 0.31
# While no face is found, the search of whole frames pauses for up to this many frames.
_LONGEST_PAUSE = 8
# A search must be this much finer than the one before to be worth its time.
_FINER = 1.2
# The tracker may spend this share of the allowance on the first frame. Each frame adds an equal part of the
# rest.
_AT_ONCE = 0.5
# Mean change of gray level (of 255) between sampled frames that suggests a change of shot. A smaller one does
# if it is not mere motion: at least this share of the pixels then falls into other bins of a histogram.
_SHOT_CHANGE = 40.0
_SHOT_MAY_CHANGE, _OTHER_LEVELS = 20.0, 0.2
_BIN = 8  # gray levels


@dataclass(frozen=True)
class Observation:
    """One person in one frame. If the box is interpolated between two detections, the score is NaN."""

    tracklet: int
    frame: Frame
    box: Box
    score: float
    interpolated: bool = False


@dataclass
class _Active:
    tracklet: int
    box: Box
    seconds: float
    number: int  # of the frame in which it was seen last
    missed: int = 0  # frames since


@dataclass
class _Past:
    """A frame of the present shot, and the faces found in it."""

    frame: Frame
    faces: list[Box]


class Allowance:
    """How many pixels the search for lost faces may still cover. Half may be spent at once.

    Args:
        pixels: Over the whole clip.
        frames: How many are sampled.
    """

    def __init__(self, pixels: float, frames: int) -> None:
        self._left = pixels * _AT_ONCE
        self._renewal = pixels * (1 - _AT_ONCE) / max(1, frames)

    def renew(self) -> None:
        """Count another sampled frame."""
        self._left += self._renewal

    def scale(self, gray: Gray) -> float:
        """The finest scale at which the frame may be searched."""
        return math.sqrt(max(0.0, self._left) / gray.size)

    def spend(self, gray: Gray, scale: float) -> None:
        """Count a search."""
        self._left -= gray.size * scale**2


class Tracker:
    """Finds the people of a clip, frame by frame: `main` searches for the largest faces, `all` for all.

    Args:
        detector: Finds faces.
        tracks: `main` or `all`.
        allowance: For the searches of `main` while somebody is lost.
    """

    def __init__(self, detector: FaceDetector, tracks: Literal["main", "all"], allowance: Allowance) -> None:
        self._detector = detector
        self._tracks = tracks
        self._allowance = allowance
        self._active: list[_Active] = []
        self._past: deque[_Past] = deque()
        self._tracklets = 0
        self._frames = 0
        self._thumbnail: Gray | None = None
        self._size: tuple[int, ...] = ()
        self._pause = 0
        self._resume_at = 0
        self._last_width = 0.0

    def observe(self, frame: Frame) -> Iterator[Observation]:
        """Process the next sampled frame.

        Yields:
            The people seen in it, and those seen or interpolated in the frames before it.
        """
        changed = self._shot_changed(frame.gray)
        if changed:
            self._active.clear()
            self._past.clear()
            self._pause = self._resume_at = 0
        self._active = [
            one for one in self._active if not one.missed or frame.seconds - one.seconds <= _WAIT_SECONDS
        ]
        self._allowance.renew()
        assigned = self._assign(self._search(frame.gray, changed=changed or not self._frames), frame)
        now = _Past(frame, [hit.box for _, hit in assigned])
        for active, hit in assigned:
            if active.missed or active.number == frame.number:
                yield from self._look_back(active, hit.box, frame)
            active.box, active.seconds, active.number, active.missed = hit.box, frame.seconds, frame.number, 0
            self._last_width = hit.box.width
            yield Observation(active.tracklet, frame, hit.box, hit.score)
        for active in self._active:
            active.missed += active.number != frame.number
        self._past.append(now)
        held = min(_LOOK_BACK, max(INTERPOLATED_FRAMES, HELD_PIXELS // frame.gray.size))
        while len(self._past) > held:
            self._past.popleft()
        self._frames += 1

    def _search(self, gray: Gray, *, changed: bool) -> list[Detection]:
        hits: list[Detection] = []
        lost = False
        for active in self._active:
            near = self._detector.near(gray, active.box, SEARCH_MARGIN, SEARCH_FACE, NEAR_THRESHOLD)
            lost = lost or (not near and active.missed <= INTERPOLATED_FRAMES)
            hits += near
        lost = lost or not hits
        if self._tracks == "all":
            if lost or self._frames % _SEARCH_ALL == 0:
                hits += self._detector.all(gray)
        elif lost:
            hits += self._search_lost(gray, changed=changed)
        elif self._frames % _SEARCH_ALL == 0:
            hits += self._detector.at_scale(gray, self._detector.scales(gray, _LARGE)[0])
        return _distinct(hits)

    def _search_lost(self, gray: Gray, *, changed: bool) -> list[Detection]:
        """Faces as large as usual or as the last one, and smaller ones if there is none."""
        scales = self._detector.scales(gray, _LARGE)
        last = SEARCH_FACE / self._last_width if self._last_width else 0.0
        usual = min(max(scales[0], last), scales[-1])
        if not changed:
            # Where nobody was just seen, a coarse search is of little use: better wait for a finer one.
            worthwhile = max(usual, scales[:2][-1])
            if self._frames < self._resume_at or self._allowance.scale(gray) < worthwhile:
                return []
        searched = 0.0
        for wanted in (usual, *(finer for finer in scales if finer > usual)):
            scale = min(wanted, self._allowance.scale(gray))
            if scale < scales[0] or scale < searched * _FINER:
                break
            self._allowance.spend(gray, scale)
            searched = scale
            if found := self._detector.at_scale(gray, scale):
                self._pause = 0
                return found
        self._pause = min(_LONGEST_PAUSE, max(1, 2 * self._pause))
        self._resume_at = self._frames + self._pause
        return []

    def _assign(self, hits: list[Detection], frame: Frame) -> list[tuple[_Active, Detection]]:
        pairs = sorted(
            (active.box.distance(hit.box), number, order)
            for number, active in enumerate(self._active)
            for order, hit in enumerate(hits)
            if _continues(active.box, hit.box)
        )
        matched: dict[int, int] = {}
        taken: set[int] = set()
        for _, number, order in pairs:
            if number not in matched and order not in taken:
                matched[number] = order
                taken.add(order)
        assigned = [(self._active[number], hits[order]) for number, order in sorted(matched.items())]
        for order, hit in enumerate(hits):
            if order not in taken and hit.score >= 0:
                assigned.append((self._begin(hit, frame), hit))
        return assigned

    def _begin(self, hit: Detection, frame: Frame) -> _Active:
        active = _Active(self._tracklets, hit.box, frame.seconds, frame.number)
        self._tracklets += 1
        self._active.append(active)
        return active

    def _look_back(self, active: _Active, box: Box, frame: Frame) -> Iterator[Observation]:
        """Follow a face that was found, or found again, through the frames before."""
        is_new = active.number == frame.number
        later, seconds = box, frame.seconds
        gap: list[Frame] = []
        for one in reversed(self._past):
            if one.frame.number <= active.number and not is_new:
                break
            hit = self._nearest(one, later)
            if hit is not None:
                yield from self._interpolate(active, hit.box, one.frame.seconds, later, seconds, gap)
                yield Observation(active.tracklet, one.frame, hit.box, hit.score)
                one.faces.append(hit.box)
                later, seconds = hit.box, one.frame.seconds
                gap = []
            elif is_new and len(gap) == INTERPOLATED_FRAMES:
                return
            else:
                gap.append(one.frame)
        if not is_new:
            yield from self._interpolate(active, active.box, active.seconds, later, seconds, gap)

    def _interpolate(
        self, active: _Active, box: Box, seconds: float, later: Box, until: float, gap: list[Frame]
    ) -> Iterator[Observation]:
        """The person between two places, in the frames of a short gap that hint at a face."""
        span = until - seconds
        if len(gap) > INTERPOLATED_FRAMES or span > INTERPOLATED_SECONDS:
            return
        for missed in gap:
            share = (missed.seconds - seconds) / span if span > 0 else 0.5
            between = box.towards(later, share)
            if self._hints_at(missed.gray, between):
                yield Observation(active.tracklet, missed, between, float("nan"), interpolated=True)

    def _nearest(self, past: _Past, box: Box) -> Detection | None:
        """The face that continues `box` in a frame before, unless it is known as another's."""
        hits = [
            hit
            for hit in self._detector.near(past.frame.gray, box, SEARCH_MARGIN, SEARCH_FACE, NEAR_THRESHOLD)
            if _continues(box, hit.box) and all(hit.box.iou(other) < SAME_FACE for other in past.faces)
        ]
        return min(hits, key=lambda hit: box.distance(hit.box), default=None)

    def _hints_at(self, gray: Gray, box: Box) -> bool:
        near = self._detector.near(gray, box, SEARCH_MARGIN, SEARCH_FACE, _HINT)
        return any(_continues(box, hit.box) for hit in near)

    def _shot_changed(self, gray: Gray) -> bool:
        """Whether another shot begins. A change of the frame size also counts."""
        rows, columns = (max(1, side // 32) for side in gray.shape)
        thumbnail = gray[rows // 2 :: rows, columns // 2 :: columns].astype(np.int16)
        last, self._thumbnail = self._thumbnail, thumbnail
        size, self._size = self._size, gray.shape
        if last is None:
            return False
        if size != gray.shape:
            return True
        change = float(np.abs(thumbnail - last).mean())
        now, before = (np.bincount(one.ravel() // _BIN, minlength=32) for one in (thumbnail, last))
        others = float(np.abs(now - before).sum()) / 2 / thumbnail.size
        return change > _SHOT_CHANGE or (change > _SHOT_MAY_CHANGE and others >= _OTHER_LEVELS)


def _continues(box: Box, other: Box) -> bool:
    return box.distance(other) < _REACH and 1 / _GROWTH < other.width / box.width < _GROWTH


def _distinct(hits: list[Detection]) -> list[Detection]:
    kept: list[Detection] = []
    for hit in sorted(hits, key=lambda hit: -hit.score):
        if all(hit.box.iou(other.box) < SAME_FACE for other in kept):
            kept.append(hit)
    return kept

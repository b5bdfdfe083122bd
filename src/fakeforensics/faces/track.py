"""Following people through a clip: detections become tracklets, and tracklets become identities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import dlib
import numpy as np
from jaxtyping import Float64

from fakeforensics.faces.detect import (
    SAME_FACE,
    Box,
    Detection,
    FaceDetector,
    LandmarkPredictor,
    Landmarks,
    model_path,
)
from fakeforensics.faces.video import Frame, Gray, Rgb

# The search square around the last face: its side in faces, and the face's width once resized.
SEARCH_MARGIN = 1.7
SEARCH_FACE = 85.0
# Where a face was just seen, a little less evidence is needed to see it again.
NEAR_THRESHOLD = -0.2
# A detection continues a track if it lies within this many face widths and changed in size by at most this.
_REACH = 0.8
_GROWTH = 1.6
# The detector may miss a face for two sampled frames and one second: the boxes between are interpolated.
INTERPOLATED_FRAMES = 2
INTERPOLATED_SECONDS = 1.0
# An interpolated frame must still hint at a face: one that is turned away or covered is lost.
_HINT = -1.0
# Every Nth frame is searched as a whole for people who came in.
_SEARCH_ALL = 16
# The face of a person to follow usually fills this share of the frame's shorter side. Smaller faces are
# searched for if there is none as large.
_LARGE = 0.31
# Mean change of gray level (of 255) between sampled frames that suggests a change of shot.
_SHOT_CHANGE = 40.0
# While no face is found, the costly search at fine scales pauses for up to this many frames.
_LONGEST_PAUSE = 8

# dlib's documentation: faces nearer than 0.6 are the same person (99.38% on LFW).
_SAME_PERSON = 0.6
_EMBEDDER = "dlib_face_recognition_resnet_model_v1.dat"
Embedding = Float64[np.ndarray, "128"]


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
    missed: list[Frame] = field(default_factory=list)


class Tracker:
    """Finds the people of a clip, frame by frame: `main` searches for the largest faces, `all` for all."""

    def __init__(self, detector: FaceDetector, tracks: Literal["main", "all"]) -> None:
        self._detector = detector
        self._tracks = tracks
        self._active: list[_Active] = []
        self._tracklets = 0
        self._frames = 0
        self._thumbnail: Gray | None = None
        self._size: tuple[int, ...] = ()
        self._pause = 0
        self._resume_at = 0
        self._last_width = 0.0

    def observe(self, frame: Frame) -> Iterator[Observation]:
        """Take the next sampled frame.

        Yields:
            The people seen in it, and those interpolated in the frames before it.
        """
        if self._shot_changed(frame.gray):
            self._active.clear()
        hits = self._search(frame.gray)
        for active, hit in self._assign(hits, frame):
            yield from self._interpolate(active, hit.box, frame)
            active.box, active.seconds, active.number = hit.box, frame.seconds, frame.number
            active.missed.clear()
            self._last_width = hit.box.width
            yield Observation(active.tracklet, frame, hit.box, hit.score)
        for active in self._active:
            if active.number != frame.number:
                active.missed.append(frame)
        self._active = [active for active in self._active if self._waits(active, frame)]
        self._frames += 1

    def _search(self, gray: Gray) -> list[Detection]:
        hits: list[Detection] = []
        lost = not self._active
        for active in self._active:
            near = self._detector.near(gray, active.box, SEARCH_MARGIN, SEARCH_FACE, NEAR_THRESHOLD)
            lost = lost or not near
            hits += near
        if self._tracks == "all":
            if lost or self._frames % _SEARCH_ALL == 0:
                hits += self._detector.all(gray)
        elif lost:
            hits += self._search_lost(gray)
        elif self._frames % _SEARCH_ALL == 0:
            hits += self._detector.coarse(gray, _LARGE)
        return _distinct(hits)

    def _search_lost(self, gray: Gray) -> list[Detection]:
        if self._last_width:
            found = self._detector.at_scale(gray, SEARCH_FACE / self._last_width)
            if found:
                self._pause = 0
                return found
        if self._frames < self._resume_at:
            return []
        found = self._detector.largest(gray, _LARGE)
        self._pause = 0 if found else min(_LONGEST_PAUSE, max(1, 2 * self._pause))
        self._resume_at = self._frames + self._pause
        return found

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

    def _interpolate(self, active: _Active, box: Box, frame: Frame) -> Iterator[Observation]:
        span = frame.seconds - active.seconds
        if span > INTERPOLATED_SECONDS:
            return
        for missed in active.missed:
            share = (missed.seconds - active.seconds) / span if span > 0 else 0.5
            between = active.box.towards(box, share)
            if self._hints_at(missed.gray, between):
                yield Observation(active.tracklet, missed, between, float("nan"), interpolated=True)

    def _hints_at(self, gray: Gray, box: Box) -> bool:
        near = self._detector.near(gray, box, SEARCH_MARGIN, SEARCH_FACE, _HINT)
        return any(_continues(box, hit.box) for hit in near)

    @staticmethod
    def _waits(active: _Active, frame: Frame) -> bool:
        return (
            len(active.missed) <= INTERPOLATED_FRAMES
            and frame.seconds - active.seconds <= INTERPOLATED_SECONDS
        )

    def _shot_changed(self, gray: Gray) -> bool:
        """Whether another shot begins; a clip whose frames change their size was joined there."""
        rows, columns = (max(1, side // 32) for side in gray.shape)
        thumbnail = gray[rows // 2 :: rows, columns // 2 :: columns].astype(np.int16)
        last, self._thumbnail = self._thumbnail, thumbnail
        size, self._size = self._size, gray.shape
        if last is None:
            return False
        return size != gray.shape or float(np.abs(thumbnail - last).mean()) > _SHOT_CHANGE


def _continues(box: Box, other: Box) -> bool:
    return box.distance(other) < _REACH and 1 / _GROWTH < other.width / box.width < _GROWTH


def _distinct(hits: list[Detection]) -> list[Detection]:
    kept: list[Detection] = []
    for hit in sorted(hits, key=lambda hit: -hit.score):
        if all(hit.box.iou(other.box) < SAME_FACE for other in kept):
            kept.append(hit)
    return kept


class FaceEmbedder:
    """dlib's face recognition network, loaded when first needed."""

    def __init__(self) -> None:
        self._network: Callable[[Rgb, Any], Sequence[float]] | None = None

    def __call__(self, rgb: Rgb, landmarks: Landmarks) -> Embedding:
        """128 numbers whose Euclidean distance tells people apart, from a frame and a face's landmarks."""
        if self._network is None:
            model = dlib.face_recognition_model_v1(str(model_path(_EMBEDDER)))
            self._network = model.compute_face_descriptor
        return np.asarray(self._network(rgb, landmarks.parts), np.float64)


@dataclass
class Tracklet:
    """An unbroken run of observations of one person.

    Args:
        number: Its number in the tracker.
        seen: Frames in which the face was detected.
        weight: Sum of the face's widths over those frames.
        best: The observation with the highest score, until its face is embedded.
        embedding: Of that face; None while there is no other tracklet to compare with.
    """

    number: int
    seen: int = 0
    weight: float = 0.0
    best: Observation | None = None
    embedding: Embedding | None = None


class TrackletCollector:
    """The tracklets of a clip, with embeddings if there are several: only then are they compared."""

    def __init__(self, predict: LandmarkPredictor, embed: FaceEmbedder) -> None:
        self._predict = predict
        self._embed = embed
        self._tracklets: dict[int, Tracklet] = {}

    def add(self, observations: Sequence[Observation]) -> None:
        """Count observations, keeping the best face of each tracklet."""
        for observation in observations:
            if not observation.interpolated:
                self._count(observation)

    def tracklets(self) -> list[Tracklet]:
        """All tracklets."""
        if len(self._tracklets) > 1:
            self._embed_best()
        return list(self._tracklets.values())

    def _count(self, observation: Observation) -> None:
        if observation.tracklet not in self._tracklets:
            self._embed_best()  # so that the frames of earlier tracklets need not be kept
        tracklet = self._tracklets.setdefault(observation.tracklet, Tracklet(observation.tracklet))
        tracklet.seen += 1
        tracklet.weight += observation.box.width
        better = tracklet.best is None or observation.score > tracklet.best.score
        if better and tracklet.embedding is None:
            tracklet.best = observation

    def _embed_best(self) -> None:
        for tracklet in self._tracklets.values():
            if tracklet.best is not None and tracklet.embedding is None:
                frame = tracklet.best.frame
                landmarks = self._predict(frame.gray, tracklet.best.box)
                tracklet.embedding = self._embed(frame.rgb, landmarks)
                tracklet.best = None


@dataclass
class Identity:
    """One or several tracklets that show the same face."""

    tracklets: list[Tracklet] = field(default_factory=list)

    @property
    def seen(self) -> int:
        """Frames in which the face was detected."""
        return sum(tracklet.seen for tracklet in self.tracklets)

    @property
    def weight(self) -> float:
        """Sum of the face's widths over those frames."""
        return sum(tracklet.weight for tracklet in self.tracklets)

    def matches(self, other: Tracklet) -> bool:
        """Whether the tracklet's face is near one of this person's."""
        distances = (
            float(np.linalg.norm(own.embedding - other.embedding))
            for own in self.tracklets
            if own.embedding is not None and other.embedding is not None
        )
        return any(distance < _SAME_PERSON for distance in distances)


def select_identities(tracklets: Sequence[Tracklet], sampled: int) -> list[Identity]:
    """Join tracklets into identities; the main one, seen longest and largest, comes first.

    A face detected in a single frame that matches no other tracklet is a false detection and left out, unless
    hardly any frames were sampled.

    Args:
        tracklets: All of a clip.
        sampled: Number of frames sampled.
    """
    identities: list[Identity] = []
    for tracklet in sorted(tracklets, key=lambda tracklet: (-tracklet.weight, tracklet.number)):
        identity = next((identity for identity in identities if identity.matches(tracklet)), None)
        if identity is None:
            identities.append(Identity([tracklet]))
        else:
            identity.tracklets.append(tracklet)
    enough = 1 if sampled <= 2 else 2
    kept = [identity for identity in identities if identity.seen >= enough]
    return sorted(kept, key=lambda one: (-one.weight, min(tracklet.number for tracklet in one.tracklets)))

"""Which tracklets of a clip show one person, told by dlib's face embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import dlib
import numpy as np
from jaxtyping import Float64

from fakeforensics.faces.detect import LandmarkPredictor, Landmarks, model_path
from fakeforensics.faces.track import Observation
from fakeforensics.faces.video import Rgb

# Tracklets seen in so many frames together are two people.
_TOGETHER = 2
_WORTH_COMPARING = 1 / 3
# dlib's documentation: faces nearer than 0.6 are the same person (99.38% on LFW).
_SAME_PERSON = 0.6
_EMBEDDER = "dlib_face_recognition_resnet_model_v1.dat"
Embedding = Float64[np.ndarray, "128"]


class FaceEmbedder:
    """dlib's face recognition network, loaded when first needed."""

    def __init__(self) -> None:
        self._network: Callable[[Rgb], Sequence[float]] | None = None

    def __call__(self, chip: Rgb) -> Embedding:
        """128 numbers whose Euclidean distance tells people apart, from a face cut out by `face_chip`."""
        if self._network is None:
            model = dlib.face_recognition_model_v1(str(model_path(_EMBEDDER)))
            self._network = model.compute_face_descriptor
        return np.asarray(self._network(chip), np.float64)


def face_chip(rgb: Rgb, landmarks: Landmarks) -> Rgb:
    """The face as the network takes it.

    Source: dlib, `compute_face_descriptor`.
    """
    chip: Rgb = dlib.get_face_chip(rgb, landmarks.parts, 150, 0.25)
    return chip


@dataclass
class Tracklet:
    """An unbroken run of observations of one person.

    Args:
        number: Its number in the tracker.
        frames: In which the face was detected.
        weight: Sum of the face's widths over those frames.
        best: The observation with the highest score, while there is no other tracklet to compare with.
        chip: Its face, as the network takes it.
        embedding: Of that face; None if it is not to be compared.
    """

    number: int
    frames: set[int] = field(default_factory=set)
    weight: float = 0.0
    best: Observation | None = None
    chip: Rgb | None = None
    embedding: Embedding | None = None

    def is_beside(self, other: Tracklet) -> bool:
        """Whether both are seen at once, so that they are two people."""
        return len(self.frames & other.frames) >= _TOGETHER


class TrackletCollector:
    """The tracklets of a clip, with embeddings where these decide who is one person."""

    def __init__(self, predict: LandmarkPredictor, embed: FaceEmbedder) -> None:
        self._predict = predict
        self._embed = embed
        self._tracklets: dict[int, Tracklet] = {}

    def add(self, observations: Sequence[Observation]) -> None:
        """Count observations, keeping the best face of each tracklet."""
        for observation in observations:
            if not observation.interpolated:
                self._count(observation)

    def tracklets(self, most: int | None = None) -> list[Tracklet]:
        """All tracklets.

        Args:
            most: How many may be embedded, the heaviest first; None for all. One that weighs a third of the
                heaviest, so that a person may be missed for long without it, is embedded in any case.
        """
        every = list(self._tracklets.values())
        if len(every) > 1:
            self._cut_best()
        compared = [
            one for one in every if any(one is not other and not one.is_beside(other) for other in every)
        ]
        compared.sort(key=lambda one: (-one.weight, one.number))
        if most is not None:
            least = compared[0].weight * _WORTH_COMPARING if compared else 0.0
            compared = [one for rank, one in enumerate(compared) if rank < most or one.weight >= least]
        if len(compared) > 1:
            for one in compared:
                if one.chip is not None:
                    one.embedding = self._embed(one.chip)
        return every

    def _count(self, observation: Observation) -> None:
        if observation.tracklet not in self._tracklets:
            self._cut_best()  # so that the frames of earlier tracklets need not be kept
        tracklet = self._tracklets.setdefault(observation.tracklet, Tracklet(observation.tracklet))
        tracklet.frames.add(observation.frame.number)
        tracklet.weight += observation.box.width
        better = tracklet.best is None or observation.score > tracklet.best.score
        if better and tracklet.chip is None:
            tracklet.best = observation

    def _cut_best(self) -> None:
        for tracklet in self._tracklets.values():
            if tracklet.best is not None:
                frame = tracklet.best.frame
                tracklet.chip = face_chip(frame.rgb, self._predict(frame.gray, tracklet.best.box))
                tracklet.best = None


@dataclass
class Identity:
    """One or several tracklets that show the same face."""

    tracklets: list[Tracklet] = field(default_factory=list)

    @property
    def seen(self) -> int:
        """Frames in which the face was detected."""
        return len(set[int]().union(*(tracklet.frames for tracklet in self.tracklets)))

    @property
    def weight(self) -> float:
        """Sum of the face's widths over those frames."""
        return sum(tracklet.weight for tracklet in self.tracklets)

    def matches(self, other: Tracklet) -> bool:
        """Whether the tracklet's face is near one of this person's, and it is seen beside none of them."""
        if any(own.is_beside(other) for own in self.tracklets):
            return False
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

"""Which fragments of tracks show one person, and who of them is the main one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8

from fakeforensics.faces.landmarks import Shape
from fakeforensics.faces.models import model_path
from fakeforensics.faces.track import Sighting

# dlib's documentation: faces nearer than 0.6 are the same person (99.38% on LFW).
_SAME_PERSON = 0.6
_MODEL = "dlib_face_recognition_resnet_model_v1.dat"
Rgb = UInt8[np.ndarray, "height width 3"]
Code = Float64[np.ndarray, "128"]


@dataclass
class Fragment:
    """An unbroken run of sightings.

    Args:
        track: Its number in the tracker.
        seen: Frames in which the detector saw the face.
        weight: Sum of the face's widths over those frames.
        best: The clearest sighting, until the code of its face is known.
        code: dlib's 128 numbers of the face; None while there is no other fragment to compare with.
    """

    track: int
    seen: int = 0
    weight: float = 0.0
    best: Sighting | None = None
    code: Code | None = None


class Encoder:
    """dlib's face recognition network, loaded when first needed."""

    def __init__(self) -> None:
        self._network: Callable[[Rgb, Any], Sequence[float]] | None = None

    def __call__(self, rgb: Rgb, shape: Shape) -> Code:
        """128 numbers whose Euclidean distance tells people apart.

        Args:
            rgb: A frame.
            shape: The landmarks of a face in it.
        """
        if self._network is None:
            import dlib

            model = dlib.face_recognition_model_v1(str(model_path(_MODEL)))
            self._network = model.compute_face_descriptor
        return np.asarray(self._network(rgb, shape.parts), np.float64)


@dataclass
class Person:
    """One or several fragments that show the same face."""

    tracks: list[int] = field(default_factory=list)
    codes: list[Code] = field(default_factory=list)
    seen: int = 0
    weight: float = 0.0

    def add(self, fragment: Fragment) -> None:
        """Count a fragment as this person's."""
        self.tracks.append(fragment.track)
        self.seen += fragment.seen
        self.weight += fragment.weight
        if fragment.code is not None:
            self.codes.append(fragment.code)

    def is_like(self, fragment: Fragment) -> bool:
        """Whether the fragment's face is near one of this person's."""
        if fragment.code is None:
            return False
        return any(float(np.linalg.norm(code - fragment.code)) < _SAME_PERSON for code in self.codes)


def rank(fragments: Sequence[Fragment], sampled: int) -> list[Person]:
    """Join fragments into people and put the main one, seen longest and largest, first.

    A face seen in a single frame and like nobody else's is a false detection and left out, unless hardly any
    frames were sampled.

    Args:
        fragments: All fragments of a clip; their codes are known if there are several.
        sampled: Number of frames sampled.
    """
    people: list[Person] = []
    for fragment in sorted(fragments, key=lambda fragment: (-fragment.weight, fragment.track)):
        person = next((person for person in people if person.is_like(fragment)), None)
        if person is None:
            person = Person()
            people.append(person)
        person.add(fragment)
    enough = 1 if sampled <= 2 else 2
    kept = [person for person in people if person.seen >= enough]
    return sorted(kept, key=lambda person: (-person.weight, min(person.tracks)))

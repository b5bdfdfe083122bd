"""What is answered about one file: every face's scores, and the file's verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fakeforensics.inference.cutting import Cut
from fakeforensics.inference.decision import Decision, Verdict
from fakeforensics.inference.inputs import Kind
from fakeforensics.inference.scores import Scores, sigmoid


@dataclass(frozen=True)
class Answer:
    """A score, and what the decision policy makes of it.

    Args:
        score: In the deciding score's own scale: S_SL's logit or S_CD; higher is faker.
        probability: Of being fake, 0 … 1: calibrated if the policy has a calibrator, else S_SL as it is; None
            for an uncalibrated S_CD.
        verdict: None without a threshold.
    """

    score: float
    probability: float | None
    verdict: Verdict | None


@dataclass(frozen=True)
class Face:
    """One scored crop.

    Args:
        cut: The crop.
        scores: All that the detector says.
        answer: By the deciding score.
    """

    cut: Cut
    scores: Scores
    answer: Answer

    @property
    def frame(self) -> int:
        """0-based frame of a video; -1 for a still."""
        return self.cut.frame


@dataclass(frozen=True)
class Judgement:
    """One file's row, or rows.

    Args:
        path: The file.
        kind: Image or video.
        faces: By frame, then face; empty if the file failed.
        people: Of a video, each person's answer over all frames: the mean of the frames' scores.
        reason: Why the file could not be judged; None if it was.
        lost_frames: Sampled frames without a face.
    """

    path: Path
    kind: Kind
    faces: Sequence[Face]
    people: dict[int, Answer]
    reason: str | None = None
    lost_frames: int = 0


class Policy:
    """Turns scores into answers.

    Args:
        decision: The model's policy; None if it has none.
        default: The score to show where there is no policy: `sl`, or `cd` for the sad objective.
    """

    def __init__(self, decision: Decision | None, default: str) -> None:
        self.decision = decision
        self.score = decision.score if decision else default

    def answer(self, score: float) -> Answer:
        """Judge one score."""
        if self.decision is not None and self.decision.calibrator is not None:
            probability: float | None = self.decision.calibrator(score)
        else:
            probability = sigmoid(score) if self.score == "sl" else None
        return Answer(score, probability, self.decision.verdict(score) if self.decision else None)

    def faces(self, cuts: Sequence[Cut], scores: Sequence[Scores]) -> list[Face]:
        """Judge a file's crops.

        Raises:
            ValueError: If the detector does not give the deciding score.
        """
        return [
            Face(cut, one, self.answer(_given(one, self.score)))
            for cut, one in zip(cuts, scores, strict=True)
        ]

    def people(self, faces: Sequence[Face]) -> dict[int, Answer]:
        """Judge each person of a video by the mean of their frames, as the video-level metrics do."""
        by_person: dict[int, list[float]] = {}
        for face in faces:
            by_person.setdefault(face.cut.face, []).append(face.answer.score)
        means = {person: math.fsum(values) / len(values) for person, values in sorted(by_person.items())}
        return {person: self.answer(mean) for person, mean in means.items()}


def _given(scores: Scores, name: str) -> float:
    value = scores.get(name)
    if value is None:
        raise ValueError(f"the detector gives no score {name!r}")
    return value

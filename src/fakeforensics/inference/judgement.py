"""What is answered about one file: every face's scores, and the file's verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fakeforensics.inference.cutting import Cut
from fakeforensics.inference.inputs import Kind
from fakeforensics.metrics.spec import Scores, find_score
from fakeforensics.thresholds.policy import Decision, Verdict


@dataclass(frozen=True)
class Answer:
    """A score, and what the decision policy makes of it.

    Args:
        score: The deciding score on its own scale; higher is faker.
        probability: Of being fake, in [0, 1]: calibrated if the policy has a calibrator, else the score's
            own; None if the score has none either.
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
        scores: All that the detector says, by column.
        answer: By the deciding score.
    """

    cut: Cut
    scores: Mapping[str, float]
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
        scores: What the model's scores are. The policy's score decides, or the first where there is no
            policy.

    Attributes:
        spec: What the deciding score is.

    Raises:
        KeyError: If the policy's score is none of them.
    """

    def __init__(self, decision: Decision | None, scores: Scores) -> None:
        self.decision = decision
        self.spec = find_score(scores, decision.score) if decision else scores[0]

    def answer(self, score: float) -> Answer:
        """Judge one score."""
        verdict = self.decision.verdict(score) if self.decision else None
        if self.decision is not None and self.decision.calibrator is not None:
            return Answer(score, self.decision.calibrator(score), verdict)
        probability = self.spec.probability(score)
        return Answer(score, None if probability is None else float(probability), verdict)

    def faces(self, cuts: Sequence[Cut], scores: Sequence[Mapping[str, float]]) -> list[Face]:
        """Judge a file's crops by their scores."""
        return [
            Face(cut, one, self.answer(one[self.spec.column])) for cut, one in zip(cuts, scores, strict=True)
        ]

    def people(self, faces: Sequence[Face]) -> dict[int, Answer]:
        """Judge each person of a video by the mean of their frames, as the video-level metrics do."""
        by_person: dict[int, list[float]] = {}
        for face in faces:
            by_person.setdefault(face.cut.face, []).append(face.answer.score)
        means = {person: math.fsum(values) / len(values) for person, values in sorted(by_person.items())}
        return {person: self.answer(mean) for person, mean in means.items()}

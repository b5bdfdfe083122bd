"""What a score means: its probability, likelihood ratio and verdict under a decision policy."""

from __future__ import annotations

from dataclasses import dataclass

from fakeforensics.metrics.spec import Scores, find_score
from fakeforensics.thresholds.policy import Decision, Verdict


@dataclass(frozen=True)
class Assessment:
    """The deciding score on its own scale, and what the policy says of it.

    Attributes:
        score: On the score's own scale.
        probability: Of fake; None if the score has none.
        log10_lr: log10 of the likelihood ratio, the score's probability among fakes over that among reals;
            None if the policy has none.
        verdict: None without a policy.
    """

    score: float
    probability: float | None
    log10_lr: float | None
    verdict: Verdict | None


class ScoreRule:
    """Turns scores into assessments. The policy's score decides; without a policy the detector's first score.

    Raises:
        KeyError: If the policy's score is none of the detector's.
    """

    def __init__(self, decision: Decision | None, scores: Scores) -> None:
        self.decision = decision
        self.spec = find_score(scores, decision.score) if decision else scores[0]

    def assess(self, score: float) -> Assessment:
        """Assess one score."""
        decision = self.decision
        uncalibrated = self.spec.probability(score)
        probability = None if uncalibrated is None else float(uncalibrated)
        if decision is None:
            return Assessment(score, probability, None, None)
        if decision.calibrator is not None:
            probability = decision.calibrator(score)
        ratio = decision.likelihood_ratio
        log10_lr = None if ratio is None else ratio(score)
        return Assessment(score, probability, log10_lr, decision.verdict(score))

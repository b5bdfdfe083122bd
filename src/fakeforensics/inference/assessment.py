"""What a score means: its probability, likelihood ratio and verdict under a decision policy."""

from __future__ import annotations

from dataclasses import dataclass

from fakeforensics.metrics.spec import Scores, find_score
from fakeforensics.thresholds.policy import Decision, Verdict


@dataclass(frozen=True)
class Assessment:
    """The deciding score, and its meaning under the decision policy.

    Attributes:
        score: The score on its own scale.
        probability: Probability of fake, in [0, 1]; None if the score has none.
        log10_lr: log10 of the likelihood ratio: how many times more probable the score is among fakes than
            among reals. None if the policy has no likelihood ratio.
        verdict: The verdict; None without a policy.
    """

    score: float
    probability: float | None
    log10_lr: float | None
    verdict: Verdict | None


class ScoreRule:
    """Turns scores into assessments.

    Args:
        decision: The decision policy, which names the deciding score. Without a policy the detector's first
            score decides.
        scores: The detector's scores.

    Raises:
        KeyError: If the detector does not have the policy's score.
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

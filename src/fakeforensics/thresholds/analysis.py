"""The whole threshold analysis of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from fakeforensics.metrics.spec import Scores
from fakeforensics.params import ThresholdsParams
from fakeforensics.thresholds.calibration import calibration_table, fit_calibrators
from fakeforensics.thresholds.decision import decide
from fakeforensics.thresholds.deployable import deployable
from fakeforensics.thresholds.fakes_alone import fakes_alone
from fakeforensics.thresholds.oracle import oracle_table
from fakeforensics.thresholds.rules import Settings


@dataclass(frozen=True)
class Analysis:
    """What the analysis finds.

    Attributes:
        scores: What the scores are.
        oracle: Table 4.10: each set's best thresholds beside validation's.
        fakes_alone: What validation's find of sets without reals; empty where there is no such set.
        rules: Each threshold rule on each set, score and share of fakes.
        summary: The same over the sets.
        calibration: ECE, NLL and Brier score of each calibrator on each set.
        reliability: Points of the reliability diagrams.
        decision: The policy for inference.
        criterion: What validation's threshold maximised.
    """

    scores: Scores
    oracle: list[dict[str, Any]]
    fakes_alone: dict[str, Any]
    rules: pd.DataFrame
    summary: list[dict[str, Any]]
    calibration: list[dict[str, Any]]
    reliability: pd.DataFrame
    decision: dict[str, Any]
    criterion: str


def analyse(
    table: pd.DataFrame, validation: pd.DataFrame, scores: Scores, params: ThresholdsParams, seed: int
) -> Analysis:
    """Analyse the thresholds of a run.

    Args:
        table: The test scores in the protocol's order of sets.
        validation: The validation scores.
        scores: What the scores are.
        params: Which rules are tried, and how.
        seed: Of the bootstrap and of the draws of known reals.

    Raises:
        UserError: If validation has no reals or lacks a score, or a score is not finite.
    """
    settings = Settings(
        criterion=params.criterion,
        shares=params.fake_shares,
        known_reals=params.known_reals,
        false_positive_rates=params.false_positive_rates,
        draws=params.draws,
        seed=seed,
    )
    oracle = oracle_table(table, validation, scores)
    rules, summary = deployable(table, validation, scores, settings, params.bootstrap)
    calibrators = fit_calibrators(validation, scores)
    calibration, reliability = calibration_table(table, scores, calibrators)
    decision = decide(validation, scores, calibrators, params.criterion, params.calibrator)
    alone = fakes_alone(table, validation, scores)
    return Analysis(
        scores, oracle, alone, rules, summary, calibration, reliability, decision, params.criterion
    )

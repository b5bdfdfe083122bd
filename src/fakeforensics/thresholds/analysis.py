"""The whole threshold analysis of a run, and its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fakeforensics.files import atomic_path, write_json
from fakeforensics.params import ThresholdsParams
from fakeforensics.thresholds.calibration import calibration_table, fit_calibrators
from fakeforensics.thresholds.decision import decide
from fakeforensics.thresholds.deployable import deployable
from fakeforensics.thresholds.fakes_alone import fakes_alone
from fakeforensics.thresholds.gap_picture import draw_gap
from fakeforensics.thresholds.oracle import oracle_table
from fakeforensics.thresholds.pictures import draw_oracle
from fakeforensics.thresholds.reliability_picture import draw_reliability
from fakeforensics.thresholds.rules import Settings


@dataclass(frozen=True)
class Analysis:
    """What comes out.

    Attributes:
        oracle: Table 4.10: each set's best thresholds beside validation's.
        fakes_alone: What validation's find of sets without reals; empty where there is no such set.
        rules: Each threshold rule on each set, score and share of fakes.
        summary: The same over the sets.
        calibration: ECE, NLL and Brier score of each calibrator on each set.
        reliability: Points of the reliability diagrams.
        decision: The policy for inference.
        criterion: What validation's threshold maximised.
    """

    oracle: list[dict[str, Any]]
    fakes_alone: dict[str, Any]
    rules: pd.DataFrame
    summary: list[dict[str, Any]]
    calibration: list[dict[str, Any]]
    reliability: pd.DataFrame
    decision: dict[str, Any]
    criterion: str


def analyse(table: pd.DataFrame, validation: pd.DataFrame, params: ThresholdsParams, seed: int) -> Analysis:
    """Analyse the thresholds of a run.

    Args:
        table: The test scores in the protocol's order of sets.
        validation: The validation scores.
        params: Which rules are tried, and how.
        seed: Of the bootstrap and of the draws of known reals.

    Raises:
        UserError: If validation lacks a class or a score, or a score is not finite.
    """
    settings = Settings(
        criterion=params.criterion,
        shares=params.fake_shares,
        known_reals=params.known_reals,
        false_positive_rates=params.false_positive_rates,
        draws=params.draws,
        seed=seed,
    )
    oracle = oracle_table(table, validation)
    rules, summary = deployable(table, validation, settings, params.bootstrap)
    calibrators = fit_calibrators(validation)
    calibration, reliability = calibration_table(table, calibrators)
    decision = decide(validation, calibrators, params.criterion, params.calibrator)
    alone = fakes_alone(table, validation)
    return Analysis(oracle, alone, rules, summary, calibration, reliability, decision, params.criterion)


def _without_answer(rules: pd.DataFrame) -> list[dict[str, Any]]:
    """Which rules say nothing of which sets, and why; that depends on the images and on no score."""
    if rules.empty:
        return []
    silent = rules[rules["fake_share"] == "any"]
    return [
        {"rule": str(rule), "note": str(note), "test_sets": list(dict.fromkeys(rows["test_set"]))}
        for (rule, note), rows in silent.groupby(["rule", "note"], sort=False)
    ]


def write_analysis(
    analysis: Analysis, *, metrics: Path, decision: Path | None, details: Path, plots: Path
) -> None:
    """Write an analysis.

    Args:
        analysis: What came out.
        metrics: The JSON. Its tables are lists of rows, which DVC leaves out of its own tables of metrics;
            what DVC shows is `accuracy`: by score, the mean over the sets at validation's threshold and at
            each set's own best.
        decision: The policy for inference; None writes none.
        details: CSV of each rule on each set.
        plots: A folder for `thresholds.png`, `gap.png`, `reliability.png` and `reliability.csv`.
    """
    accuracy: dict[str, dict[str, float]] = {}
    for row in analysis.summary:
        if row["fake_share"] == "own" and row["rule"] in ("validation", "oracle"):
            accuracy.setdefault(row["score"], {})[row["rule"]] = row["accuracy"]
    draw_oracle(analysis.oracle, plots / "thresholds.png", analysis.criterion)
    draw_gap(analysis.summary, plots / "gap.png")
    draw_reliability(analysis.reliability, plots / "reliability.png")
    for path, rows in ((plots / "reliability.csv", analysis.reliability), (details, analysis.rules)):
        with atomic_path(path) as temporary:
            rows.to_csv(temporary, index=False)
    if decision is not None:
        write_json(decision, analysis.decision)
    write_json(
        metrics,
        {
            "accuracy": accuracy,
            "table_4_10": analysis.oracle,
            **({"fakes_alone": analysis.fakes_alone} if analysis.fakes_alone else {}),
            "deployable": analysis.summary,
            "no_answer": _without_answer(analysis.rules),
            "calibration": analysis.calibration,
        },
    )

"""The threshold analysis of a run, and its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from fakeforensics.errors import UserError
from fakeforensics.files import atomic_path, write_json, write_json_tables
from fakeforensics.metrics.bootstrap import GroupSums, resample_groups
from fakeforensics.metrics.operating import (
    CRITERIA,
    Criterion,
    best_threshold,
    outcome,
    threshold_fields,
    validation_threshold,
)
from fakeforensics.metrics.ranking import rank
from fakeforensics.metrics.spec import VALIDATION, CalibratorKind, Scores, find_score
from fakeforensics.metrics.table import by_test_set
from fakeforensics.params import LikelihoodRatioKind, ThresholdsParams
from fakeforensics.thresholds.calibrate import calibration_table, decide, fit_calibrators
from fakeforensics.thresholds.conformal import fit_conformal, verdict_table
from fakeforensics.thresholds.likelihood import LikelihoodAnalysis, analyze_likelihood
from fakeforensics.thresholds.measure import measure_selectors
from fakeforensics.thresholds.methods import pooled_auc, recall_by_method
from fakeforensics.thresholds.pictures import draw_gap, draw_reliability, draw_thresholds, draw_tippett
from fakeforensics.thresholds.policy import Decision
from fakeforensics.thresholds.targets import make_working_scores

Row = dict[str, Any]

UNDEFINED = (
    "the set holds no real image: it has no precision, no false positive rate, no accuracy of both classes "
    "and no best threshold, and no rule but validation's can be judged on it"
)
DIGITS = 4
SIGNIFICANT = {"probability": 6}  # significant digits of numbers that range over powers of ten
BRIEF = ("score", "rule", "test_set", "threshold", "accuracy", "balanced_accuracy", "fpr", "fnr")


@dataclass(frozen=True)
class Analysis:
    """The results of the analysis.

    Attributes:
        scores: The scores that were analyzed.
        thresholds: Table 4.10: the best thresholds of each set, and validation's; see `threshold_table`.
        rules: The results of each threshold selector by set, score and prevalence (share of fakes).
        summary: The results of each threshold selector over all sets, by score and prevalence.
        calibration: Calibration errors of each calibrator on each set; see `calibration_errors`.
        reliability: Points of the reliability diagrams.
        likelihood: Likelihood ratios, and their quality on validation and on each test set.
        likelihood_kind: The kind of likelihood ratio that the policy uses.
        verdicts: Errors and inconclusive verdicts of the deciding score on each set; see `verdict_table`.
        methods: Recall of each forgery method, worst first; see `recall_by_method`.
        pooled: AUC over all sets together; see `pooled_auc`.
        decision: The policy for inference.
        criterion: What validation's threshold maximized.
    """

    scores: Scores
    thresholds: list[Row]
    rules: pd.DataFrame
    summary: list[Row]
    calibration: list[Row]
    reliability: pd.DataFrame
    likelihood: LikelihoodAnalysis
    likelihood_kind: LikelihoodRatioKind
    verdicts: list[Row]
    methods: list[Row]
    pooled: list[Row]
    decision: Decision
    criterion: Criterion


def analyze(
    table: pd.DataFrame, validation: pd.DataFrame, scores: Scores, params: ThresholdsParams, seed: int
) -> Analysis:
    """Analyze the thresholds of a run.

    Args:
        table: The score table of the test images, with the test sets in the protocol's order.
        validation: The score table of the validation images.
        scores: The scores that both tables hold.
        params: The settings of the group `thresholds`.
        seed: Seed of the bootstrap and of the draws of known reals.

    Raises:
        UserError: If validation has no reals or lacks a score, a score is not finite, or the settings name a
            calibrator and validation has no fakes.
    """
    # Threads do not speed up many small matrix products, and use the cores while they wait for each other.
    with threadpool_limits(limits=1, user_api="blas"):
        return _analyze(table, validation, scores, params, seed)


def _analyze(
    table: pd.DataFrame, validation: pd.DataFrame, scores: Scores, params: ThresholdsParams, seed: int
) -> Analysis:
    kind = calibrator_kind(params, validation)
    working = make_working_scores(table, validation, scores)
    drawn = GroupSums(resample_groups(table, seed), params.bootstrap)
    # It asks for its sums before the first are read, so that the groups are drawn once for all.
    likelihood = analyze_likelihood(table, validation, scores, seed, drawn)
    rules, summary = measure_selectors(table, validation, working, params, seed, drawn)
    thresholds = threshold_table(table, validation, scores)
    calibrators = fit_calibrators(validation, scores)
    calibration, reliability = calibration_table(table, scores, calibrators)
    decision = decide(validation, scores, calibrators, params.criterion, kind)
    deciding = find_score(scores, decision.score)
    cuts = fit_conformal(validation, deciding, params)
    more = likelihood.of_decision(decision.score, params.likelihood_ratio)
    more |= {"conformal": cuts, "inconclusive": params.inconclusive}
    decision = decision.model_copy(update=more)
    return Analysis(
        scores=scores,
        thresholds=thresholds,
        rules=rules,
        summary=summary,
        calibration=calibration,
        reliability=reliability,
        likelihood=likelihood,
        likelihood_kind=params.likelihood_ratio,
        verdicts=verdict_table(table, deciding, cuts, params, seed),
        methods=recall_by_method(table, validation, scores, params.false_positive_rates),
        pooled=pooled_auc(table, scores),
        decision=decision,
        criterion=params.criterion,
    )


def calibrator_kind(params: ThresholdsParams, validation: pd.DataFrame) -> CalibratorKind:
    """The preferred calibrator; `auto` means Platt's.

    Raises:
        UserError: If the settings name a calibrator and validation has no fakes.
    """
    if params.calibrator == "auto":
        return "platt"
    if (validation["label"] == 0).all():
        raise UserError(
            f"`thresholds.calibrator: {params.calibrator}` asks for probabilities of fake",
            expected="validation images of both classes",
            found=f"{len(validation)} real and 0 fake ones",
            fix="set `thresholds.calibrator: auto`, which gives a threshold but no calibrated probability; "
            "or train the protocol on fakes as well",
        )
    return params.calibrator


def threshold_table(table: pd.DataFrame, validation: pd.DataFrame | None, scores: Scores) -> list[Row]:
    """Table 4.10 for our models: the best threshold of each test set by each criterion, and validation's.

    Rows with `chosen_on` = `oracle` use the test labels: they are bounds, not results that a user can reach.
    Rows with `chosen_on` = `validation` use the validation scores alone.

    Args:
        table: The score table of the test images, with the test sets in the protocol's order.
        validation: The score table of the validation images; without it there are only oracles.
        scores: The scores that both tables hold.

    Returns:
        A row for each score, test set, criterion and choice: the threshold on the score's own scale (and as a
        probability, if the score has one), and as fractions precision, recall, accuracy, balanced accuracy,
        the false-positive rate `fpr` and the false-negative rate `fnr`. A fake-only set has no oracle, and
        its rows hold the number of fakes, recall and `fnr`. Sets of reals alone have no rows.

    Raises:
        UserError: If validation has no reals, or a score is not finite.
    """
    rows: list[Row] = []
    for score in scores:
        chosen = {}
        if validation is not None:
            chosen = {name: validation_threshold(validation, score.column, name) for name in CRITERIA}
        for name, images in by_test_set(table):
            values, labels = images[score.column].to_numpy(), images["label"].to_numpy()
            ranking = rank(values, labels, f"{name}, {score.name}")
            for criterion in CRITERIA:
                thresholds = {}
                if ranking.reals and ranking.fakes:
                    thresholds["oracle"] = best_threshold(ranking, criterion, name)
                if chosen and ranking.fakes:
                    thresholds[VALIDATION] = chosen[criterion]
                for choice, threshold in thresholds.items():
                    rows.append(
                        {"score": score.name, "test_set": name, "criterion": criterion, "chosen_on": choice}
                        | threshold_fields(score, threshold)
                        | _rates(values, labels, threshold)
                    )
    return rows


def write_analysis(
    analysis: Analysis, *, metrics: Path, decision: Path | None, details: Path, plots: Path
) -> None:
    """Write an analysis.

    Args:
        analysis: The results.
        metrics: JSON file for the tables that are compared between commits, one row per line: the mean
            accuracy of validation's threshold and of the oracle; table 4.10; each selector on each set and
            over all sets, at the sets' own prevalence; thresholds from known reals and unlabeled scores at
            every prevalence, with the accuracy of validation's threshold and of the oracle there and the
            estimated prevalence; the selectors that do not apply; calibration; likelihood ratios;
            inconclusive verdicts; the methods by recall, lowest first; and the pooled AUC.
        decision: JSON file for the decision policy; None does not write it.
        details: CSV file for each selector on each set at each prevalence, with intervals and notes. A second
            file with the suffix `.summary.csv` has the results over all sets.
        plots: A folder for `thresholds.png`, `gap.png`, `reliability.png` and `tippett.png`, and for the
            points of the last two as CSV files.
    """
    both_classes = [row for row in analysis.thresholds if "accuracy" in row]
    fake_only = [row for row in analysis.thresholds if "accuracy" not in row]
    draw_thresholds(both_classes, analysis.scores, plots / "thresholds.png", analysis.criterion)
    draw_gap(analysis.summary, analysis.scores, plots / "gap.png")
    draw_reliability(analysis.reliability, analysis.scores, plots / "reliability.png")
    draw_tippett(analysis.likelihood.curves, analysis.scores, plots / "tippett.png")
    for path, rows in (
        (plots / "reliability.csv", analysis.reliability),
        (plots / "tippett.csv", analysis.likelihood.curves),
        (details, analysis.rules),
        (details.with_suffix(".summary.csv"), pd.DataFrame(map(_flat, analysis.summary))),
    ):
        with atomic_path(path) as temporary:
            rows.to_csv(temporary, index=False)
    if decision is not None:
        write_json(decision, analysis.decision.model_dump(mode="json"))
    summary = [row for row in analysis.summary if row["fake_share"] == "own"]
    tables = {
        "accuracy": _ends(summary),
        "table_4_10": both_classes,
        **({"fakes_alone": {"rows": fake_only, "undefined": UNDEFINED}} if fake_only else {}),
        "deployable": summary,
        "rules": _by_set(analysis.rules),
        "recall_by_method": analysis.methods,
        "pooled_auc": analysis.pooled,
        "any_share": _at_any_share(analysis.rules),
        "no_answer": _not_applicable(analysis.rules),
        "calibration": analysis.calibration,
        "likelihood_ratio": {
            "calibrator": analysis.likelihood_kind,
            "missing": analysis.likelihood.missing,
        },
        "likelihood_ratio_by_set": analysis.likelihood.rows,
        "inconclusive": analysis.verdicts,
    }
    write_json_tables(metrics, _rounded(tables))


def _rates(values: np.ndarray, labels: np.ndarray, threshold: float) -> dict[str, float]:
    """The error rates of a threshold on a set with both classes, or on a fake-only set."""
    if (labels == 0).any():
        found = outcome(values, labels, threshold).as_dict()
        del found["threshold"]
        return found
    recall = float(np.mean(values >= threshold))
    return {"fakes": labels.size, "recall": recall, "fnr": 1 - recall}


def _flat(row: Row) -> Row:
    """A row of the summary for a CSV file: an interval becomes two columns, one for each end."""
    flat: Row = {}
    for name, value in row.items():
        stem = name.removesuffix("_interval")
        flat |= {name: value} if stem == name else dict.fromkeys((f"{stem}_low", f"{stem}_high"))
        if stem != name and value is not None:
            flat[f"{stem}_low"], flat[f"{stem}_high"] = value
    return flat


def _ends(summary: list[Row]) -> dict[str, dict[str, float]]:
    """By score, the mean accuracy at validation's threshold and at the best threshold of each set."""
    found: dict[str, dict[str, float]] = {row["score"]: {} for row in summary}
    for row in summary:
        if row["rule"] in ("validation", "oracle"):
            found[row["score"]][row["rule"]] = row["accuracy"]
    return found


def _by_set(rules: pd.DataFrame) -> list[Row]:
    if rules.empty:
        return []
    own = rules[rules["fake_share"] == "own"]
    return [{str(name): value for name, value in row.items()} for row in own[list(BRIEF)].to_dict("records")]


def _at_any_share(rules: pd.DataFrame) -> list[Row]:
    if rules.empty or "estimate_mean" not in rules:
        return []
    where = ["score", "test_set", "fake_share"]
    mine = rules[rules["estimate_mean"].notna()]
    for bound in (VALIDATION, "oracle"):
        accuracies = rules.loc[rules["rule"] == bound, [*where, "accuracy"]]
        renamed = accuracies.rename(columns={"accuracy": f"{bound}_accuracy"})
        mine = mine.merge(renamed, on=where, how="left", validate="many_to_one")
    names = ["rule", *where, "threshold", "accuracy", f"{VALIDATION}_accuracy", "oracle_accuracy"]
    estimates = [name for name in map(str, mine) if name.startswith("estimate_")]
    return [
        {str(name): value for name, value in row.items()}
        for row in mine[names + estimates].to_dict("records")
    ]


def _not_applicable(rules: pd.DataFrame) -> list[Row]:
    """The selectors that do not apply to some sets, and why. The scores do not matter for that."""
    if rules.empty:
        return []
    absent = rules[rules["fake_share"] == "any"]
    return [
        {"rule": str(rule), "note": str(note), "test_sets": list(dict.fromkeys(rows["test_set"]))}
        for (rule, note), rows in absent.groupby(["rule", "note"], sort=False)
    ]


def _rounded(value: Any, name: str = "") -> Any:
    """Round rates to four digits. Thresholds stay exact, since inference and users apply them."""
    if isinstance(value, dict):
        return {key: _rounded(item, key) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item, name) for item in value]
    if not isinstance(value, float) or name == "threshold":
        return value
    return float(f"{value:.{SIGNIFICANT[name]}g}") if name in SIGNIFICANT else round(value, DIGITS)

"""Evaluation of anybody's scores: metrics, intervals and thresholds without the rest of the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fakeforensics.errors import UserError
from fakeforensics.files import write_json
from fakeforensics.metrics.comparison import Model, compare, interval_over_runs
from fakeforensics.metrics.details import details
from fakeforensics.metrics.files import write_curves
from fakeforensics.metrics.intervals import intervals
from fakeforensics.metrics.spec import EXTERNAL
from fakeforensics.metrics.stranger import read_stranger
from fakeforensics.metrics.summary import summarise
from fakeforensics.metrics.table import has_both_classes
from fakeforensics.params import ThresholdsParams
from fakeforensics.thresholds.analysis import analyse
from fakeforensics.thresholds.files import write_analysis
from fakeforensics.thresholds.oracle import oracle_table
from fakeforensics.thresholds.pictures import draw_oracle

SCORES = (EXTERNAL,)  # a file of the pipeline is read as if it came from elsewhere
NAME, COLUMN = EXTERNAL.name, EXTERNAL.column


@dataclass(frozen=True)
class Report:
    """What is found out about a detector's scores.

    Attributes:
        metrics: AP, AUC and EER by test set, with intervals; with several runs also their mean and deviation.
        thresholds: Rows of oracle thresholds, beside validation's if there is validation.
        rules: The summary of deployable thresholds; empty without validation.
        comparison: Paired differences in AP; empty without a second detector.
        remarks: For the reader.
    """

    metrics: dict[str, Any]
    thresholds: list[dict[str, Any]]
    rules: list[dict[str, Any]]
    comparison: list[dict[str, Any]]
    remarks: list[str]


def evaluate_scores(
    paths: Sequence[Path],
    out: Path | None = None,
    against: Sequence[Path] = (),
    params: ThresholdsParams | None = None,
    seed: int = 0,
    score: str | None = None,
) -> Report:
    """Evaluate score files.

    Args:
        paths: Files as `evaluation.stranger` reads them; several are runs of one detector with several seeds.
            Thresholds are those of the first.
        out: A folder for metrics.json, thresholds.json, tables and pictures; None writes nothing.
        against: Runs of another detector on the same images (by key, or else by line), compared in pairs.
        params: Settings of the threshold analysis and the number of bootstrap draws.
        seed: Of the draws.
        score: The name of a score, where a table of the pipeline has several.

    Raises:
        UserError: If a file is faulty, no test set has both classes, or runs are not about the same images.
    """
    params = params or ThresholdsParams()
    table, validation, remarks = read_stranger(paths[0], score)
    table = _ranked(table, paths[0])
    runs = [table, *(_ranked(read_stranger(path, score)[0], path) for path in paths[1:])]
    metrics: dict[str, Any] = summarise(table, SCORES, ())
    bounds = intervals(table, SCORES, (), seed, params.bootstrap)
    metrics |= {f"{metric}_interval": values for metric, values in bounds.items()}
    if validation is not None:
        metrics["details"] = details(table, validation, SCORES, seed, params.bootstrap)
    if bounds["auc"][NAME]["mean"][1] < 0.5:
        remarks.append("fakes score lower than reals: if a higher score means real, change its sign")
    if len(runs) > 1:
        of_all = interval_over_runs(Model("first", runs, COLUMN), (), seed, params.bootstrap)
        metrics["over_runs"] = _over_runs(runs) | {"ap_interval": of_all}
    comparison: list[dict[str, Any]] = []
    if against:
        others = [_ranked(read_stranger(path, score)[0], path) for path in against]
        ours, theirs = Model("first", runs, COLUMN), Model("second", others, COLUMN)
        comparison = compare(ours, theirs, (), seed, params.bootstrap)
        metrics["ap_difference"] = comparison
    if out is not None:
        write_json(out / "metrics.json", metrics)
        write_curves(table, SCORES, out)
    if validation is None:
        thresholds, rules = oracle_table(table, None, SCORES), []
        if out is not None:
            write_json(out / "thresholds.json", {"table_4_10": thresholds})
            draw_oracle(thresholds, SCORES, out / "thresholds.png", params.criterion)
    else:
        analysis = analyse(table, validation, SCORES, params, seed)
        thresholds, rules = analysis.oracle, analysis.summary
        if out is not None:
            write_analysis(
                analysis, metrics=out / "thresholds.json", decision=None, details=out / "rules.csv", plots=out
            )
    return Report(metrics, thresholds, rules, comparison, remarks)


def _ranked(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The sets with both classes."""
    kept = table.groupby("test_set", sort=False).filter(has_both_classes).reset_index(drop=True)
    if kept.empty:
        raise UserError(
            f"{path}: no test set holds both reals and fakes", expected="labels 0 and 1 within a test set"
        )
    return kept


def _over_runs(runs: Sequence[pd.DataFrame]) -> dict[str, Any]:
    """Mean and standard deviation over runs of each metric and set."""
    found = [summarise(run, SCORES, ()) for run in runs]
    result: dict[str, Any] = {"runs": len(runs)}
    for metric in ("ap", "auc", "eer"):
        result[metric] = {}
        for name in found[0][metric][NAME]:
            values = [one[metric][NAME].get(name, np.nan) for one in found]
            if np.isnan(values).any():
                raise UserError(f"the runs are not about the same test sets: {name} is missing in one")
            result[metric][name] = {
                "mean": round(float(np.mean(values)), 6),
                "deviation": round(float(np.std(values, ddof=1)), 6),
            }
    return result

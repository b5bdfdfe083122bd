"""`fakeforensics evaluate`: metrics, intervals and thresholds of any detector, from its score files.

A score file is a CSV file with the columns score, label and test_set, and optionally group, split, key and
video; or a score table of the pipeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fakeforensics.errors import UserError
from fakeforensics.files import write_json
from fakeforensics.metrics.compare import Model, Run, compare, compared, interval_over_runs
from fakeforensics.metrics.ranking import roc_auc
from fakeforensics.metrics.registry import METRICS
from fakeforensics.metrics.spec import EXTERNAL, VALIDATION
from fakeforensics.metrics.summary import DIGITS, measure_run, summarize, write_curves
from fakeforensics.metrics.table import has_both_classes
from fakeforensics.params import ThresholdsParams
from fakeforensics.score_file import read_score_file
from fakeforensics.thresholds.advice import Advice, advise
from fakeforensics.thresholds.analysis import Analysis, analyze, threshold_table, write_analysis
from fakeforensics.thresholds.pictures import draw_thresholds
from fakeforensics.wording import counted, percent

SCORES = (EXTERNAL,)  # a table of the pipeline is treated like any other score file
NAME = EXTERNAL.name


@dataclass(frozen=True)
class Report:
    """The evaluation of a detector's scores.

    Attributes:
        metrics: The metrics by test set, with intervals; with several runs also their mean and standard
            deviation over the runs.
        thresholds: Rows of the thresholds chosen with test labels (oracles) and, if there are validation
            scores, of those chosen on validation.
        selectors: The summary of the thresholds that can be deployed; empty without validation scores.
        likelihood: Rows that measure likelihood ratios fitted on validation; empty unless the validation
            scores hold both classes.
        advice: The threshold to use and the errors to expect; None without validation scores.
        comparison: Paired differences by metric; empty without a second detector.
        remarks: Sentences about the data that the reader should know.
        warning: Why no threshold is advised although there are validation scores; else empty.
    """

    metrics: dict[str, Any]
    thresholds: list[dict[str, Any]]
    selectors: list[dict[str, Any]]
    likelihood: list[dict[str, Any]]
    advice: Advice | None
    comparison: dict[str, list[dict[str, Any]]]
    remarks: list[str]
    warning: str = ""


def evaluate_scores(
    paths: Sequence[Path],
    out: Path | None = None,
    against: Sequence[Path] = (),
    params: ThresholdsParams | None = None,
    seed: int = 0,
    score: str | None = None,
    fpr: float | None = None,
) -> Report:
    """Evaluate score files.

    Args:
        paths: Score files. Several files are runs of one detector with different seeds; thresholds come from
            the first run.
        out: A folder for metrics.json, thresholds.json, tables and pictures; None writes nothing.
        against: Runs of another detector on the same images, for a paired comparison. Images are matched by
            key or, without keys, by line.
        params: Settings of the threshold analysis and the number of bootstrap replicates.
        seed: Seed of the bootstrap.
        score: Name of the score to read, if a table of the pipeline has several.
        fpr: False-positive rate of the advised threshold, in (0, 1); None advises the threshold of highest
            accuracy.

    Raises:
        UserError: If a file is faulty, validation has too few reals for `fpr`, no test set has both classes,
            or the runs score different images.
    """
    params = params or ThresholdsParams()
    remarks: list[str] = []
    runs = [_read_run(path, score, remarks) for path in paths]
    table, validation = runs[0]
    metrics, more = measure_run(table, validation, SCORES, (), seed, params.bootstrap)
    metrics |= more
    warning, advice = "", None
    if _falls(validation) or metrics["auc_interval"][NAME]["mean"][1] < 0.5:
        warning = (
            "fakes score lower than reals, so no threshold is advised. If a higher score means real, change "
            "the sign of the scores"
        )
    else:
        advice = advise(table, validation, EXTERNAL.column, fpr)
    model = Model("first", runs, EXTERNAL)
    if len(runs) > 1:
        metrics["over_runs"] = _over_runs(runs) | {
            f"{metric.name}_interval": interval_over_runs(metric, model, (), seed, params.bootstrap)
            for metric in compared()
            if not metric.fakes_alone
        }
    comparison: dict[str, list[dict[str, Any]]] = {}
    if against:
        others = [_read_run(path, score, remarks) for path in against]
        for path, one in zip(against, others, strict=True):
            _need_same_images(paths[0], table, path, one.test)
        other = Model("second", others, EXTERNAL)
        comparison = compare([(model, other)], (), seed, params.bootstrap)
        metrics |= comparison
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"{out}: this folder cannot be created", found=error.strerror, fix="change --out"
            ) from None
    thresholds, analysis = _analyze_thresholds(runs[0], params, seed, out)
    if analysis is not None:
        metrics |= analysis.likelihood.summary(params.likelihood_ratio, ())
        if analysis.likelihood.missing:
            remarks.append(f"there are no likelihood ratios: {analysis.likelihood.missing}")
    if advice is not None:
        metrics["advice"] = advice.as_json()
    if out is not None:
        write_curves(table, SCORES, out)
        write_json(out / "metrics.json", metrics)  # last: if it exists, the other files do too
    selectors = analysis.summary if analysis else []
    likelihood = analysis.likelihood.rows if analysis else []
    return Report(metrics, thresholds, selectors, likelihood, advice, comparison, remarks, warning)


def _falls(validation: pd.DataFrame | None) -> bool:
    """Whether the fakes of validation score lower than its reals."""
    if validation is None or not has_both_classes(validation):
        return False
    return roc_auc(validation[EXTERNAL.column].to_numpy(), validation["label"].to_numpy()) < 0.5


def _need_same_images(path: Path, test: pd.DataFrame, other_path: Path, other: pd.DataFrame) -> None:
    """Raise a UserError unless two files score the same images in the same test sets."""
    mine, theirs = (set(zip(one["test_set"], one["key"], strict=True)) for one in (test, other))
    if mine == theirs:
        return
    shared, example = len(mine & theirs), min(mine ^ theirs)
    raise UserError(
        f"{other_path}: not the same images as in {path}",
        expected=f"the same {len(mine)} pairs of test_set and key",
        found=f"{len(theirs)} pairs, {shared} of them the same; only one has {example[1]!r} of {example[0]}",
        fix="score the same images, and name each by the same key in both files (without the column key, "
        "images are matched by line)",
    )


def _analyze_thresholds(
    run: Run, params: ThresholdsParams, seed: int, out: Path | None
) -> tuple[list[dict[str, Any]], Analysis | None]:
    """Oracle thresholds and, if there are validation scores, the whole analysis."""
    if run.validation is None:
        oracle = threshold_table(run.test, None, SCORES)
        if out is not None:
            write_json(out / "thresholds.json", {"table_4_10": oracle})
            draw_thresholds(oracle, SCORES, out / "thresholds.png", params.criterion)
        return oracle, None
    analysis = analyze(run.test, run.validation, SCORES, params, seed)
    if out is not None:
        write_analysis(
            analysis, metrics=out / "thresholds.json", decision=None, details=out / "rules.csv", plots=out
        )
    return analysis.thresholds, analysis


def _read_run(path: Path, score: str | None, remarks: list[str]) -> Run:
    """Read the test sets with both classes, and the validation scores; adds new remarks to `remarks`."""
    table, validation, found = read_score_file(path, score)
    remarks += [remark for remark in found if remark not in remarks]
    kept = table.groupby("test_set", sort=False).filter(has_both_classes).reset_index(drop=True)
    if kept.empty:
        raise UserError(
            f"{path}: no test set holds both reals and fakes", expected="labels 0 and 1 within a test set"
        )
    return Run(kept, validation)


def _over_runs(runs: Sequence[Run]) -> dict[str, Any]:
    """Mean and standard deviation (n − 1) over the runs, for each metric and test set."""
    found = [summarize(run.test, run.validation, SCORES, ()) for run in runs]
    result: dict[str, Any] = {"runs": len(runs)}
    for metric, by_score in found[0].items():
        result[metric] = {}
        for name in by_score[NAME]:
            values = [one.get(metric, {}).get(NAME, {}).get(name, np.nan) for one in found]
            if np.isnan(values).any():
                raise UserError(f"the runs do not have the same test sets: {name} is missing from one run")
            result[metric][name] = {
                "mean": round(float(np.mean(values)), DIGITS),
                "deviation": round(float(np.std(values, ddof=1)), DIGITS),
            }
    return result


def render(report: Report) -> str:
    """The report as text for a terminal."""
    metrics = report.metrics
    shown = [metric for metric in METRICS if "summary" in metric.where and metric.name in metrics]
    sets = metrics[shown[0].name][NAME]
    widest = max(map(len, ["test set", *sets, *([VALIDATION] if report.likelihood else [])]))
    columns = [
        [
            _with_bounds(value, metrics.get(f"{metric.name}_interval", {}).get(NAME, {}).get(name))
            for name, value in metrics[metric.name][NAME].items()
        ]
        for metric in shown
    ]
    headings = [
        f"{metric.label} [95% interval]" if f"{metric.name}_interval" in metrics else metric.label
        for metric in shown
    ]
    cells = [heading.center(len(column[0])) for heading, column in zip(headings, columns, strict=True)]
    lines = [f"warning: {report.warning}", ""] if report.warning else []
    lines += [f"{'test set':{widest}}  " + "  ".join(cells)]
    lines += [
        f"{name:{widest}}  " + "  ".join(row)
        for name, row in zip(sets, zip(*columns, strict=True), strict=True)
    ]
    lines += ["", f"{'test set':{widest}}  threshold of the highest accuracy"]
    for row in report.thresholds:
        if row["criterion"] == "accuracy":
            label = "oracle (test labels)" if row["chosen_on"] == "oracle" else "validation"
            rates = "  ".join(f"{name} {row[name]:.4f}" for name in ("accuracy", "fpr", "fnr"))
            # Nine digits distinguish any two 32-bit scores.
            lines.append(f"{row['test_set']:{widest}}  {label:20}  {row['threshold']:15.9g}  {rates}")
    if report.advice is not None:
        lines += ["", str(report.advice)]
    if report.selectors:
        lines += ["", "rule                      sets  mean accuracy  gap closed  worst set"]
        for row in report.selectors:
            if row["fake_share"] == "own":
                closed = "–" if row["gap_closed"] is None else percent(row["gap_closed"], digits=0)
                leaning = "  (depends on the share of fakes)" if row["leans_on_fake_share"] else ""
                if row["fallbacks"]:
                    absent = counted(row["fallbacks"], "set")
                    leaning += f"  (finds no threshold on {absent}; uses that of validation)"
                lines.append(
                    f"{row['rule']:24}  {row['sets']:>4}  {row['accuracy']:13.4f}  {closed:>10}  "
                    f"{row['worst_set']} {row['worst_accuracy']:.4f}{leaning}"
                )
    if report.likelihood:
        lines += ["", f"{'test set':{widest}}  likelihood ratio    Cllr  Cllr_min  misleading reals  fakes"]
        for row in report.likelihood:
            cells = [
                f"{row[key]:.4f}" if key in row else "–"
                for key in ("cllr", "cllr_min", "misleading_reals", "misleading_fakes")
            ]
            figures = f"{cells[0]:>6}  {cells[1]:>8}  {cells[2]:>16}  {cells[3]:>6}"
            lines.append(f"{row['test_set']:{widest}}  {row['calibrator']:16}  {figures}")
    labels = {metric.name: metric.label for metric in compared() if not metric.fakes_alone}
    for metric, label in labels.items():
        if "over_runs" in metrics:
            runs = metrics["over_runs"]
            heading = f"{label} over {counted(runs['runs'], 'run')} [95% interval], deviation"
            lines += ["", f"{'test set':{widest}}  {heading}"]
            for name, one in runs[metric].items():
                mean = _with_bounds(one["mean"], runs[f"{metric}_interval"][name])
                lines.append(f"{name:{widest}}  {mean}  {one['deviation']:.4f}")
        if rows := report.comparison.get(f"{metric}_difference"):
            lines += ["", f"{'test set':{widest}}  {label} difference, first minus second, paired"]
            lines += [
                f"{row['test_set']:{widest}}  {row['difference']:+.4f} [{row['low']:+.4f}, "
                f"{row['high']:+.4f}]  p = {row['p_value']:.4f}"
                for row in rows
            ]
    return "\n".join(lines + [""] * bool(report.remarks) + [f"note: {remark}" for remark in report.remarks])


def _with_bounds(value: float, bounds: list[float] | None) -> str:
    return f"{value:.4f}" + (f" [{bounds[0]:.4f}, {bounds[1]:.4f}]" if bounds else "")

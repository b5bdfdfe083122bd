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
from fakeforensics.metrics.bootstrap import group_names
from fakeforensics.metrics.compare import Model, Run, compare, compared, interval_over_runs
from fakeforensics.metrics.registry import METRICS
from fakeforensics.metrics.spec import EXTERNAL, VALIDATION
from fakeforensics.metrics.summary import DIGITS, measure_run, summarize, write_curves
from fakeforensics.metrics.table import TAKEN, has_both_classes, need_one_label, read_scores
from fakeforensics.params import ThresholdsParams
from fakeforensics.reading import check_file
from fakeforensics.thresholds.advice import Advice, advise
from fakeforensics.thresholds.analysis import Analysis, analyze, threshold_table, write_analysis
from fakeforensics.thresholds.pictures import draw_thresholds
from fakeforensics.wording import counted, percent

SCORES = (EXTERNAL,)  # a table of the pipeline is treated like any other score file
NAME = EXTERNAL.name
NEEDED = ("score", "label", "test_set")
OPTIONAL = ("group", "split", "key", "video")
SPLITS = {"test": "test", "": "test", "val": "val", "validation": "val"}
LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "real": 0, "fake": 1}
LARGEST = 1e150  # a larger score stands for a missing value, and its square may overflow
FEW = 10  # with fewer groups of a class, an interval is too narrow
SATURATED = 0.01  # with a larger share of scores that are exactly 0 or 1, the report has a remark


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
    """

    metrics: dict[str, Any]
    thresholds: list[dict[str, Any]]
    selectors: list[dict[str, Any]]
    likelihood: list[dict[str, Any]]
    advice: Advice | None
    comparison: dict[str, list[dict[str, Any]]]
    remarks: list[str]


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
    advice = advise(table, validation, EXTERNAL.column, fpr)
    metrics, more = measure_run(table, validation, SCORES, (), seed, params.bootstrap)
    metrics |= more
    if metrics["auc_interval"][NAME]["mean"][1] < 0.5:
        remarks.append("fakes score lower than reals: if a higher score means real, change its sign")
    model = Model("first", runs, EXTERNAL)
    if len(runs) > 1:
        metrics["over_runs"] = _over_runs(runs) | {
            f"{metric.name}_interval": interval_over_runs(metric, model, (), seed, params.bootstrap)
            for metric in compared()
            if not metric.fakes_alone
        }
    comparison: dict[str, list[dict[str, Any]]] = {}
    if against:
        other = Model("second", [_read_run(path, score, remarks) for path in against], EXTERNAL)
        comparison = compare([(model, other)], (), seed, params.bootstrap)
        metrics |= comparison
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{out}: cannot be a folder", found=error.strerror, fix="change --out") from None
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
    return Report(metrics, thresholds, selectors, likelihood, advice, comparison, remarks)


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
    table, validation, found = read_external(path, score)
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
                raise UserError(f"the runs are not about the same test sets: {name} is missing in one")
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
    widest = max(map(len, ["test set", *sets]))
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
    lines = [f"{'test set':{widest}}  " + "  ".join(cells)]
    lines += [
        f"{name:{widest}}  " + "  ".join(row)
        for name, row in zip(sets, zip(*columns, strict=True), strict=True)
    ]
    lines += ["", f"{'test set':{widest}}  threshold of highest accuracy"]
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


def read_external(
    path: Path, score: str | None = None
) -> tuple[pd.DataFrame, pd.DataFrame | None, list[str]]:
    """Read a score file.

    Needed columns: `score` (a finite number; higher is more likely fake), `label` (0 or real, 1 or fake) and
    `test_set`. Optional columns: `group` (rows of one group are resampled together: a video, or a photograph
    with its edits), `split` (`test` or `val`; test by default), `key` (identifies an image, also one that is
    in several test sets) and `video`. Other columns are ignored.

    Args:
        path: A CSV file, or a table of the pipeline: `data/scores/<protocol>/<detector>.parquet`.
        score: Name of the score to read, if a table of the pipeline has several; otherwise ignored.

    Returns:
        The test scores, with test sets in order of appearance; the validation scores or None; remarks for
        the reader.

    Raises:
        UserError: If the file is missing, is not CSV, lacks a column or a value, or has no test rows.
    """
    raw = _read_own(path, score) if path.suffix == ".parquet" else _read_csv(path)
    if missing := [name for name in NEEDED if name not in raw]:
        raise UserError(
            f"{path}: the column {missing[0]} is missing",
            expected=", ".join(NEEDED) + "; optionally " + ", ".join(OPTIONAL),
            found=", ".join(map(str, raw.columns)) or "no column at all",
        )
    for name in (one for one in NEEDED[1:] + OPTIONAL if one in raw):
        raw[name] = raw[name].str.strip()
        # An unpaired quote merges several lines into one value.
        unprintable = ~raw[name].map(str.isprintable).to_numpy(dtype=bool)
        _refuse(path, raw, name, unprintable, "text in one line, without control characters")
    values = pd.to_numeric(raw["score"], errors="coerce").to_numpy(dtype=np.float64)
    _refuse(path, raw, "score", ~(np.abs(values) < LARGEST), "a finite number with a decimal point")
    label = raw["label"].str.lower().map(LABELS)
    _refuse(path, raw, "label", label.isna().to_numpy(), "0 for real or 1 for fake")
    split = raw["split"].str.lower() if "split" in raw else pd.Series("test", index=raw.index)
    _refuse(path, raw, "split", ~split.isin(list(SPLITS)).to_numpy(), "test or val")
    split = split.map(SPLITS)
    is_test = (split == "test").to_numpy()
    unnamed = is_test & raw["test_set"].str.lower().isin(["", *TAKEN]).to_numpy()
    _refuse(path, raw, "test_set", unnamed, f"a name other than {', '.join(TAKEN)}")
    own = pd.Series([f"row {number + 2}" for number in range(len(raw))])
    table = pd.DataFrame({"test_set": raw["test_set"].where(is_test, VALIDATION)}).assign(
        key=raw["key"].where(raw["key"] != "", own) if "key" in raw else own,
        label=label.astype(np.int8),
        score=values,
        frame=-1,
        **{name: raw.get(name, "") for name in ("group", "video")},
        **dict.fromkeys(("method", "domain", "source"), ""),
    )
    test = table[is_test].reset_index(drop=True)
    if test.empty:
        raise UserError(f"{path}: there is no row with split test", expected="at least one test set")
    twice = test.duplicated(["test_set", "key"])
    if twice.any():
        row = test[twice].iloc[0]
        raise UserError(f"{path}: the key {row['key']!r} appears twice in the test set {row['test_set']!r}")
    for columns in (["key"], ["test_set", "source", "video"]):
        need_one_label(table, *columns, where=f"{path}: ")
    validation = table[~is_test].reset_index(drop=True)
    own_sets = table[~is_test].assign(test_set=raw.loc[~is_test, "test_set"])
    if (again := own_sets[own_sets.duplicated(["test_set", "key"])]).size:
        raise UserError(f"{path}: the key {again['key'].iloc[0]!r} appears twice in the validation rows")
    return test, (None if validation.empty else validation), _remarks(raw, test, validation)


def _read_own(path: Path, name: str | None) -> pd.DataFrame:
    """Read a score table of the pipeline into the columns of a CSV file, as text.

    The validation scores come from `<name>.val.parquet` in the same folder, if that file exists. Scores are
    converted to their working scale, on which the pipeline chooses thresholds.
    """
    own = path.with_suffix(".val.parquet")
    parts = {"test": read_scores(path)} | ({"val": read_scores(own)} if own.is_file() else {})
    scores = parts["test"].scores
    chosen = scores if len(scores) == 1 else tuple(score for score in scores if score.name == name)
    if not chosen:
        raise UserError(
            f"{path}: the table has several scores; choose one",
            expected=" or ".join(score.name for score in scores),
            found=name or "no name",
            fix=f"add --score {scores[0].name}",
        )
    tables = []
    for split, (rows, of_split, _) in parts.items():
        if chosen[0] not in of_split:
            problem = f"{own}: lacks the score {chosen[0].name} of {path.name}"
            raise UserError(problem, fix="run the score stage again")
        kept = rows[["key", "test_set", "label", "group", "video"]]
        tables.append(kept.assign(score=chosen[0].to_working(rows[chosen[0].column]), split=split))
    return pd.concat(tables, ignore_index=True).astype(str)


def _read_csv(path: Path) -> pd.DataFrame:
    check_file(path, "name a CSV file; write the output of a pipe to a file first")
    try:
        # The header is read as a row, so that pandas refuses longer rows, such as those with a score 0,91.
        cells = pd.read_csv(path, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not text in UTF-8", expected="a CSV file", found=error.reason) from None
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        expected = "fields separated by commas, and numbers with a decimal point, such as 0.91"
        raise UserError(f"{path}: not a CSV file", expected=expected, found=str(error)) from None
    header = list(cells.iloc[0])
    plain = [name.strip().lower() for name in header]
    if twice := [name for name in NEEDED + OPTIONAL if name in header and plain.count(name) > 1]:
        raise UserError(f"{path}: the column {twice[0]} appears twice", expected="each column once")
    return cells[1:].set_axis(header, axis=1).reset_index(drop=True)


def _refuse(path: Path, raw: pd.DataFrame, column: str, bad: np.ndarray, expected: str) -> None:
    if bad.any():
        first = int(np.argmax(bad))
        raise UserError(
            f"{path}, line {first + 2}: {column} is {raw[column].iloc[first]!r}",
            expected=expected,
            found=f"{int(bad.sum())} such rows of {len(bad)}",
        )


def _remarks(raw: pd.DataFrame, test: pd.DataFrame, validation: pd.DataFrame) -> list[str]:
    ends = float(test["score"].isin([0.0, 1.0]).mean())
    is_probability = pd.concat([test["score"], validation["score"]]).between(0, 1).all()
    about_all = {
        "no rows with split val: the thresholds shown are oracles, chosen with the test labels; none of them "
        "could be deployed": validation.empty,
        "no column group: intervals treat every row as independent of all others": "group" not in raw,
        f"{ends:.0%} of the scores are exactly 0 or 1: ties cost precision; use logits instead": ends
        > SATURATED
        and is_probability,
    } | {
        f"validation and test share {rows[column].nunique()} of the column {column} (such as "
        f"{rows[column].iloc[0]!r}; {len(rows)} test rows): thresholds look better than they are": True
        for column in ("key", "group", "video")
        if len(rows := test[test[column].isin({*validation[column]} - {""})])
    }
    groups = test.assign(unit=group_names(test)).groupby(["test_set", "label"], sort=False)["unit"].nunique()
    by_set = test.groupby("test_set", sort=False)
    about_sets = {
        "test sets with one class have no metrics": by_set["label"].nunique() == 1,
        "all scores are equal, so the metrics say nothing": by_set["score"].nunique() == 1,
        f"fewer than {FEW} groups of a class make intervals too narrow": groups.groupby("test_set").min()
        < FEW,
    }
    return [remark for remark, is_so in about_all.items() if is_so] + [
        f"{remark}: {', '.join(map(str, is_so.index[is_so]))}"
        for remark, is_so in about_sets.items()
        if is_so.any()
    ]

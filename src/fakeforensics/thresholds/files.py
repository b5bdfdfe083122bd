"""The files of the threshold analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from fakeforensics.files import atomic_path, write_json, write_json_tables
from fakeforensics.thresholds.analysis import Analysis
from fakeforensics.thresholds.gap_picture import draw_gap
from fakeforensics.thresholds.pictures import draw_oracle, draw_reliability

DIGITS = 4
# Of numbers that range over powers of ten.
SIGNIFICANT = {"probability": 6}
BRIEF = ("score", "rule", "test_set", "threshold", "accuracy", "balanced_accuracy", "fpr", "fnr")


def write_analysis(
    analysis: Analysis, *, metrics: Path, decision: Path | None, details: Path, plots: Path
) -> None:
    """Write an analysis.

    Args:
        analysis: What came out.
        metrics: JSON of what is compared between commits, a row a line: the mean accuracy at the two ends of
            the gap; table 4.10; each rule on each set, and over the sets, at the sets' own shares of fakes;
            which rules have no answer; calibration.
        decision: The policy for inference; None writes none.
        details: CSV of each rule on each set at each share of fakes, with intervals and notes. Beside it,
            with the suffix `.summary.csv`, the same over the sets.
        plots: A folder for `thresholds.png`, `gap.png`, `reliability.png` and `reliability.csv`.
    """
    draw_oracle(analysis.oracle, analysis.scores, plots / "thresholds.png", analysis.criterion)
    draw_gap(analysis.summary, analysis.scores, plots / "gap.png")
    draw_reliability(analysis.reliability, analysis.scores, plots / "reliability.png")
    for path, rows in (
        (plots / "reliability.csv", analysis.reliability),
        (details, analysis.rules),
        (details.with_suffix(".summary.csv"), pd.DataFrame(map(_flat, analysis.summary))),
    ):
        with atomic_path(path) as temporary:
            rows.to_csv(temporary, index=False)
    if decision is not None:
        write_json(decision, analysis.decision)
    summary = [row for row in analysis.summary if row["fake_share"] == "own"]
    tables: dict[str, Any] = {
        "accuracy": _ends(summary),
        "table_4_10": analysis.oracle,
        "fakes_alone": analysis.fakes_alone,
        "deployable": summary,
        "rules": _by_set(analysis.rules),
        "no_answer": _without_answer(analysis.rules),
        "calibration": analysis.calibration,
    }
    if not analysis.fakes_alone:
        del tables["fakes_alone"]
    write_json_tables(metrics, _rounded(tables))


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A summary's row for a CSV: an interval's ends in columns of their own."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if name.endswith("_interval"):
            ends = value or (None, None)
            flat |= {name.replace("_interval", "_low"): ends[0], name.replace("_interval", "_high"): ends[1]}
        else:
            flat[name] = value
    return flat


def _ends(summary: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """By score, the mean accuracy at validation's threshold and at each set's own best."""
    found: dict[str, dict[str, float]] = {}
    for row in summary:
        if row["rule"] in ("validation", "oracle"):
            found.setdefault(row["score"], {})[row["rule"]] = row["accuracy"]
    return found


def _by_set(rules: pd.DataFrame) -> list[dict[str, Any]]:
    if rules.empty:
        return []
    own = rules[rules["fake_share"] == "own"]
    return [{str(name): value for name, value in row.items()} for row in own[list(BRIEF)].to_dict("records")]


def _without_answer(rules: pd.DataFrame) -> list[dict[str, Any]]:
    """Which rules say nothing of which sets, and why; that depends on the images and on no score."""
    if rules.empty:
        return []
    silent = rules[rules["fake_share"] == "any"]
    return [
        {"rule": str(rule), "note": str(note), "test_sets": list(dict.fromkeys(rows["test_set"]))}
        for (rule, note), rows in silent.groupby(["rule", "note"], sort=False)
    ]


def _rounded(value: Any, name: str = "") -> Any:
    """Rates of four digits; thresholds as they are, since inference and others may cut by them."""
    if isinstance(value, dict):
        return {key: _rounded(item, key) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item, name) for item in value]
    if not isinstance(value, float) or name == "threshold":
        return value
    return float(f"{value:.{SIGNIFICANT[name]}g}") if name in SIGNIFICANT else round(value, DIGITS)

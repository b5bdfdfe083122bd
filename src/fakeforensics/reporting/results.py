"""Reads the results that the earlier stages wrote for a protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from fakeforensics.errors import UserError
from fakeforensics.files import LEFT_OUT
from fakeforensics.images.manifest import read_manifest
from fakeforensics.lambda_grid import FILE as GRID
from fakeforensics.metrics.files import read_counts, read_result
from fakeforensics.metrics.summary import file_name
from fakeforensics.metrics.table import read_scores
from fakeforensics.models.card import CARD, DetectorCard, detector_card, read_card
from fakeforensics.parsing import parse
from fakeforensics.reading import REPEAT, check_file, read_json
from fakeforensics.reporting.columns import ScoreColumn, in_places, score_columns
from fakeforensics.reporting.reference import Reference
from fakeforensics.seeds import FILE as SEEDS
from fakeforensics.splits.protocol import Protocol, load_protocol
from fakeforensics.sums import is_listed
from fakeforensics.thresholds.policy import DECISION, Decision, read_decision

COMPARISON = "comparison.json"
# Keys of metrics/<protocol>/<detector>.json for test sets of fakes alone: the accuracy at probability 0.5,
# or for a score without a probability at the threshold with the highest accuracy on validation images.
FAKE_ONLY = ("accuracy", "accuracy_at_validation_threshold")
_AXES = {"pr": ("recall", "precision"), "roc": ("fpr", "tpr")}  # columns of the curves


class _Audit(BaseModel):
    """The part of `audit.json` that the report shows, from `splits.audit`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    warnings: list[str]
    format_bias: dict[str, dict[str, Any]]
    formats: dict[str, dict[str, Any]]
    copies: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class ProtocolResults:
    """All results of one protocol.

    Args:
        root: The project's folder.
        name: The protocol's name.
        protocol: The protocol.
        counts: The class counts of its manifests; None if the splits stage has not run.
        columns: The scores of the detectors that have metrics and a card, in order.
        metrics: Detector → its metrics. This and the following mappings hold only detectors with columns.
        details: Detector → the intervals of its metrics.
        thresholds: Detector → its threshold analysis.
        robustness: Detector → average precision and accuracy under corruptions.
        cards: Detector → its model's whole card.
        detectors: Detector → the part of the card about the detector itself.
        left_out: Detector → why the protocol does not run it.
        missing: Files that were expected and not found.
        reference: Published figures for the same protocol; None if there are none.
        seeds: The spread of average precision over seeds; None if it was not measured.
        grid: The results for each lambda of a grid, from `lambda_grid`; None if no grid was trained.
        comparison: The paired differences of average precision, from the compare stage; None without them.
        decisions: Detector → its decision policy, if it has one.
        telling: `train` or test set → how the coding of its files alone tells real from fake, in words. Sets
            for which it does not are absent.
    """

    root: Path
    name: str
    protocol: Protocol
    counts: dict[str, Any] | None
    columns: tuple[ScoreColumn, ...]
    metrics: dict[str, dict[str, Any]]
    details: dict[str, dict[str, Any]]
    thresholds: dict[str, dict[str, Any]]
    robustness: dict[str, dict[str, Any]]
    cards: dict[str, dict[str, Any]]
    detectors: dict[str, DetectorCard]
    left_out: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    reference: Reference | None = None
    seeds: dict[str, Any] | None = None
    grid: dict[str, Any] | None = None
    comparison: dict[str, Any] | None = None
    decisions: dict[str, Decision] = field(default_factory=dict)
    telling: dict[str, str] = field(default_factory=dict)

    @property
    def page(self) -> str:
        """The address of its page, seen from the index."""
        return f"{self.name}/index.html"

    def label(self, test_set: str) -> str:
        """The name of a test set in the publication that the protocol repeats, or else its own name."""
        return self.reference.labels.get(test_set, test_set) if self.reference else test_set

    def value(self, metric: str, column: ScoreColumn, test_set: str) -> float | None:
        """A metric on a test set, `mean` or `mean_unseen`, unchanged from its file; None if not measured."""
        by_score = self.metrics.get(column.detector, {}).get(metric)
        by_set = by_score.get(column.spec.name) if isinstance(by_score, dict) else None
        value = by_set.get(test_set) if isinstance(by_set, dict) else None
        return float(value) if isinstance(value, int | float) else None

    def interval(self, metric: str, column: ScoreColumn, test_set: str) -> tuple[float, float] | None:
        """The 95% interval of a metric on a test set, `mean` or `mean_unseen`, or None."""
        by_score = self.details.get(column.detector, {}).get(f"{metric}_interval", {})
        bounds = by_score.get(column.spec.name, {}).get(test_set)
        return None if bounds is None else (float(bounds[0]), float(bounds[1]))

    def ap(self, column: ScoreColumn, test_set: str) -> float | None:
        """Average precision in percent, or None where it was not measured."""
        return _percent(self.value("ap", column, test_set))

    def ap_interval(self, column: ScoreColumn, test_set: str) -> tuple[float, float] | None:
        """The 95% interval of average precision in percent, or None."""
        return _percents(self.interval("ap", column, test_set))

    def published_ap(self, column: ScoreColumn, test_set: str) -> float | None:
        """The published average precision in percent, or None."""
        rows = self.reference.ap.rows if self.reference and self.reference.ap else {}
        return rows.get(test_set, {}).get(column.key)

    def fake_accuracy(self, column: ScoreColumn, test_set: str) -> float | None:
        """The percentage of fakes recognized in a test set of fakes alone; None for sets of both classes."""
        found = (self.value(metric, column, test_set) for metric in FAKE_ONLY)
        return _percent(next((value for value in found if value is not None), None))

    def fake_accuracy_interval(self, column: ScoreColumn, test_set: str) -> tuple[float, float] | None:
        """The 95% interval of `fake_accuracy`, in percent, or None."""
        for row in self.details.get(column.detector, {}).get("fakes_alone", ()):
            if (row["score"], row["test_set"]) == (column.spec.name, test_set):
                return _percents(row["accuracy_interval"])
        return None

    @property
    def fake_only(self) -> tuple[str, ...]:
        """The test sets of fakes alone, in the protocol's order."""
        return tuple(
            name
            for name in self.protocol.test
            if any(self.fake_accuracy(column, name) is not None for column in self.columns)
        )

    @property
    def ranked(self) -> tuple[str, ...]:
        """The test sets with both classes: first the published ones in the published order, then the others.

        Published sets that the protocol does not test are included, so that the report shows them as missing.
        Empty if no detector has average precisions.
        """
        if all(self.ap(column, name) is None for column in self.columns for name in self.protocol.test):
            return ()
        published = list(self.reference.ap.rows) if self.reference and self.reference.ap else []
        others = (name for name in self.protocol.test if name not in self.fake_only)
        return tuple(dict.fromkeys([*published, *others]))

    def prevalence(self, test_set: str) -> float | None:
        """The percentage of fakes in a test set with both classes, which is the AP of a random guess."""
        count = (self.counts or {}).get("test", {}).get(test_set)
        if not count or not count["real"] or not count["fake"]:
            return None
        return 100 * float(count["fake"]) / float(count["real"] + count["fake"])

    def chance(self, test_sets: Iterable[str]) -> float | None:
        """The mean of the sets' prevalences in percent, or None if one is not known."""
        shares = [self.prevalence(name) for name in test_sets]
        known = [share for share in shares if share is not None]
        return sum(known) / len(known) if known and len(known) == len(shares) else None

    def mark(self, test_set: str) -> str:
        """The mark of a test set in tables: a warning if the coding of its files tells the label, else ""."""
        return "file format tells" if test_set in self.telling else ""

    def scores(self, detector: str) -> pd.DataFrame | None:
        """Test scores, one row per test set and image, or None if there are none."""
        path = self.root / "data" / "scores" / self.name / f"{detector}.parquet"
        return read_scores(path).rows if path.is_file() else None

    def curve(self, kind: str, detector: str, test_set: str) -> pd.DataFrame | None:
        """A `pr` or `roc` curve, one row per point and score, or None if there is none."""
        path = self.root / "plots" / self.name / detector / kind / f"{file_name(test_set)}.csv"
        return _read_points(path, ("score",), _AXES[kind]) if path.exists() or is_listed(path) else None

    def tippett(self, detector: str) -> pd.DataFrame | None:
        """Tippett curves, one row per point, score, kind, set and label, or None if there are none."""
        path = self.root / "plots" / self.name / detector / "tippett.csv"
        if not path.exists() and not is_listed(path):
            return None
        return _read_points(path, ("score", "calibrator", "test_set"), ("label", "log10_lr", "share"))

    def manifest(self, split: Literal["train", "val", "test"]) -> pd.DataFrame | None:
        """The manifest of a split, or None if there is none."""
        path = self.root / "data" / "manifests" / self.name / f"{split}.parquet"
        return read_manifest(path) if path.is_file() else None

    def audit(self) -> dict[str, Any] | None:
        """The audit of leakage and format bias, or None if there is none."""
        return _read_audit(self.root / "data" / "manifests" / self.name / "audit.json")


def _read_points(path: Path, texts: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
    """Read the points of a curve from a CSV file.

    Args:
        path: The file.
        texts: Columns of text that it must have.
        numbers: Columns of numbers that it must have.

    Raises:
        UserError: If the file is not a table, or lacks one of these columns.
    """
    check_file(path)
    try:
        rows = pd.read_csv(path, dtype=dict.fromkeys(texts, str), keep_default_na=False)
        lacking = [name for name in (*texts, *numbers) if name not in rows]
        lacking = lacking or [name for name in numbers if not pd.api.types.is_numeric_dtype(rows[name])]
        problem = f"no numbers in {', '.join(lacking)}" if lacking else ""
    except ValueError as error:  # pandas' parser errors and bytes that are not UTF-8
        problem = str(error)
    if problem:
        expected = f"a table with the columns {', '.join((*texts, *numbers))}"
        raise UserError(f"{path}: not the points of a curve", expected=expected, found=problem, fix=REPEAT)
    return rows


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _percents(bounds: Sequence[float] | None) -> tuple[float, float] | None:
    return None if bounds is None else (100 * float(bounds[0]), 100 * float(bounds[1]))


def _read_audit(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    audit = read_json(path)
    parse(_Audit, audit, str(path), REPEAT)
    return audit


def _telling(audit: dict[str, Any] | None) -> dict[str, str]:
    """`train` or test set → how the coding of its files tells fakes, or single methods, from real images."""
    found = {}
    for name, bias in (audit or {}).get("format_bias", {}).items():
        if bias["is_biased"]:
            found[name] = "; ".join(bias["telling"] or ["a combination of properties"])
        elif bias["methods"]:
            found[name] = "; ".join(
                f"{method} by {', '.join(properties)}" for method, properties in bias["methods"].items()
            )
    return found


def read_results(root: Path, name: str, detectors: Sequence[str]) -> ProtocolResults:
    """Read all results of a protocol.

    A detector without a card is left out even if it has metrics, because only the card describes its scores.

    Args:
        root: The project's folder.
        name: The protocol's name.
        detectors: The detectors to report, in order.

    Raises:
        UserError: If the protocol's file is missing or faulty, a result file is not JSON, or a model's card
            is not one of this version.
    """
    protocol = load_protocol(name, root / "protocols")
    missing: list[str] = []

    def optional(relative: str, read: Callable[[Path], dict[str, Any]]) -> dict[str, Any] | None:
        if not (root / relative).is_file():
            missing.append(relative)
            return None
        return read(root / relative)

    def each(kind: str, detectors: Iterable[str]) -> dict[str, dict[str, Any]]:
        suffix = "" if kind == "metrics" else f".{kind}"
        read = partial(read_result, kind=kind)
        found = {one: optional(f"metrics/{name}/{one}{suffix}.json", read) for one in detectors}
        return {detector: value for detector, value in found.items() if value is not None}

    counts = optional(f"data/manifests/{name}/counts.json", read_counts)
    evaluated = each("metrics", detectors)
    left_out = {detector: str(found[LEFT_OUT]) for detector, found in evaluated.items() if LEFT_OUT in found}
    cards = {}
    for detector in evaluated:
        relative = f"models/{name}/{detector}/{CARD}"
        if detector in left_out:
            continue
        if (root / relative).is_file():
            cards[detector] = read_card(root / relative.removesuffix(f"/{CARD}"))
        else:
            missing.append(relative)
    known = {detector: detector_card(card, f"models/{name}/{detector}") for detector, card in cards.items()}

    def of_experiments(file: str) -> dict[str, Any] | None:
        """The result of an optional command; None if it was not run."""
        path = root / f"metrics/{name}/{file}"
        return read_json(path) if path.is_file() else None

    policies = {detector: root / f"metrics/{name}/{detector}.{DECISION}" for detector in known}
    return ProtocolResults(
        root=root,
        name=name,
        protocol=protocol,
        counts=counts,
        columns=in_places(score_columns(known), detectors),
        metrics={detector: evaluated[detector] for detector in known},
        details=each("details", known),
        thresholds=each("thresholds", known),
        robustness=each("robustness", known),
        cards=cards,
        detectors=known,
        left_out=left_out,
        missing=tuple(missing),
        seeds=of_experiments(SEEDS),
        grid=of_experiments(GRID),
        comparison=of_experiments(COMPARISON),
        decisions={one: read_decision(path) for one, path in policies.items() if path.is_file()},
        telling=_telling(_read_audit(root / f"data/manifests/{name}/audit.json")),
    )

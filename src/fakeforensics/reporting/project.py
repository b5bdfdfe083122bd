"""Reads what the earlier stages wrote about a protocol: JSON, scores and manifests, never their code."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict

from fakeforensics.errors import UserError
from fakeforensics.files import LEFT_OUT
from fakeforensics.models.card import CARD, DetectorCard, detector_card, read_card
from fakeforensics.params import parse, read_yaml
from fakeforensics.reporting.columns import ScoreColumn, score_columns
from fakeforensics.reporting.thesis import label

DEMO_PREFIX = "demo"


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


class _Source(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    source: str


_Sources = Annotated[tuple[_Source, ...], BeforeValidator(_listed)]


class ProtocolFile(BaseModel):
    """What the report reads of `protocols/<name>.yaml`; the splits stage has checked all of it.

    Args:
        title: What is trained and tested, as a table's caption says it.
        reference: The thesis's table that it repeats, such as `table_4_6`.
        unseen: Test sets whose forgery method or domain training never sees.
        instances: Given in the pilot study alone, where the number of seen instances varies.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    title: str
    reference: str | None = None
    train: _Sources
    test: dict[str, _Sources]
    unseen: tuple[str, ...] = ()
    instances: dict[str, Any] | None = None

    @property
    def is_demo(self) -> bool:
        """Whether it trains on the embedded demo's made-up faces."""
        return any(selection.source.startswith(DEMO_PREFIX) for selection in self.train)


@dataclass(frozen=True)
class ProtocolResults:
    """All that is known about one protocol.

    Args:
        root: The project's folder.
        name: The protocol's name.
        protocol: Its file.
        counts: `data/manifests/<name>/counts.json`, or None while the splits stage has not run.
        columns: The scores of the detectors that have metrics and a card, in order.
        metrics: Detector → its metrics. Only detectors that have columns are here and in what follows.
        details: Detector → the intervals of its metrics.
        thresholds: Detector → its threshold analysis.
        detectors: Detector → what its card records about it.
        cards: Folder below `models/<name>` → its whole card. The folder is the detector's; where the number
            of seen instances varies, it is that of the model that saw most, such as `<detector>/n9`.
        left_out: Detector → why the protocol does not run it.
        missing: The files that were not there.
    """

    root: Path
    name: str
    protocol: ProtocolFile
    counts: dict[str, Any] | None
    columns: tuple[ScoreColumn, ...]
    metrics: dict[str, dict[str, Any]]
    details: dict[str, dict[str, Any]]
    thresholds: dict[str, dict[str, Any]]
    detectors: dict[str, DetectorCard]
    cards: dict[str, dict[str, Any]]
    left_out: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = field(default=())

    def label(self, test_set: str) -> str:
        """A test set's name: the thesis's where its table is repeated, which other data must not borrow."""
        return test_set if self.protocol.reference is None else label(test_set)

    def ap(self, column: ScoreColumn, test_set: str) -> float | None:
        """Average precision in percent, or None where it was not measured."""
        value = self.metrics.get(column.detector, {}).get("ap", {}).get(column.spec.name, {}).get(test_set)
        return None if value is None else 100 * float(value)

    def ap_interval(self, column: ScoreColumn, test_set: str) -> tuple[float, float] | None:
        """The 95 % interval of average precision in percent, or None where there is none."""
        intervals = self.details.get(column.detector, {}).get("ap_interval", {})
        bounds = intervals.get(column.spec.name, {}).get(test_set)
        return None if bounds is None else (100 * float(bounds[0]), 100 * float(bounds[1]))

    def accuracies(self, column: ScoreColumn) -> dict[str, dict[str, float]]:
        """Test set → number of seen instances → the share of fakes recognised, in percent.

        Sets with both classes have none.
        """
        # A probability is cut at 0.5, another score at the threshold from validation.
        at_half = column.spec.even_odds is not None
        measure = "accuracy" if at_half else "accuracy_at_validation_threshold"
        found = self.metrics.get(column.detector, {}).get(measure, {}).get(column.spec.name, {})
        return {
            name: {number: 100 * float(value) for number, value in values.items()}
            for name, values in found.items()
        }

    def accuracy_intervals(self, column: ScoreColumn) -> dict[tuple[str, str], tuple[float, float]]:
        """(Test set, number of seen instances) → the 95 % interval of the accuracy in percent."""
        return {
            (row["test_set"], row["instances"]): (
                100 * row["accuracy_interval"][0],
                100 * row["accuracy_interval"][1],
            )
            for row in self.details.get(column.detector, {}).get("fakes_alone", ())
            if row["score"] == column.spec.name
        }

    @property
    def fakes_alone(self) -> frozenset[str]:
        """The test sets that hold no reals."""
        return frozenset(name for column in self.columns for name in self.accuracies(column))

    @property
    def has_ap(self) -> bool:
        """Whether any detector has average precisions; fake-only protocols have accuracies instead."""
        return any("ap" in metrics for metrics in self.metrics.values())

    def scores(self, detector: str) -> pd.DataFrame | None:
        """Test scores, one row for each (test_set, key), or None where they are not at hand.

        Of the pilot study's models those of the one that saw most instances.
        """
        path = self.root / "data" / "scores" / self.name / f"{detector}.parquet"
        if not path.is_file():
            return None
        table = pd.read_parquet(path)
        if "instances" not in table:
            return table
        of_one: pd.DataFrame = table[table["instances"] == table["instances"].max()]
        return of_one.drop(columns="instances")

    def curve(self, kind: str, detector: str, test_set: str) -> pd.DataFrame | None:
        """A `pr` or `roc` curve, the scores below one another, or None where it is not at hand."""
        path = self.root / "plots" / self.name / detector / kind / f"{test_set}.csv"
        return pd.read_csv(path) if path.is_file() else None

    def test_manifest(self) -> pd.DataFrame | None:
        """The test manifest, or None where it is not at hand."""
        path = self.root / "data" / "manifests" / self.name / "test.parquet"
        return pd.read_parquet(path) if path.is_file() else None

    def robustness(self, detector: str) -> dict[str, Any]:
        """AP and accuracy under corruptions; empty where the robustness stage has not run."""
        path = self.root / "metrics" / self.name / f"{detector}.robustness.json"
        return read_json(path) if path.is_file() else {}

    def audit(self) -> dict[str, Any] | None:
        """The audit of leakage and format bias, or None where none was made."""
        path = self.root / "data" / "manifests" / self.name / "audit.json"
        return read_json(path) if path.is_file() else None


def read_results(root: Path, name: str, detectors: Sequence[str]) -> ProtocolResults:
    """Gather what was computed for a protocol.

    A detector without its card is not shown, even if it has metrics: nothing else says what its scores are.

    Args:
        root: The project's folder.
        name: The protocol's name.
        detectors: The detectors to report, in order.

    Raises:
        UserError: If the protocol's file is missing or faulty, a result file is not JSON, or a model's card
            is not one of this version.
    """
    path = root / "protocols" / f"{name}.yaml"
    protocol = parse(ProtocolFile, read_yaml(path), str(path))
    missing: list[str] = []

    def optional(relative: str) -> dict[str, Any] | None:
        if not (root / relative).is_file():
            missing.append(relative)
            return None
        return read_json(root / relative)

    def each(pattern: str, detectors: Iterable[str]) -> dict[str, dict[str, Any]]:
        found = {detector: optional(pattern.format(detector)) for detector in detectors}
        return {detector: value for detector, value in found.items() if value is not None}

    counts = optional(f"data/manifests/{name}/counts.json")
    evaluated = each(f"metrics/{name}/{{}}.json", detectors)
    left_out = {detector: str(found[LEFT_OUT]) for detector, found in evaluated.items() if LEFT_OUT in found}
    cards, known = {}, {}
    for detector in evaluated:
        if detector in left_out:
            continue
        folder = detector if protocol.instances is None else _most_instances(root / "models" / name, detector)
        relative = f"models/{name}/{folder}/{CARD}"
        if (root / relative).is_file():
            cards[folder] = read_card(root / "models" / name / folder)
            known[detector] = detector_card(cards[folder], relative)
        else:
            missing.append(relative)
    return ProtocolResults(
        root=root,
        name=name,
        protocol=protocol,
        counts=counts,
        columns=score_columns(known),
        metrics={detector: evaluated[detector] for detector in known},
        thresholds=each(f"metrics/{name}/{{}}.thresholds.json", known),
        details=each(f"metrics/{name}/{{}}.details.json", known),
        detectors=known,
        cards=cards,
        left_out=left_out,
        missing=tuple(missing),
    )


def _most_instances(models: Path, detector: str) -> str:
    """The folder of the model that saw most instances; `<detector>/n*` if there is none."""
    folders = (models / detector).glob("n*")
    numbers = [int(path.name[1:]) for path in folders if path.name[1:].isdigit()]
    return f"{detector}/n{max(numbers) if numbers else '*'}"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UserError: If it is not one.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: not valid JSON", found=str(error), fix="delete it and run `dvc repro`"
        ) from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object", found=type(value).__name__, fix="run `dvc repro`")
    return value

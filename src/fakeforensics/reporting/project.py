"""Reads what the earlier stages wrote about a protocol: JSON, scores and manifests, never their code."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict

from fakeforensics.errors import UserError
from fakeforensics.params import parse, read_yaml
from fakeforensics.reporting.columns import OBJECTIVES, ScoreColumn
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
        models_from: The protocol whose models are scored, if not its own.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    title: str
    reference: str | None = None
    train: _Sources
    test: dict[str, _Sources]
    unseen: tuple[str, ...] = ()
    instances: dict[str, Any] | None = None
    models_from: str | None = None

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
        metrics: Objective → its metrics; objectives that were not evaluated are absent.
        details: Objective → the intervals of its metrics.
        thresholds: Objective → its threshold analysis.
        cards: Objective (in the pilot study `bce/n1` and so on) → its `model.json`.
        missing: The files that were not there.
    """

    root: Path
    name: str
    protocol: ProtocolFile
    counts: dict[str, Any] | None
    metrics: dict[str, dict[str, Any]]
    details: dict[str, dict[str, Any]]
    thresholds: dict[str, dict[str, Any]]
    cards: dict[str, dict[str, Any]]
    missing: tuple[str, ...] = field(default=())

    def label(self, test_set: str) -> str:
        """A test set's name: the thesis's where its table is repeated, which other data must not borrow."""
        return test_set if self.protocol.reference is None else label(test_set)

    def ap(self, column: ScoreColumn, test_set: str) -> float | None:
        """Average precision in percent, or None where it was not measured."""
        value = self.metrics.get(column.objective, {}).get("ap", {}).get(column.score, {}).get(test_set)
        return None if value is None else 100 * float(value)

    def ap_interval(self, column: ScoreColumn, test_set: str) -> tuple[float, float] | None:
        """The 95 % interval of average precision in percent, or None where there is none."""
        intervals = self.details.get(column.objective, {}).get("ap_interval", {})
        bounds = intervals.get(column.score, {}).get(test_set)
        return None if bounds is None else (100 * float(bounds[0]), 100 * float(bounds[1]))

    @property
    def has_ap(self) -> bool:
        """Whether any objective has average precisions; fake-only protocols have accuracies instead."""
        return any("ap" in metrics for metrics in self.metrics.values())

    def scores(self, objective: str) -> pd.DataFrame | None:
        """Test scores, one row for each (test_set, key), or None where they are not at hand."""
        path = self.root / "data" / "scores" / self.name / f"{objective}.parquet"
        return pd.read_parquet(path) if path.is_file() else None

    def curve(self, kind: str, objective: str, test_set: str) -> pd.DataFrame | None:
        """A `pr` or `roc` curve, the scores below one another, or None where it is not at hand."""
        path = self.root / "plots" / self.name / objective / kind / f"{test_set}.csv"
        return pd.read_csv(path) if path.is_file() else None

    def test_manifest(self) -> pd.DataFrame | None:
        """The test manifest, or None where it is not at hand."""
        path = self.root / "data" / "manifests" / self.name / "test.parquet"
        return pd.read_parquet(path) if path.is_file() else None

    def audit(self) -> dict[str, Any] | None:
        """The audit of leakage and format bias, or None where none was made."""
        path = self.root / "data" / "manifests" / self.name / "audit.json"
        return read_json(path) if path.is_file() else None


def read_results(root: Path, name: str) -> ProtocolResults:
    """Gather what was computed for a protocol.

    Args:
        root: The project's folder.
        name: The protocol's name.

    Raises:
        UserError: If the protocol's file is missing or faulty, or a result file is not JSON.
    """
    path = root / "protocols" / f"{name}.yaml"
    protocol = parse(ProtocolFile, read_yaml(path), str(path))
    missing: list[str] = []

    def optional(relative: str) -> dict[str, Any] | None:
        if not (root / relative).is_file():
            missing.append(relative)
            return None
        return read_json(root / relative)

    def each(pattern: str, objectives: Iterable[str]) -> dict[str, dict[str, Any]]:
        found = {objective: optional(pattern.format(objective)) for objective in objectives}
        return {objective: value for objective, value in found.items() if value is not None}

    # On sets of fakes alone (chapter 3) nothing can be ranked, and the thesis trains with BCE only.
    pilot = protocol.instances is not None
    counts = optional(f"data/manifests/{name}/counts.json")
    metrics = each(f"metrics/{name}/{{}}.json", ("bce",) if pilot else OBJECTIVES)
    ranked = [objective for objective, values in metrics.items() if "ap" in values]
    thresholds = each(f"metrics/{name}/{{}}.thresholds.json", ranked)
    models = f"models/{protocol.models_from or name}"
    runs = _instance_runs(root / models / "bce") if pilot else list(metrics)
    return ProtocolResults(
        root=root,
        name=name,
        protocol=protocol,
        counts=counts,
        metrics=metrics,
        details=each(f"metrics/{name}/{{}}.details.json", ranked),
        thresholds=thresholds,
        cards=each(f"{models}/{{}}/model.json", runs),
        missing=tuple(missing),
    )


def _instance_runs(folder: Path) -> list[str]:
    """The pilot study's models, `bce/n1`, `bce/n2`, …, by number of instances; none where none is at hand."""
    numbers = sorted(int(path.name[1:]) for path in folder.glob("n*") if path.name[1:].isdigit())
    return [f"bce/n{number}" for number in numbers]


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

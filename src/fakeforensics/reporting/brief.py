"""The brief of a protocol: the part of its results that the index shows, written with the protocol's page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from fakeforensics.files import write_json
from fakeforensics.models.card import DetectorCard
from fakeforensics.parsing import parse
from fakeforensics.reading import REPEAT, read_json
from fakeforensics.reporting.columns import score_columns
from fakeforensics.reporting.results import ProtocolResults
from fakeforensics.reporting.summary import Pick, facts, warnings
from fakeforensics.splits.protocol import Protocol

_OF_DETAILS = ("ap_interval", "fakes_alone")
_OF_COUNTS = ("test", "identity_overlap", "leaks", "dropped")
_OF_CARDS = ("counts", "machine")


class Chosen(BaseModel):
    """The detector that the index recommends.

    Args:
        detector: Its name.
        score: The name of the score that decides.
        threshold: The threshold as text; empty if there is none.
        sigmoid: The sigmoid of the threshold in words; empty if the score is not a logit.
        worst_fpr: The largest share of a test set's reals that is called fake, and the name of that set; None
            if no rates were measured.
        is_doubted: Whether its training or validation give reasons to doubt it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    detector: str
    score: str
    threshold: str
    sigmoid: str
    worst_fpr: tuple[float, str] | None
    is_doubted: bool


class Brief(BaseModel):
    """The part of a protocol's results that the index shows; for the keys see `ProtocolResults`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    protocol: Protocol
    counts: dict[str, Any] | None
    metrics: dict[str, dict[str, Any]]
    details: dict[str, dict[str, Any]]
    cards: dict[str, dict[str, Any]]
    detectors: dict[str, DetectorCard]
    places: dict[str, int]
    left_out: dict[str, str]
    missing: tuple[str, ...]
    grid: dict[str, Any] | None
    telling: dict[str, str]
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    chosen: Chosen | None

    def results(self) -> ProtocolResults:
        """The protocol's results, as far as the brief holds them."""
        columns = score_columns(self.detectors)
        return ProtocolResults(
            root=Path(),
            name=self.name,
            protocol=self.protocol,
            counts=self.counts,
            columns=tuple(one._replace(place=self.places["/".join(one.key)]) for one in columns),
            metrics=self.metrics,
            details=self.details,
            thresholds={},
            robustness={},
            cards=self.cards,
            detectors=self.detectors,
            left_out=self.left_out,
            missing=self.missing,
            grid=self.grid,
            telling=self.telling,
        )


def write_brief(path: Path, results: ProtocolResults, chosen: Pick | None) -> None:
    """Write the brief of a protocol as JSON.

    Args:
        path: The file.
        results: The protocol's results.
        chosen: The detector to use; None if validation cannot choose one.
    """
    brief = Brief(
        name=results.name,
        protocol=results.protocol,
        counts=None if results.counts is None else _only(results.counts, _OF_COUNTS),
        metrics=results.metrics,
        details={name: _only(found, _OF_DETAILS) for name, found in results.details.items()},
        cards={
            name: _only(card, _OF_CARDS) | {"detector": card["detector"]}
            for name, card in results.cards.items()
        },
        detectors=results.detectors,
        places={"/".join(column.key): column.place for column in results.columns},
        left_out=results.left_out,
        missing=results.missing,
        grid=results.grid,
        telling=results.telling,
        facts=tuple(facts(results, chosen)) if results.metrics else (),
        warnings=tuple(warnings(results)),
        chosen=None if chosen is None else _chosen(chosen),
    )
    write_json(path, brief.model_dump(mode="json"))


def read_brief(path: Path) -> Brief:
    """Read the brief of a protocol.

    Raises:
        UserError: If it is missing or damaged.
    """
    return parse(Brief, read_json(path), str(path), REPEAT)


def _only(value: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value[key] for key in keys if key in value}


def _chosen(chosen: Pick) -> Chosen:
    worst = max(chosen.rates, key=lambda one: one.fpr, default=None)
    return Chosen(
        detector=chosen.column.detector,
        score=chosen.column.spec.name,
        threshold=chosen.threshold,
        sigmoid=chosen.sigmoid,
        worst_fpr=None if worst is None else (worst.fpr, worst.test_set),
        is_doubted=bool(chosen.doubts),
    )

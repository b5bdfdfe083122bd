"""Schemas of the JSON files of counts and of metrics. Readers of these files check them here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from fakeforensics.files import LEFT_OUT
from fakeforensics.params import Count, Number, Probability
from fakeforensics.parsing import parse
from fakeforensics.reading import REPEAT, read_json

_Natural = Annotated[Count, Field(ge=0)]
_Shares = dict[str, dict[str, Probability]]  # score: {test set: value}
_Values = dict[str, dict[str, Number]]
_Bounds = dict[str, dict[str, Annotated[list[Number], Field(min_length=2, max_length=2)]]]


class _Part(BaseModel):
    """A part of a file: a key may be absent, but must not be null."""

    model_config = ConfigDict(frozen=True, extra="ignore")  # nothing reads the other keys

    @model_validator(mode="before")
    @classmethod
    def _refuse_null(cls, value: Any) -> Any:
        found = value if isinstance(value, dict) else {}
        if null := [name for name in cls.model_fields if name in found and found[name] is None]:
            raise ValueError(f"{', '.join(null)} should not be null")
        return value


class _Classes(_Part):
    real: _Natural
    fake: _Natural
    methods: dict[str, _Natural] | None = None


class _Counts(_Part):
    train: _Classes
    val: _Classes
    test: dict[str, _Classes]
    dropped: dict[str, dict[str, _Natural]] | None = None
    subsampled: dict[str, _Natural] | None = None
    identity_overlap: dict[str, dict[str, _Natural]] | None = None
    undetected: dict[str, dict[str, _Natural]] | None = None
    leaks: dict[str, dict[str, _Natural]] | None = None


class _Validation(_Part):
    ap: dict[str, Probability] | None = None


class _Metrics(_Part):
    ap: _Shares | None = None
    auc: _Shares | None = None
    eer: _Shares | None = None
    accuracy: _Shares | None = None
    accuracy_at_validation_threshold: _Shares | None = None
    cllr: _Values | None = None
    cllr_min: _Values | None = None
    validation: _Validation | None = None
    trained_on: str | None = None


class _OfSet(_Part):
    score: str
    test_set: str


class _Details(_Part):
    ap_interval: _Bounds | None = None
    auc_interval: _Bounds | None = None
    eer_interval: _Bounds | None = None
    fakes_alone: list[_OfSet] | None = None
    details: list[dict[str, Any]] | None = None


class _Threshold(_Part):
    score: str
    test_set: str
    criterion: str
    chosen_on: str
    threshold: Number


class _Thresholds(_Part):
    table_4_10: list[_Threshold] | None = None
    deployable: list[dict[str, Any]] | None = None
    rules: list[dict[str, Any]] | None = None


class _Corrupted(_Part):
    score: str
    corruption: str
    by_set: dict[str, Any]


class _Robustness(RootModel[dict[str, list[_Corrupted]]]):
    pass


_KINDS: dict[str, type[BaseModel]] = {
    "metrics": _Metrics,
    "details": _Details,
    "thresholds": _Thresholds,
    "robustness": _Robustness,
}


def read_counts(path: Path) -> dict[str, Any]:
    """Read the `counts.json` of a protocol's manifests, from `splits.counts.count`.

    Raises:
        UserError: If it is missing or damaged.
    """
    fix = "run the splits stage first, or again"
    counts = read_json(path, fix)
    parse(_Counts, counts, str(path), fix)
    return counts


def read_result(path: Path, kind: str) -> dict[str, Any]:
    """Read a file of a detector's results, as the evaluate stage writes it.

    Args:
        path: The file.
        kind: `metrics`, `details`, `thresholds` or `robustness`.

    Returns:
        The content. If the protocol leaves the detector out, it is only the reason, by the key `LEFT_OUT`.

    Raises:
        UserError: If it is missing or damaged.
    """
    found = read_json(path)
    if LEFT_OUT not in found:
        parse(_KINDS[kind], found, str(path), REPEAT)
    return found

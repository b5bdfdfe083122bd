"""Records for published figures that are printed next to ours. The figures are defined elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from fakeforensics.metrics.operating import Criterion

Key = tuple[str, str]  # names of a detector and of one of its scores


@dataclass(frozen=True)
class ApReference:
    """A published table of average precision, in percent.

    Args:
        rows: Test set → key → value, in the printed order.
        means: `mean` or `mean_unseen` → key → value, if the table prints such a mean.
    """

    rows: Mapping[str, Mapping[Key, float]]
    means: Mapping[str, Mapping[Key, float]] = field(default_factory=dict)


class PublishedThreshold(NamedTuple):
    """A published threshold; rates in percent."""

    threshold: float
    precision: float
    recall: float
    accuracy: float


@dataclass(frozen=True)
class ThresholdReference:
    """A published table of each test set's best threshold.

    Args:
        key: The score that it is about.
        title: Where it is printed, such as `table 4.10 of the thesis`.
        criterion: The criterion that the thresholds maximize, as stated or inferred.
        rows: Test set → its threshold, with rates in percent.
        note: Remark below the table.
    """

    key: Key
    title: str
    criterion: Criterion
    rows: Mapping[str, PublishedThreshold]
    note: str


@dataclass(frozen=True)
class Reference:
    """The figures of a publication for a protocol.

    Args:
        owner: The publication, such as `the thesis`.
        table: Where the figures are printed, such as `table 4.6 of the thesis`.
        tag: A short form of `table` for the chapter's heading.
        citation: A sentence for the report's introduction.
        labels: Test set → its printed name.
        ap: The published average precisions.
        thresholds: The published best thresholds.
        lambdas: The values of lambda from which the publication chose the best by test; none if it used a
            single one.
    """

    owner: str
    table: str
    tag: str
    citation: str
    labels: Mapping[str, str]
    ap: ApReference | None = None
    thresholds: ThresholdReference | None = None
    lambdas: tuple[float, ...] = ()

"""Published figures that are printed next to ours; reporting knows no publication itself."""

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
        means: `mean` or `mean_unseen` → key → value, where the table prints one.
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
        criterion: What the thresholds maximize, stated or inferred.
        rows: Test set → what its threshold gives.
        note: Remark below the table.
    """

    key: Key
    title: str
    criterion: Criterion
    rows: Mapping[str, PublishedThreshold]
    note: str


@dataclass(frozen=True)
class Reference:
    """What a publication has to say about a protocol.

    Args:
        owner: Whose figures they are, such as `the thesis`.
        table: Where they are printed, such as `table 4.6 of the thesis`.
        tag: The same for the chapter's heading.
        citation: A sentence for the report's introduction.
        labels: Test set → its printed name.
        ap: Its average precisions.
        thresholds: Its best thresholds.
        lambdas: The values of lambda of which it prints the best by test; none if it used one.
    """

    owner: str
    table: str
    tag: str
    citation: str
    labels: Mapping[str, str]
    ap: ApReference | None = None
    thresholds: ThresholdReference | None = None
    lambdas: tuple[float, ...] = ()

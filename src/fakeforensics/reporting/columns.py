"""The columns of a result table: the scores of the detectors, as the cards of their models describe them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fakeforensics.metrics.spec import ScoreSpec
from fakeforensics.models.card import DetectorCard
from fakeforensics.reporting.contents import Column
from fakeforensics.reporting.drawing import series_color


class ScoreColumn(NamedTuple):
    """One column of a result table.

    Args:
        key: The detector's name, followed by that of the score if the detector has several. The thesis's
            figures are filed by it.
        detector: The detector's name.
        spec: What the score is.
        title: The column's heading.
        group: The heading that it shares with the detector's other scores, or "".
        place: Its position, which decides its color.
    """

    key: str
    detector: str
    spec: ScoreSpec
    title: str
    group: str
    place: int

    @property
    def name(self) -> str:
        """The full heading, such as `BCE+SAD S_CD`."""
        return f"{self.group} {self.title}".strip()

    @property
    def color(self) -> str:
        """Its color in pictures."""
        return series_color(self.place)


def score_columns(detectors: Mapping[str, DetectorCard]) -> tuple[ScoreColumn, ...]:
    """A column for each score of each detector, in order."""
    columns: list[ScoreColumn] = []
    for detector, card in detectors.items():
        for spec in card.scores:
            several = len(card.scores) > 1
            columns.append(
                ScoreColumn(
                    key=f"{detector}_{spec.name}" if several else detector,
                    detector=detector,
                    spec=spec,
                    title=spec.label if several else card.label,
                    group=card.label if several else "",
                    place=len(columns),
                )
            )
    return tuple(columns)


def share_places(
    protocols: Sequence[Sequence[ScoreColumn]], detectors: Sequence[str]
) -> list[tuple[ScoreColumn, ...]]:
    """Give a score the same place, and so the same color, in all protocols.

    Args:
        protocols: The columns of each protocol.
        detectors: The order of the detectors.
    """
    keys = dict.fromkeys((detectors.index(one.detector), one.key) for columns in protocols for one in columns)
    places = {key: place for place, (_, key) in enumerate(sorted(keys, key=lambda pair: pair[0]))}
    return [tuple(one._replace(place=places[one.key]) for one in columns) for columns in protocols]


def union(protocols: Iterable[Iterable[ScoreColumn]]) -> tuple[ScoreColumn, ...]:
    """The columns of several protocols, each once, by place."""
    found = {column.key: column for columns in protocols for column in columns}
    return tuple(sorted(found.values(), key=lambda column: column.place))


def headings(columns: Iterable[ScoreColumn]) -> tuple[Column, ...]:
    """The columns as a table shows them."""
    return tuple(Column(column.title, column.group) for column in columns)

"""The columns of the result tables: each score of each detector."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fakeforensics.metrics.spec import ScoreSpec
from fakeforensics.models.card import DetectorCard
from fakeforensics.palette import series_color
from fakeforensics.reporting.blocks import Column
from fakeforensics.reporting.reference import Key


class ScoreColumn(NamedTuple):
    """A column of a result table: one score of one detector, as the model's card describes it.

    Args:
        detector: The detector's name.
        spec: The description of the score.
        title: The column's heading.
        group: The heading that it shares with the detector's other scores; empty if it has no others.
        place: Its position among all columns of the report, which decides its color.
        lambda_: The lambda that the detector was trained with; None if it has none.
    """

    detector: str
    spec: ScoreSpec
    title: str
    group: str
    place: int
    lambda_: float | None = None

    @property
    def key(self) -> Key:
        """The names of the detector and of the score."""
        return self.detector, self.spec.name

    @property
    def name(self) -> str:
        """The full heading, such as `BCE+SAD S_CD`."""
        return f"{self.group} {self.title}".strip()

    @property
    def color(self) -> str:
        """The score's color in pictures."""
        return series_color(self.place)


def score_columns(detectors: Mapping[str, DetectorCard]) -> tuple[ScoreColumn, ...]:
    """A column for each score of each detector, in order.

    Args:
        detectors: Detector → its card.
    """
    pairs = [(name, card, spec) for name, card in detectors.items() for spec in card.scores]
    return tuple(
        ScoreColumn(
            name,
            spec,
            title=spec.label if len(card.scores) > 1 else card.label,
            group=card.label if len(card.scores) > 1 else "",
            place=place,
            lambda_=card.settings.get("lambda"),
        )
        for place, (name, card, spec) in enumerate(pairs)
    )


def in_places(columns: tuple[ScoreColumn, ...], detectors: Sequence[str]) -> tuple[ScoreColumn, ...]:
    """Set the places of the columns, and so their colors, to be the same on the pages of all protocols.

    A detector without results here keeps one place free, because its number of scores is not known.
    """
    place, found = 0, list[ScoreColumn]()
    for detector in detectors:
        mine = [column for column in columns if column.detector == detector]
        found += [column._replace(place=place + number) for number, column in enumerate(mine)]
        place += max(1, len(mine))
    return tuple(found)


def union(protocols: Iterable[Iterable[ScoreColumn]]) -> tuple[ScoreColumn, ...]:
    """The columns of several protocols, each once, in the order of their places."""
    found = {column.key: column for columns in protocols for column in columns}
    return tuple(sorted(found.values(), key=lambda column: column.place))


def headings(columns: Iterable[ScoreColumn]) -> tuple[Column, ...]:
    """The columns as a table shows them, lambda in the group's heading if there is one."""
    weights = {one: "" if one.lambda_ is None else f", λ = {one.lambda_:g}" for one in columns}
    return tuple(
        Column(one.title, one.group + weight) if one.group else Column(one.title + weight)
        for one, weight in weights.items()
    )

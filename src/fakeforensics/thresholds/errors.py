"""The error rates of a decision policy by forgery method and by domain of reals, clean and corrupted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from jaxtyping import Int
from pydantic import Field

from fakeforensics.metrics.proportion import exact_interval
from fakeforensics.metrics.spec import ScoreSpec
from fakeforensics.params import Count, Flag, Group, Probability
from fakeforensics.thresholds.policy import Decision

if TYPE_CHECKING:
    import pandas as pd

ERRORS = "errors.json"
CLEAN = "clean"


class ErrorRate(Group):
    """How often the policy misclassifies images of one kind, as fractions.

    Args:
        level: Whether images (`frame`) or whole videos (`video`) are counted.
        asked: The stated error rate of the conformal cuts that decide; None if the threshold decides.
        corruption: The corruption of the images, such as `jpeg_50`; `clean` for none.
        label: The true class of the images.
        name: The forgery method of fakes, or the image domain of reals.
        seen: Whether training saw this method, or reals of this domain; None if that is unknown.
        test_sets: The test sets that hold such images.
        count: Number of images or videos; each counts once, even if several test sets hold it.
        groups: Number of independent groups: a video with its frames, or a photograph with its edits.
        inconclusive: Share of inconclusive verdicts.
        rate: Share of wrong verdicts; an inconclusive one is not wrong.
        low: Lower end of the 95% interval of `rate`.
        high: Upper end of that interval.
    """

    level: Literal["frame", "video"]
    asked: Probability | None
    corruption: str
    label: Literal["real", "fake"]
    name: str
    seen: Flag | None
    test_sets: tuple[str, ...]
    count: Annotated[Count, Field(ge=1)]
    groups: Annotated[Count, Field(ge=1)]
    inconclusive: Probability
    rate: Probability
    low: Probability
    high: Probability


def error_rates(
    tables: Mapping[str, pd.DataFrame],
    decision: Decision,
    score: ScoreSpec,
    seen: Mapping[Literal["real", "fake"], set[str]] | None,
) -> list[ErrorRate]:
    """Count the errors on the test images of a policy's threshold and of each of its conformal cuts.

    Args:
        tables: Corruption → rows of a score table; `clean` is one of the corruptions.
        decision: The policy.
        score: The score by which the policy decides.
        seen: The methods of fakes and the domains of reals that training saw; None if unknown.

    Raises:
        UserError: If a score is not finite.
    """
    policies = [decision.model_copy(update={"inconclusive": None})]
    policies += [decision.model_copy(update={"inconclusive": cut.error_rate}) for cut in decision.conformal]
    rows = []
    for corruption, table in tables.items():
        for level, images in _levels(table, score):
            kinds = [*_kinds(images)]
            for policy in policies:
                verdicts = np.array([policy.verdict(float(value)) for value in images[score.column]], str)
                for label, name, places, groups, test_sets in kinds:
                    mine = verdicts[places]
                    rate = float((mine == ("fake" if label == "real" else "real")).mean())
                    low, high = exact_interval(rate, groups)
                    row = ErrorRate(
                        level=level,
                        asked=policy.inconclusive,
                        corruption=corruption,
                        label=label,
                        name=name,
                        seen=None if seen is None else name in seen[label],
                        test_sets=test_sets,
                        count=mine.size,
                        groups=groups,
                        inconclusive=round(float((mine == "inconclusive").mean()), 6),
                        rate=round(rate, 6),
                        low=round(low, 6),
                        high=round(high, 6),
                    )
                    rows.append(row)
    return rows


class _Kind(NamedTuple):
    """The images of one forgery method, or the reals of one domain; see `ErrorRate`.

    Attributes:
        places: The row numbers of the images in the table; each image once.
    """

    label: Literal["real", "fake"]
    name: str
    places: Int[np.ndarray, " images"]
    groups: int
    test_sets: tuple[str, ...]


def _kinds(images: pd.DataFrame) -> Iterator[_Kind]:
    from fakeforensics.metrics.bootstrap import group_names

    groups = group_names(images).astype(str)
    names = images["method"].where(images["label"] == 1, images["domain"])
    numbered = images.assign(name=names, place=np.arange(len(images)))
    for (label, name), same in numbered.groupby(["label", "name"], sort=True):
        places = same.drop_duplicates(["source", "key"])["place"].to_numpy()
        kind: Literal["real", "fake"] = "fake" if label == 1 else "real"
        sets = tuple(same["test_set"].unique().tolist())
        yield _Kind(kind, str(name), places, len(np.unique(groups[places])), sets)


def _levels(
    table: pd.DataFrame, score: ScoreSpec
) -> Iterator[tuple[Literal["frame", "video"], pd.DataFrame]]:
    from fakeforensics.metrics.table import video_level

    yield "frame", table
    videos = video_level(table, (score,))
    if not videos.empty:
        yield "video", videos

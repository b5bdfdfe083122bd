"""The error rates of a decision policy by forgery method and by domain of reals, clean and corrupted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from fakeforensics.metrics.spec import ScoreSpec
from fakeforensics.params import Count, Flag, Group, Probability
from fakeforensics.thresholds.policy import Decision

if TYPE_CHECKING:
    import pandas as pd

ERRORS = "errors.json"
CLEAN = "clean"
_LEVEL = 0.95


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
            names = images["method"].where(images["label"] == 1, images["domain"])
            for policy in policies:
                verdict = [policy.verdict(float(value)) for value in images[score.column]]
                called = images.assign(verdict=verdict, name=names)
                for (label, name), same in called.groupby(["label", "name"], sort=True):
                    kind: Literal["real", "fake"] = "fake" if label == 1 else "real"
                    known = None if seen is None else str(name) in seen[kind]
                    rows.append(_rate(same, level, policy.inconclusive, corruption, kind, str(name), known))
    return rows


def _rate(
    same: pd.DataFrame,
    level: Literal["frame", "video"],
    asked: float | None,
    corruption: str,
    label: Literal["real", "fake"],
    name: str,
    seen: bool | None,
) -> ErrorRate:
    once = same.drop_duplicates(["source", "key"])
    groups = _groups(once)
    rate = float((once["verdict"] == ("fake" if label == "real" else "real")).mean())
    low, high = exact_interval(rate, groups)
    return ErrorRate(
        level=level,
        asked=asked,
        corruption=corruption,
        label=label,
        name=name,
        seen=seen,
        test_sets=tuple(same["test_set"].unique().tolist()),
        count=len(once),
        groups=groups,
        inconclusive=round(float((once["verdict"] == "inconclusive").mean()), 6),
        rate=round(rate, 6),
        low=round(low, 6),
        high=round(high, 6),
    )


def exact_interval(rate: float, groups: int) -> tuple[float, float]:
    """The 95% interval of a share, counting each group as one image.

    Images of one group resemble each other, so they count as one. If they differ, the interval is wider than
    needed. Unlike a bootstrap interval, the interval of a share of 0 has a width above 0.

    Args:
        rate: The share, in [0, 1].
        groups: Number of independent groups, at least 1.

    Source:
        Clopper and Pearson, Biometrika 26, 1934; with an effective sample size, Korn and Graubard, Survey
        Methodology 24, 1998.
    """
    from scipy.stats import beta

    hits, tail = rate * groups, (1 - _LEVEL) / 2
    low = float(beta.ppf(tail, hits, groups - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, groups - hits)) if hits < groups else 1.0
    return low, high


def _levels(
    table: pd.DataFrame, score: ScoreSpec
) -> Iterator[tuple[Literal["frame", "video"], pd.DataFrame]]:
    from fakeforensics.metrics.table import video_level

    yield "frame", table
    videos = video_level(table, (score,))
    if not videos.empty:
        yield "video", videos


def _groups(rows: pd.DataFrame) -> int:
    from fakeforensics.metrics.bootstrap import group_names

    return len(np.unique(group_names(rows).astype(str)))

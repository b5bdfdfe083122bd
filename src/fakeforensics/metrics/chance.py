"""Whether an average precision is better than that of a random order."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_ORDERS = 1000
_MOST = 5000  # images that are put into random orders; more would narrow the limit by less than a point


@lru_cache(maxsize=256)
def chance_limit(
    reals: int, fakes: int, real_groups: int | None = None, fake_groups: int | None = None
) -> float:
    """The average precision that a random order of the images exceeds in 2.5% of cases: a fraction.

    Images of one group get similar scores, so a set says as much as one with an image of each group. The
    spread is that of so many images; it is put around the chance level of all images, their share of fakes.

    Args:
        reals: Number of real images, at least 1.
        fakes: Number of fakes, at least 1.
        real_groups: Number of independent groups of reals; None takes each image for a group.
        fake_groups: The same of the fakes.
    """
    counts = real_groups or reals, fake_groups or fakes
    share = min(1.0, _MOST / sum(counts))
    real, fake = (max(1, int(share * count)) for count in counts)
    draw, place = np.random.default_rng(0), np.arange(1, fake + 1)
    # Without ties the average precision is the mean precision at the ranks of the fakes.
    drawn = [np.mean(place / (np.sort(draw.permutation(real + fake)[:fake]) + 1)) for _ in range(_ORDERS)]
    spread = float(np.quantile(drawn, 0.975)) - fake / (real + fake)
    return min(1.0, fakes / (reals + fakes) + spread)


def class_sizes(table: pd.DataFrame) -> tuple[tuple[int, int], tuple[int, int]]:
    """Real and fake images of a score table, and the groups that they belong to.

    Args:
        table: Columns label, group and key.
    """
    from fakeforensics.metrics.bootstrap import group_names

    parts = [table[table["label"] == label] for label in (0, 1)]
    images, groups = ([len(part) for part in parts], [len(set(group_names(part))) for part in parts])
    return (images[0], images[1]), (groups[0], groups[1])


def chance_doubt(
    precision: Mapping[str, float],
    images: tuple[int, int],
    groups: tuple[int, int] | None = None,
) -> str | None:
    """What is to be said of a detector that is no better than chance on validation; None of any other.

    Args:
        precision: Average precision on validation by score, fractions; empty if it was not measured.
        images: Real and fake validation images.
        groups: Independent groups of them; None takes each image for one.
    """
    if not precision or not all(images):
        return None
    limit = 100 * chance_limit(*images, *(groups or images))
    best, chance = 100 * max(precision.values()), 100 * images[1] / sum(images)
    if best > limit:
        return None
    return (
        f"The average precision on validation, {best:.1f}, is no better than chance: a random order of "
        f"these images has about {chance:.1f}, and up to {limit:.1f} in 97.5% of cases. The detector does "
        "not tell even the methods that it was trained on from real images."
    )

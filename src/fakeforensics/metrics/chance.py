"""Whether an average precision is better than the average precision of a random order of the images."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_ORDERS = 1000
_MOST = 5000  # images in a random order; more would narrow the limit by less than a percentage point


@lru_cache(maxsize=256)
def chance_limit(
    reals: int, fakes: int, real_groups: int | None = None, fake_groups: int | None = None
) -> float:
    """The average precision that a random order of the images exceeds in 2.5% of cases.

    Images of one group get similar scores, so a set is as informative as one image per group. The spread of
    random orders is therefore simulated with one image per group. It is added to the average precision that
    chance gives on all images, which is their share of fakes.

    Args:
        reals: Number of real images, at least 1.
        fakes: Number of fakes, at least 1.
        real_groups: Number of independent groups of reals; None counts each image as a group.
        fake_groups: Number of independent groups of fakes; None counts each image as a group.

    Returns:
        A fraction in (0, 1].
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
    """Count the images and the groups of each class in a score table.

    Args:
        table: Columns label, group and key.

    Returns:
        (real images, fake images), (groups of reals, groups of fakes).
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
    """A warning if a detector is no better than chance on validation, in words.

    Args:
        precision: Average precision on validation by score, as fractions; empty if it was not measured.
        images: Numbers of real and of fake validation images.
        groups: Numbers of independent groups of reals and of fakes; None counts each image as a group.

    Returns:
        The warning; None if the detector is better than chance, or nothing was measured.
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

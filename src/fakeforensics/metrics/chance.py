"""Whether an average precision is better than the average precision of a random order of the images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class NoEvidence:
    """Validation does not show that a detector is better than a random order of the images.

    Attributes:
        precision: The highest average precision on validation, in percent.
        random: The average precision of a random order, in percent.
        limit: What a random order exceeds in 2.5% of cases, in percent.
        groups: Numbers of independent groups of reals and of fakes.
    """

    precision: float
    random: float
    limit: float
    groups: tuple[int, int]

    @property
    def has_too_few_images(self) -> bool:
        """Whether even a perfect order of these images would not be evidence."""
        return self.limit >= 100

    def __str__(self) -> str:
        """The warning, in sentences."""
        if self.has_too_few_images:
            return (
                "Validation has too few images to say whether the detector works (independent real images: "
                f"{self.groups[0]}, independent fakes: {self.groups[1]}). Its average precision there is "
                f"{self.precision:.1f}, but a random order of so few ranks them perfectly in more than 2.5% "
                "of cases. Put at least 10 independent images of each class into validation."
            )
        return (
            f"The average precision on validation, {self.precision:.1f}, cannot be told from chance: a "
            f"random order of its {sum(self.groups):,} independent images has about {self.random:.1f}, and "
            f"up to {self.limit:.1f} in 97.5% of cases. Train longer, or put more images into validation."
        )


def evidence_against(
    precision: Mapping[str, float],
    images: tuple[int, int],
    groups: tuple[int, int] | None = None,
) -> NoEvidence | None:
    """Compare a detector with chance on validation.

    Args:
        precision: Average precision on validation by score, as fractions; empty if it was not measured.
        images: Numbers of real and of fake validation images.
        groups: Numbers of independent groups of reals and of fakes; None counts each image as a group.

    Returns:
        None if the detector is better than chance, or nothing was measured.
    """
    if not precision or not all(images):
        return None
    limit = 100 * chance_limit(*images, *(groups or images))
    best = 100 * max(precision.values())
    if best > limit:
        return None
    return NoEvidence(best, 100 * images[1] / sum(images), limit, groups or images)

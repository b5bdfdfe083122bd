"""Exact limits of a share that was counted."""

from __future__ import annotations

LEVEL = 0.95


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
    from scipy.special import betaincinv  # the quantile of beta(a, b); scipy.stats takes a second to import

    hits, tail = rate * groups, (1 - LEVEL) / 2
    low = float(betaincinv(hits, groups - hits + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, groups - hits, 1 - tail)) if hits < groups else 1.0
    return low, high


def upper_limit(hits: int, images: int) -> float:
    """Clopper and Pearson's one-sided 95% upper limit of the share `hits` / `images`.

    Args:
        hits: Number of images that were counted.
        images: Number of images, at least 1.
    """
    from scipy.special import betaincinv

    return 1.0 if hits == images else float(betaincinv(hits + 1, images - hits, LEVEL))

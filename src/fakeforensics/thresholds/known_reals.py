"""Evaluates threshold selectors that use a few known reals of a test set, over random draws of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from fakeforensics.metrics.operating import ONE_CLASS_FPR
from fakeforensics.thresholds.any_share import SCORES_AT_LEAST, choose
from fakeforensics.thresholds.targets import Target

MEASURED_AT_LEAST = 10  # groups of reals that must be left to measure on
CELLS = 256  # a set with more distinct scores gets so many cells with about equally many images


@dataclass(frozen=True)
class KnownReals:
    """Random draws of known reals from a test set; they depend on its groups and labels, not on its scores.

    A draw takes one image of each of k random groups of reals. The threshold of that draw is not evaluated on
    any image of these groups, real or fake.

    Attributes:
        picked: Positions of the known reals in the set, by draw.
        draw: The number of the draw, for each pair of a draw and an image that it excludes from evaluation.
        image: The position of the excluded image in the set, for the same pairs.
    """

    picked: Int[np.ndarray, "draws k"]
    draw: Int[np.ndarray, " pairs"]
    image: Int[np.ndarray, " pairs"]

    @property
    def size(self) -> int:
        """k, the number of known reals."""
        return int(self.picked.shape[1])

    def judge(
        self, target: Target, thresholds: Float[np.ndarray, " draws"]
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " draws"]]:
        """Apply the threshold of each draw to the images that the draw does not exclude.

        Args:
            target: The test set.
            thresholds: The threshold of each draw.

        Returns:
            For each image, the share of draws that call it fake, of those that do not exclude it, or NaN if
            all exclude it; and the false-positive rate of each draw.
        """
        n, draws = target.scores.size, thresholds.size
        called_here = target.scores[self.image] >= thresholds[self.draw]
        real_here = ~target.fake[self.image]
        ranking = target.ranking
        first = np.searchsorted(ranking.scores[::-1], thresholds)  # the lowest score that is called fake
        called = np.empty(n, dtype=np.int64)
        called[ranking.order[::-1]] = np.cumsum(np.bincount(first, minlength=n + 1))[:-1]
        called -= np.bincount(self.image[called_here], minlength=n)
        judgments = draws - np.bincount(self.image, minlength=n)
        share = np.full(n, np.nan)
        np.divide(called, judgments, out=share, where=judgments > 0)
        passed = np.append(0, np.cumsum(1 - ranking.labels[::-1]))  # reals among the n lowest scores, by n
        false_alarms = ranking.reals - passed[first]
        false_alarms = false_alarms - np.bincount(self.draw[called_here & real_here], minlength=draws)
        judged = ranking.reals - np.bincount(self.draw[real_here], minlength=draws)
        return share, false_alarms / judged


@dataclass(frozen=True)
class ConformalDraws:
    """The results of the conformal threshold on a test set, over many random draws of known reals.

    Attributes:
        called: For each image, the share of draws that call it fake, of those that do not exclude it; NaN if
            all exclude it.
        thresholds: The threshold of each draw.
        fpr: The false-positive rate of each draw, over the reals of groups without a known real.
        fpr_by_group: The share of reals called fake, averaged within each group and then over the groups. The
            guarantee is about this rate.
    """

    called: Float[np.ndarray, " n"]
    thresholds: Float[np.ndarray, " draws"]
    fpr: Float[np.ndarray, " draws"]
    fpr_by_group: float


@dataclass(frozen=True)
class AnyShareDraws:
    """The results of `any_share_threshold` on a test set, over many random draws of known reals.

    Attributes:
        called: As in `ConformalDraws`.
        thresholds: The threshold of each draw.
        fake_share: Mean over the draws of the estimated share of fakes.
        interval: Means over the draws of the two ends of the share's 95% interval.
        fallbacks: Share of draws that fall back to the conformal threshold.
    """

    called: Float[np.ndarray, " n"]
    thresholds: Float[np.ndarray, " draws"]
    fake_share: float
    interval: tuple[float, float]
    fallbacks: float


def draw_known_reals(target: Target, size: int, draws: int, seed: int) -> KnownReals | str:
    """Draw known reals from a test set.

    Args:
        target: The test set.
        size: k, the number of known reals.
        draws: Number of draws.
        seed: Seed of the draws.

    Returns:
        The draws, or a text that says why there are none.
    """
    reals = np.flatnonzero(~target.fake)
    unit = np.unique(target.unit, return_inverse=True)[1]
    groups, group_of_real = np.unique(unit[reals], return_inverse=True)
    if groups.size < size + MEASURED_AT_LEAST:
        return f"{groups.size} groups of reals do not leave {MEASURED_AT_LEAST} to measure on"
    order, firsts, sizes = _by_group(group_of_real)
    generator = np.random.default_rng([seed, size])
    chosen = np.empty((draws, size), dtype=np.int64)
    place = np.empty((draws, size))
    for draw in range(draws):
        chosen[draw] = generator.choice(groups.size, size, replace=False, shuffle=False)
        place[draw] = generator.random(size)
    picked = reals[order[firsts[chosen] + (place * sizes[chosen]).astype(np.int64)]]
    order, firsts, sizes = _by_group(unit)
    leaving = groups[chosen].ravel()
    count = sizes[leaving]
    draw_of = np.repeat(np.repeat(np.arange(draws), size), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return KnownReals(picked, draw_of, order[np.repeat(firsts[leaving], count) + within])


def attainable(alpha: float, size: int) -> bool:
    """Whether `size` known reals can guarantee the false-positive rate `alpha`."""
    return alpha >= 1 / (size + 1) - 1e-12


def conformal_draws(
    target: Target, known: KnownReals, alphas: tuple[float, ...]
) -> dict[float, ConformalDraws]:
    """Choose the conformal threshold for each draw of known reals, and evaluate it on the other images.

    One random real of another random group is exchangeable with the known reals. Its probability of being
    called fake, averaged over draws, is at most alpha. This rate counts every group once, however many images
    it has; the rate over images weighs groups by their size. Both are equal if all groups have the same size.
    Otherwise the rate over images has no guarantee, and exceeds alpha if large groups score higher.

    Args:
        target: The test set.
        known: The draws.
        alphas: The wanted false-positive rates, in (0, 1).

    Returns:
        The result for each attainable alpha.
    """
    reals = ~target.fake
    group_of_real = np.unique(target.unit[reals], return_inverse=True)[1]
    calibration = np.sort(target.scores[known.picked], axis=1)
    found = {}
    for alpha in alphas:
        if attainable(alpha, known.size):
            thresholds = _conformal_thresholds(calibration, alpha)
            share, fpr = known.judge(target, thresholds)
            found[alpha] = ConformalDraws(
                share, thresholds, fpr, _mean_of_groups(share[reals], group_of_real)
            )
    return found


def _mean_of_groups(values: Float[np.ndarray, " n"], group: Int[np.ndarray, " n"]) -> float:
    """Mean over the groups of the mean of each; NaN is left out, and so is a group of nothing else."""
    given = ~np.isnan(values)
    sums = np.bincount(group[given], values[given])
    counts = np.bincount(group[given])
    return float(np.mean(sums[counts > 0] / counts[counts > 0]))


def fill_unjudged(called: Float[np.ndarray, " n"], fake: Bool[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Give each image that all draws exclude (NaN) the mean of its class, which changes no error rate."""
    if not np.isnan(called).any():
        return called
    judged = pd.Series(called)
    return judged.fillna(judged.groupby(fake).transform("mean")).to_numpy()


class ScoreCells:
    """The scores of a test set in cells, for `choose`, and the counts per cell for each draw of known reals.

    Args:
        target: The test set.
        known: The draws.

    Attributes:
        lowest: The lowest score of each cell, ascending.
        left: Numbers of images that each draw does not exclude, Float["2 draws cells"]: reals, then fakes.
        counts: Numbers of known reals, Int["draws cells"].
    """

    def __init__(self, target: Target, known: KnownReals) -> None:
        self.target, self.known = target, known
        self.lowest = np.unique(target.scores)
        if self.lowest.size > CELLS:
            ranks = np.linspace(0, 1, CELLS + 1)[:-1]
            self.lowest = np.unique(np.quantile(target.scores, ranks, method="lower"))
        cell = np.searchsorted(self.lowest, target.scores, side="right") - 1
        size, draws = self.lowest.size, len(known.picked)
        self.left = np.empty((2, draws, size))
        for kind in (0, 1):
            mine = target.fake[known.image] == bool(kind)
            place = known.draw[mine] * size + cell[known.image[mine]]
            gone = np.bincount(place, minlength=draws * size).reshape(draws, size)
            self.left[kind] = np.bincount(cell[target.fake == bool(kind)], minlength=size) - gone
        place = np.arange(draws)[:, None] * size + cell[known.picked]
        self.counts = np.bincount(place.ravel(), minlength=draws * size).reshape(draws, size)

    @cached_property
    def fallback(self) -> Float[np.ndarray, " draws"]:
        """The conformal threshold of each draw."""
        size = self.known.size
        alpha = max(ONE_CLASS_FPR, 1 / (size + 1))
        return _conformal_thresholds(np.sort(self.target.scores[self.known.picked], axis=1), alpha)

    def any_share(self, prevalence: float | None, validation_threshold: float) -> AnyShareDraws | str:
        """Choose a threshold for each draw of known reals from the scores that it leaves, and evaluate it.

        Args:
            prevalence: The share of fakes that the scores are weighted to; None does not weight them.
            validation_threshold: Validation's threshold, on the scale of the set's scores.

        Returns:
            The result, or a text that says why there is none.
        """
        sums = self.left.sum(axis=2)
        fewest = int(sums.sum(axis=0).min())
        if fewest < SCORES_AT_LEAST or self.lowest.size < 2 or sums.min() == 0:
            return (
                f"{fewest} scores of {self.lowest.size} values are left beside the known reals: at least "
                f"{SCORES_AT_LEAST} are needed, of both classes and not all equal"
            )
        share = sums[1] / sums.sum(axis=0) if prevalence is None else prevalence
        weights = np.stack([(1 - share) / sums[0], share / sums[1]])
        mixture = np.einsum("kd,kdc->dc", weights, self.left)
        cell = np.searchsorted(self.lowest, validation_threshold)
        found = choose(mixture, self.counts, np.full(len(mixture), cell), fewest)
        above = np.nextafter(self.target.scores.max(), np.inf)
        chosen = np.append(self.lowest, above)[found.cut]
        thresholds = np.where(found.is_unclear, self.fallback, chosen)
        called, _ = self.known.judge(self.target, thresholds)
        return AnyShareDraws(
            called,
            thresholds,
            float(found.fake_share.mean()),
            (float(found.low.mean()), float(found.high.mean())),
            float(found.is_unclear.mean()),
        )


def _conformal_thresholds(
    ascending: Float[np.ndarray, "draws k"], alpha: float
) -> Float[np.ndarray, " draws"]:
    """The `conformal_threshold` of each row."""
    k = ascending.shape[1]
    place = math.ceil((1 - alpha) * (k + 1) - 1e-9)
    found: np.ndarray = np.nextafter(ascending[:, place - 1], np.inf)
    return found


def _by_group(group: Int[np.ndarray, " n"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions sorted by group; the start of each group in that order; and the size of each group."""
    sizes = np.bincount(group)
    return np.argsort(group, kind="stable"), np.append(0, np.cumsum(sizes))[:-1], sizes

"""A threshold from a few real images of the target domain, with a false-positive rate that is guaranteed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from fakeforensics.metrics.operating import conformal_threshold
from fakeforensics.thresholds.target import Target

MEASURED_AT_LEAST = 10  # groups of reals that must be left to measure on


@dataclass(frozen=True)
class FewReals:
    """What the conformal rule does on a set, over many draws of the known reals.

    Attributes:
        called: For each image, among the draws that leave it in the evaluation, the share that call it fake;
            NaN if none leaves it.
        thresholds: Of each draw.
        fpr: Of each draw: over the real images whose group gave no known real.
        fpr_by_group: Mean over the groups of the share of their reals that are called fake: the rate that is
            guaranteed.
    """

    called: Float[np.ndarray, " n"]
    thresholds: Float[np.ndarray, " draws"]
    fpr: Float[np.ndarray, " draws"]
    fpr_by_group: float


def few_reals(
    target: Target, known: int, alphas: tuple[float, ...], draws: int, seed: int
) -> dict[float, FewReals] | str:
    """Draw known reals of a set again and again, cut by the conformal rule, and judge on the rest.

    A draw takes one image of each of `known` random groups of reals. These groups leave the evaluation with
    all their images, fakes included: what is known is not predicted.

    What is exchangeable with the known reals is one random real of a further random group. Its probability of
    being called fake, averaged over draws, is at most alpha: every group counts once, however many images it
    has. The rate over images weighs groups by their size. Both are the same where groups are of equal size;
    elsewhere the rate over images has no guarantee, and lies above alpha where large groups score higher.

    Args:
        target: The set.
        known: k, how many reals are known.
        alphas: False-positive rates asked for.
        draws: How many draws to average over.
        seed: Of the draws.

    Returns:
        For each attainable alpha what comes of it; or why there is nothing, as text.
    """
    reals = np.flatnonzero(~target.fake)
    groups, group_of_real = np.unique(target.unit[reals], return_inverse=True)
    if groups.size < known + MEASURED_AT_LEAST:
        return f"{groups.size} groups of reals do not leave {MEASURED_AT_LEAST} to measure on"
    attainable = [alpha for alpha in alphas if alpha >= 1 / (known + 1) - 1e-12]
    if not attainable:
        return f"not attainable: below 1 / (k + 1) = {1 / (known + 1):.4f}"
    members, starts = _members(target.unit, groups)
    order = np.argsort(group_of_real, kind="stable")
    sizes = np.bincount(group_of_real)
    firsts = np.append(0, np.cumsum(sizes))[:-1]
    generator = np.random.default_rng([seed, known])
    thresholds = np.empty((draws, len(attainable)))
    fpr = np.empty_like(thresholds)
    left_out = np.zeros(target.scores.size)
    called_left_out = np.zeros((len(attainable), target.scores.size))
    sorted_reals = np.sort(target.scores[reals])
    for draw in range(draws):
        chosen = generator.choice(groups.size, known, replace=False, shuffle=False)
        picked = order[firsts[chosen] + (generator.random(known) * sizes[chosen]).astype(np.int64)]
        calibration = target.scores[reals[picked]]
        gone = members[_spans(starts[chosen], starts[chosen + 1])]
        left_out[gone] += 1
        gone_scores, gone_real = target.scores[gone], ~target.fake[gone]
        for number, alpha in enumerate(attainable):
            threshold = conformal_threshold(calibration, alpha)
            assert threshold is not None  # attainable
            thresholds[draw, number] = threshold
            above = gone_scores >= threshold
            called_left_out[number, gone[above]] += 1
            hits = reals.size - np.searchsorted(sorted_reals, threshold) - np.count_nonzero(above & gone_real)
            fpr[draw, number] = hits / (reals.size - np.count_nonzero(gone_real))
    found = {}
    for number, alpha in enumerate(attainable):
        total = np.searchsorted(np.sort(thresholds[:, number]), target.scores, side="right")
        stayed = draws - left_out
        called = np.full(target.scores.size, np.nan)
        np.divide(total - called_left_out[number], stayed, out=called, where=stayed > 0)
        by_group = _mean_by_group(called[reals], group_of_real)
        found[alpha] = FewReals(called, thresholds[:, number], fpr[:, number], by_group)
    return found


def _mean_by_group(called: Float[np.ndarray, " reals"], group: Int[np.ndarray, " reals"]) -> float:
    left = ~np.isnan(called)  # by group: all of its images were known, or none was, in each draw
    sums, sizes = np.bincount(group[left], called[left]), np.bincount(group[left])
    return float(np.mean(sums[sizes > 0] / sizes[sizes > 0]))


def _spans(begins: Int[np.ndarray, " k"], ends: Int[np.ndarray, " k"]) -> Int[np.ndarray, " positions"]:
    """All positions of several spans, one span after another."""
    lengths = ends - begins
    shifts = np.repeat(begins - np.append(0, np.cumsum(lengths)[:-1]), lengths)
    positions: np.ndarray = np.arange(shifts.size) + shifts
    return positions


def _members(
    unit: Int[np.ndarray, " n"], groups: Int[np.ndarray, " groups"]
) -> tuple[Int[np.ndarray, " members"], Int[np.ndarray, " groups_1"]]:
    """The images of each group, real or fake, one group after another, and where each group begins."""
    place = np.searchsorted(groups, unit)
    known = (place < groups.size) & (groups[np.minimum(place, groups.size - 1)] == unit)
    images = np.flatnonzero(known)
    order = np.argsort(place[images], kind="stable")
    counts = np.bincount(place[images], minlength=groups.size)
    return images[order], np.append(0, np.cumsum(counts))

"""One threshold for a set chosen over all other sets, without anything that they share with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from fakeforensics.thresholds.target import Target

Aim = Literal["mean", "worst"]
AIMS: tuple[Aim, ...] = ("mean", "worst")


def universal_thresholds(target: Target, others: Sequence[Target]) -> dict[Aim, float] | None:
    """The thresholds with the best accuracy over the other sets.

    Images of the scored set, and of groups that occur in it, leave the other sets first. A set that loses a
    class by that is left out altogether: judged by the other class alone it would only pull the threshold to
    its side. So CRN and IMLE, whose reals are the same, leave each other out.

    Args:
        target: The set that the threshold is for; its scores are not looked at.
        others: All sets; the target itself is passed over.

    Returns:
        For the aim `mean` the threshold with the highest mean of the sets' accuracies, for `worst` that with
        the highest of their minima; among equals the one in the widest gap between the pooled scores, over
        all their order statistics. None if no other set is left.
    """
    left = [clean for other in others if (clean := without_shared(other, target)) is not None]
    if not left:
        return None
    scores = np.concatenate([other.scores for other in left])
    order = np.argsort(scores, kind="stable")
    scores = scores[order]
    # With nothing called real every fake is right; raising the threshold past an image changes one answer.
    gain = np.concatenate([np.where(other.fake, -1, 1) / other.fake.size for other in left])[order]
    owner = np.repeat(np.arange(len(left)), [other.fake.size for other in left])[order]
    start = np.array([other.share for other in left])
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(scores)) + 1, [scores.size]])
    mean = (start.sum() + np.append(0.0, np.cumsum(gain))[cuts]) / len(left)
    worst = np.full(cuts.size, np.inf)
    for number in range(len(left)):
        own = np.cumsum(np.where(owner == number, gain, 0.0))
        np.minimum(worst, start[number] + np.append(0.0, own)[cuts], out=worst)
    return {"mean": _cut(scores, cuts, mean), "worst": _cut(scores, cuts, worst)}


def without_shared(other: Target, target: Target) -> Target | None:
    """`other` without what it shares with `target`; None if it is the same set or loses a class."""
    if other.name == target.name:
        return None
    shared = other.sharing_with(target)
    if not shared.any():
        return other
    fakes = other.fake[~shared]
    if fakes.all() or not fakes.any():  # also if nothing is left
        return None
    return other.only(~shared)


def _cut(scores: Float[np.ndarray, " n"], cuts: np.ndarray, values: Float[np.ndarray, " cuts"]) -> float:
    """The threshold of the best cut; cut c calls the ascending scores from position c on fake."""
    inner = cuts[1:-1]
    gaps = np.concatenate([[0.0], scores[inner] - scores[inner - 1], [0.0]])
    best = np.flatnonzero(values >= values.max() - 1e-9)  # sums of 1 / n are rounded
    chosen = int(best[np.argmax(gaps[best])])
    place = int(cuts[chosen])
    if place == scores.size:
        return float(np.nextafter(scores[-1], np.inf))
    if place == 0:
        return float(scores[0])
    middle = scores[place - 1] + gaps[chosen] / 2
    return float(middle if middle > scores[place - 1] else scores[place])

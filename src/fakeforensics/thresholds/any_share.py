"""A threshold for any share of fakes, from a few known reals of the domain and unlabeled scores.

The only assumption is that the domain's reals and fakes could be mapped to two normal distributions by some
increasing function of the score. Which function, how far apart they lie and how many fakes there are is all
averaged over, so the method sees nothing but the ranks of the known reals among the unlabeled scores.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy.special import ndtr

from fakeforensics.errors import UserError
from fakeforensics.metrics.operating import ONE_CLASS_FPR, conformal_threshold
from fakeforensics.thresholds.policy import Adapted, Decision

# What a domain may be. Weights and exponent were chosen on development sets: docs/decisions/017-any-share.md.
FAKE_SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
DISTANCES = (-1.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.5)  # of the fakes' mean from the reals', whose spread is 1
SPREADS = (0.5, 0.7, 1.0, 1.5)  # standard deviations of the fakes
FEW, MANY = 0.05, 0.45  # shares of fakes that call for opposite thresholds
WEIGHT_OF_FEW = 0.25
WEIGHT_OF_NEAR = 0.2  # of distances below 1
WEIGHT_OF_REVERSED = 0.1  # of fakes that score lower than reals
EXPONENT = 0.7  # of the likelihood, since no domain is quite like any of these
CAUTION = 3.0  # accuracy lost against validation's threshold counts this much more than accuracy won
UNCLEAR = (
    0.08  # if few fakes and many are both likelier than this, nobody knows; few have 0.083 to begin with
)
NOTHING = 1e-30  # a weight beside the largest one, 1
SCORES_AT_LEAST = 50
INTERVAL = (0.025, 0.975)

# Bins of the rank among the unlabeled scores, narrower towards both ends.
RANKS = np.concatenate([[0.0], ndtr(np.linspace(-3.3, 3.3, 133)), [1.0]])


class Domains(NamedTuple):
    """What a domain may be: one for each share of fakes, distance and spread.

    Attributes:
        log_prior: Logarithm of the prior weight.
        log_reals: Logarithm of the share of the reals in each bin of ranks.
        gain: For a cut at each bound of the bins: share of images called fake, less twice the share that are
            reals called fake. It is the accuracy less the share of reals.
    """

    log_prior: Float32[np.ndarray, " domains"]
    log_reals: Float32[np.ndarray, "bins domains"]
    gain: Float32[np.ndarray, "domains bounds"]


class Choices(NamedTuple):
    """What is chosen for each draw of known reals.

    Attributes:
        cut: The first cell of scores that is called fake; the number of cells if none is.
        fake_share: Estimated share of fakes.
        low: Lower end of its 95% interval.
        high: Upper end.
        is_unclear: Whether both few and many fakes are compatible with the scores.
    """

    cut: Int[np.ndarray, " draws"]
    fake_share: Float[np.ndarray, " draws"]
    low: Float[np.ndarray, " draws"]
    high: Float[np.ndarray, " draws"]
    is_unclear: Bool[np.ndarray, " draws"]


class AnyShare(NamedTuple):
    """A threshold from known reals and unlabeled scores.

    Attributes:
        threshold: Fake means a score of at least this.
        fake_share: Estimated share of fakes among the unlabeled scores; None if it cannot be estimated.
        fake_share_interval: Its 95% interval.
        fallback: Why the threshold is the conformal one; empty if it is not.
    """

    threshold: float
    fake_share: float | None
    fake_share_interval: tuple[float, float] | None
    fallback: str


def any_share_threshold(
    unlabeled: Float[np.ndarray, " n"], known: Float[np.ndarray, " k"], validation_threshold: float
) -> AnyShare:
    """Choose the threshold of a domain, whatever its share of fakes.

    Args:
        unlabeled: Scores of the domain, of which any share may be fakes; the known reals are not among them.
        known: Scores of k real images of the domain, one per group.
        validation_threshold: The threshold that is used now, on the same scale. A threshold that may turn out
            worse is avoided.

    Returns:
        The threshold of highest expected accuracy, less caution. Where fewer than `SCORES_AT_LEAST` scores
        are given, they are constant, or leave open whether fakes are few or many, it is the conformal
        threshold for a false-positive rate of 5%, or 1 / (k + 1) if that is more.

    Raises:
        UserError: If there is no known real or a score is not finite.
    """
    if not known.size:
        raise UserError("there is no known real", expected="scores of real images of the domain")
    if not (np.isfinite(unlabeled).all() and np.isfinite(known).all() and np.isfinite(validation_threshold)):
        raise UserError("a score or the threshold is not a finite number")
    cells, place = np.unique(np.concatenate([unlabeled, known]), return_inverse=True)
    why = ""
    if unlabeled.size < SCORES_AT_LEAST:
        why = f"{unlabeled.size} unlabeled scores are fewer than {SCORES_AT_LEAST}"
    elif cells.size == 1:
        why = "all scores are equal"
    if why:
        return AnyShare(fallback_threshold(known), None, None, why)
    mixture = np.bincount(place[: unlabeled.size], minlength=cells.size) / unlabeled.size
    counts = np.bincount(place[unlabeled.size :], minlength=cells.size)
    at = np.array([np.searchsorted(cells, validation_threshold)])
    found = choose(mixture[None], counts[None], at, unlabeled.size)
    interval = (float(found.low[0]), float(found.high[0]))
    if found.is_unclear[0]:
        why = "the scores leave open whether few of them or many are fakes"
        return AnyShare(fallback_threshold(known), float(found.fake_share[0]), interval, why)
    cut = int(found.cut[0])
    threshold = float(cells[cut]) if cut < cells.size else float(np.nextafter(cells[-1], np.inf))
    return AnyShare(threshold, float(found.fake_share[0]), interval, "")


def fallback_threshold(known: Float[np.ndarray, " k"]) -> float:
    """The conformal threshold for a false-positive rate of 5%, or for 1 / (k + 1) where k is below 19."""
    found = conformal_threshold(known, _fallback_rate(known.size))
    return float(np.nextafter(known.max(), np.inf)) if found is None else found


def _fallback_rate(known: int) -> float:
    return max(ONE_CLASS_FPR, 1 / (known + 1))


def adapted_decision(
    decision: Decision, unlabeled: Float[np.ndarray, " n"], known: Float[np.ndarray, " k"]
) -> Decision:
    """The decision policy for the files that the unlabeled scores are of.

    Its threshold is that of `any_share_threshold`, and there are no inconclusive verdicts. The error rates
    that validation expects at the former threshold are left out. Probabilities and likelihood ratios stay.

    Args:
        decision: The policy with validation's threshold.
        unlabeled: The deciding scores of the files, without known reals.
        known: The deciding scores of images of the same domain that are known to be real, one per group.

    Raises:
        UserError: If there is no known real or a score is not finite.
    """
    found = any_share_threshold(unlabeled, known, decision.threshold)
    if found.fallback:
        rate = 100 * _fallback_rate(known.size)
        chosen = f"at most {rate:.3g}% of reals like the {known.size} known ones are called fake"
    else:
        chosen = (
            f"highest expected accuracy, by {known.size} known reals and {unlabeled.size} scores of files"
        )
    adapted = Adapted(
        known_reals=known.size,
        scores=unlabeled.size,
        fake_share=found.fake_share,
        fake_share_interval=found.fake_share_interval,
        fallback=found.fallback,
    )
    update = {
        "threshold": found.threshold,
        "chosen": chosen,
        "adapted": adapted,
        **dict.fromkeys(
            ("inconclusive", "known_reals", "expected_fpr", "expected_fpr_upper", "expected_fnr")
        ),
    }
    if decision.expected_calibration_error is None:
        update["measured_on"] = None  # nothing that was measured there is left
    return decision.model_copy(update=update)


def choose(
    mixture: Float[np.ndarray, "draws cells"],
    known: Float[np.ndarray, "draws cells"] | Int[np.ndarray, "draws cells"],
    validation: Int[np.ndarray, " draws"],
    scores: int,
) -> Choices:
    """Choose a cut for each draw of known reals.

    Args:
        mixture: Share of the unlabeled scores in each cell; cells ascend, and each row's sum is 1.
        known: Number of known reals in each cell.
        validation: The first cell that validation's threshold calls fake.
        scores: Number of unlabeled scores.
    """
    domains = _domains()
    below = _cumulated(mixture)
    below /= below[:, -1:]
    known_below = _cumulated(known)
    # A known real's rank is known to one unlabeled score, and ranks must not stand still where one is.
    total = known_below[:, -1:]
    rank = (scores * below + known_below / total) / (scores + 1)
    counts = np.diff(_interpolated(RANKS, rank, known_below)).astype(np.float32)
    posterior = EXPONENT * counts @ domains.log_reals + domains.log_prior
    posterior = np.exp(posterior - posterior.max(axis=1, keepdims=True))
    posterior[posterior < NOTHING] = 0  # numbers near the least that there are slow all sums down
    posterior /= posterior.sum(axis=1, keepdims=True)
    value = np.empty((len(posterior), RANKS.size), dtype=np.float32)
    now = np.searchsorted(RANKS, below[np.arange(validation.size), validation])
    for place in np.unique(now):
        mine = now == place
        value[mine] = posterior[mine] @ _cautious_gain(int(place))
    at_cells = _interpolated(below, RANKS, value)
    # Among equals the highest threshold.
    best = at_cells >= at_cells.max(axis=1, keepdims=True) - 1e-12
    cut = best.shape[1] - 1 - np.argmax(best[:, ::-1], axis=1)
    return Choices(cut, *_fake_share(posterior))


def _fake_share(
    posterior: Float32[np.ndarray, "draws domains"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean of the share of fakes, the ends of its interval, and whether it is unclear."""
    shares = np.array(FAKE_SHARES)
    mass = posterior.reshape(len(posterior), shares.size, -1).sum(axis=2)
    # Each share stands for those up to the middle of the way to its neighbors.
    bounds = np.concatenate([[0.0], (shares[1:] + shares[:-1]) / 2, [1.0]])
    ends = _interpolated(np.array(INTERVAL), _cumulated(mass), bounds)
    unclear = np.minimum(mass[:, shares <= FEW].sum(axis=1), mass[:, shares >= MANY].sum(axis=1)) > UNCLEAR
    return mass @ shares, ends[:, 0], ends[:, 1], unclear


def _cumulated(values: np.ndarray) -> Float[np.ndarray, "draws cells_1"]:
    """Sum of the cells below each bound."""
    sums = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums


def _interpolated(at: np.ndarray, x: np.ndarray, y: np.ndarray) -> Float[np.ndarray, "draws points"]:
    """Linear interpolation by row, where x is in [0, 1] and ascends.

    An argument is the same for all rows, or has one row per draw.
    """
    rows = next(len(one) for one in (at, x, y) if one.ndim == 2)
    apart = 2.0 * np.arange(rows)[:, None]  # one call for all rows: each has a range of its own
    points, knots, values = (
        np.broadcast_to(one, (rows, one.shape[-1])).ravel() for one in (at + apart, x + apart, y)
    )
    found: np.ndarray = np.interp(points, knots, values).reshape(rows, -1)
    return found


@lru_cache(maxsize=32)
def _cautious_gain(place: int) -> Float32[np.ndarray, "domains bounds"]:
    """The gain of each cut, less caution where it loses against validation's, at a bound of the bins."""
    gain = _domains().gain
    cautious: np.ndarray = gain - CAUTION * np.maximum(gain[:, [place]] - gain, 0)
    return cautious


@cache
def _domains() -> Domains:
    reals, fake_share, weight = [], [], []
    for share in FAKE_SHARES:
        for distance in DISTANCES:
            for spread in SPREADS:
                ends = (min(-9, distance - 9 * spread), max(9, distance + 9 * spread))
                x = np.linspace(*ends, 8001)
                mixed = (1 - share) * ndtr(x) + share * ndtr((x - distance) / spread)
                inside = np.diff(np.concatenate([[0], ndtr(np.interp(RANKS[1:-1], mixed, x)), [1]]))
                inside = np.maximum(inside, 1e-9)  # a known real there is unlikely, but not impossible
                reals.append(inside / inside.sum())
                fake_share.append(share)
                weight.append(
                    (WEIGHT_OF_FEW if share <= FEW else 1)
                    * (WEIGHT_OF_NEAR if abs(distance) < 1 else 1)
                    * (WEIGHT_OF_REVERSED if distance < 0 else 1)
                )
    shares = np.array(fake_share)
    of_reals = np.array(reals)
    called = np.diff(RANKS) - 2 * (1 - shares)[:, None] * of_reals
    gain = np.zeros((shares.size, RANKS.size))
    gain[:, :-1] = np.cumsum(called[:, ::-1], axis=1)[:, ::-1]
    tables = (np.log(weight), np.log(of_reals).T, gain)
    return Domains(*(np.ascontiguousarray(table, dtype=np.float32) for table in tables))

"""A threshold for any share of fakes, from a few known reals of the domain and unlabeled scores.

The only assumption is that some increasing function of the score maps the domain's reals and its fakes to two
normal distributions. The function need not be known, because the method uses only the ranks of the known
reals among the unlabeled scores. It averages over the distance of the two distributions, the spread of the
fakes and their share.
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

# The grid of possible domains. The weights and the exponent were chosen on development sets:
# docs/decisions/017-any-share.md. Distances and spreads are in standard deviations of the reals.
FAKE_SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
DISTANCES = (-1.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.5)  # from the mean of the reals to the mean of the fakes
SPREADS = (0.5, 0.7, 1.0, 1.5)  # standard deviation of the fakes
FEW, MANY = 0.05, 0.45  # at most FEW and at least MANY fakes need opposite thresholds
WEIGHT_OF_FEW = 0.25  # prior weight of shares of at most FEW
WEIGHT_OF_NEAR = 0.2  # prior weight of distances below 1
WEIGHT_OF_REVERSED = 0.1  # prior weight of fakes that score lower than reals
EXPONENT = 0.7  # exponent of the likelihood; below 1, since no domain is exactly like one of the grid
CAUTION = 3.0  # extra weight of accuracy that is lost against validation's threshold
# The share is unclear if the posteriors of few and of many fakes both exceed this. The prior of few is 0.083.
UNCLEAR = 0.08
NOTHING = 1e-30  # smaller posterior weights, relative to the largest, become 0
SCORES_AT_LEAST = 50
INTERVAL = (0.025, 0.975)

# Bins of the rank among the unlabeled scores, narrower towards both ends.
RANKS = np.concatenate([[0.0], ndtr(np.linspace(-3.3, 3.3, 133)), [1.0]])


class Domains(NamedTuple):
    """The possible domains: one for each share of fakes, distance and spread.

    Attributes:
        log_prior: Logarithm of the prior weight.
        log_reals: Logarithm of the share of the reals in each bin of ranks.
        gain: For a threshold at each bound of the bins, the accuracy minus the share of reals. That equals
            the share of images called fake minus twice the share of images that are reals called fake.
    """

    log_prior: Float32[np.ndarray, " domains"]
    log_reals: Float32[np.ndarray, "bins domains"]
    gain: Float32[np.ndarray, "domains bounds"]


class Choices(NamedTuple):
    """The choice for each draw of known reals.

    Attributes:
        cut: The first cell of scores that is called fake; the number of cells if none is called fake.
        fake_share: Estimated share of fakes.
        low: Lower end of the 95% interval of that share.
        high: Upper end of that interval.
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
        threshold: Images that score at least this are called fake.
        fake_share: Estimated share of fakes among the unlabeled scores; None if it cannot be estimated.
        fake_share_interval: The 95% interval of that share; None likewise.
        fallback: Why the threshold is the conformal one; empty if it is not the conformal one.
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
        unlabeled: Scores of images of the domain, any share of which may be fakes. The known reals are not
            among them.
        known: Scores of k real images of the domain, one per group.
        validation_threshold: The threshold from validation, on the same scale. Accuracy that is lost against
            it counts 1 + `CAUTION` times.

    Returns:
        The threshold with the highest expected accuracy under that weighting. If there are fewer than
        `SCORES_AT_LEAST` unlabeled scores, all scores are equal, or it is unclear whether few or many are
        fakes, it is the conformal threshold for a false-positive rate of 5%, or of 1 / (k + 1) if that is
        more.

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
    """The conformal threshold for a false-positive rate of 5%, or of 1 / (k + 1) for k < 19 known reals."""
    found = conformal_threshold(known, _fallback_rate(known.size))
    return float(np.nextafter(known.max(), np.inf)) if found is None else found


def _fallback_rate(known: int) -> float:
    return max(ONE_CLASS_FPR, 1 / (known + 1))


def adapted_decision(
    decision: Decision, unlabeled: Float[np.ndarray, " n"], known: Float[np.ndarray, " k"]
) -> Decision:
    """The decision policy for one batch of files, adapted to their scores.

    It has the threshold of `any_share_threshold` and no inconclusive verdicts. The expected error rates are
    removed, because they were measured at validation's threshold. Probabilities and likelihood ratios stay.

    Args:
        decision: The policy with validation's threshold.
        unlabeled: The files' values of the deciding score, without known reals.
        known: The values of images of the same domain that are known to be real, one per group.

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
        update["measured_on"] = None  # no value that was measured on these images is left
    return decision.model_copy(update=update)


def choose(
    mixture: Float[np.ndarray, "draws cells"],
    known: Float[np.ndarray, "draws cells"] | Int[np.ndarray, "draws cells"],
    validation: Int[np.ndarray, " draws"],
    scores: int,
) -> Choices:
    """Choose a threshold for each draw of known reals.

    Args:
        mixture: Share of the unlabeled scores in each cell of scores; cells ascend, and each row's sum is 1.
        known: Number of known reals in each cell.
        validation: The first cell that validation's threshold calls fake.
        scores: Number of unlabeled scores.
    """
    domains = _domains()
    below = _cumulated(mixture)
    below /= below[:, -1:]
    known_below = _cumulated(known)
    # All known reals together count as one more score, so that ranks also rise in a cell without others.
    total = known_below[:, -1:]
    rank = (scores * below + known_below / total) / (scores + 1)
    counts = np.diff(_interpolated(RANKS, rank, known_below)).astype(np.float32)
    posterior = EXPONENT * counts @ domains.log_reals + domains.log_prior
    posterior = np.exp(posterior - posterior.max(axis=1, keepdims=True))
    posterior[posterior < NOTHING] = 0  # denormal numbers would slow down all sums
    posterior /= posterior.sum(axis=1, keepdims=True)
    value = np.empty((len(posterior), RANKS.size), dtype=np.float32)
    now = np.searchsorted(RANKS, below[np.arange(validation.size), validation])
    for place in np.unique(now):
        mine = now == place
        value[mine] = posterior[mine] @ _cautious_gain(int(place))
    at_cells = _interpolated(below, RANKS, value)
    # Of several best thresholds, the highest is chosen.
    best = at_cells >= at_cells.max(axis=1, keepdims=True) - 1e-12
    cut = best.shape[1] - 1 - np.argmax(best[:, ::-1], axis=1)
    return Choices(cut, *_fake_share(posterior))


def _fake_share(
    posterior: Float32[np.ndarray, "draws domains"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean of the share of fakes, the ends of its interval, and whether it is unclear."""
    shares = np.array(FAKE_SHARES)
    mass = posterior.reshape(len(posterior), shares.size, -1).sum(axis=2)
    # Each share stands for the interval up to the midpoints between it and its neighbors.
    bounds = np.concatenate([[0.0], (shares[1:] + shares[:-1]) / 2, [1.0]])
    ends = _interpolated(np.array(INTERVAL), _cumulated(mass), bounds)
    unclear = np.minimum(mass[:, shares <= FEW].sum(axis=1), mass[:, shares >= MANY].sum(axis=1)) > UNCLEAR
    return mass @ shares, ends[:, 0], ends[:, 1], unclear


def _cumulated(values: np.ndarray) -> Float[np.ndarray, "draws cells_1"]:
    """The sum of the cells below each bound."""
    sums = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(values, axis=1, out=sums[:, 1:])
    return sums


def _interpolated(at: np.ndarray, x: np.ndarray, y: np.ndarray) -> Float[np.ndarray, "draws points"]:
    """Linear interpolation by row.

    Args:
        at: Where to interpolate. Each argument has one row per draw, or one dimension if all rows are equal.
        x: Ascending, in [0, 1].
        y: The values at x.
    """
    rows = next(len(one) for one in (at, x, y) if one.ndim == 2)
    apart = 2.0 * np.arange(rows)[:, None]  # gives each row its own range, so that one call does all rows
    points, knots, values = (
        np.broadcast_to(one, (rows, one.shape[-1])).ravel() for one in (at + apart, x + apart, y)
    )
    found: np.ndarray = np.interp(points, knots, values).reshape(rows, -1)
    return found


@lru_cache(maxsize=32)
def _cautious_gain(place: int) -> Float32[np.ndarray, "domains bounds"]:
    """The gain of a threshold at each bound of the bins, reduced where it is below validation's gain.

    Args:
        place: The bound at which validation's threshold lies.
    """
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
                inside = np.maximum(inside, 1e-9)  # no bin excludes a known real
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

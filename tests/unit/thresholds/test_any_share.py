"""The threshold for any share of fakes: cases with known answers, and what it refuses to know."""

import numpy as np
import pytest
from scipy.stats import norm

from fakeforensics.errors import UserError
from fakeforensics.metrics.operating import conformal_threshold
from fakeforensics.thresholds.any_share import adapted_decision, any_share_threshold
from fakeforensics.thresholds.policy import Adapted, ConformalCut, Decision, MeasuredOn

SHARES = [0.01, 0.1, 0.5, 0.9]


def drawn(share, seed, *, distance=3.0, known=50, scores=800):
    """Known reals N(0, 1), and scores of which a share is N(distance, 1)."""
    rng = np.random.default_rng(seed)
    fakes = round(share * scores)
    unlabeled = np.concatenate([rng.normal(size=scores - fakes), rng.normal(distance, 1, fakes)])
    return unlabeled, rng.normal(size=known)


def accuracy(threshold, share, distance=3.0):
    return (1 - share) * norm.cdf(threshold) + share * norm.sf(threshold - distance)


def best(share, distance=3.0):
    # Equal weighted densities of N(0, 1) and N(d, 1): at d / 2 + ln((1 − π) / π) / d.
    return distance / 2 + np.log((1 - share) / share) / distance


@pytest.mark.parametrize("share", SHARES)
def test_most_of_the_gap_is_closed_at_any_share(share):
    # A threshold of -2 calls 98% of the reals fake, one of 6 calls 0.1% of the fakes fake.
    gap = won = 0.0
    for validation in (-2.0, 6.0):
        base = accuracy(validation, share)
        found = [any_share_threshold(*drawn(share, seed), validation) for seed in range(20)]
        mean = np.mean([accuracy(one.threshold, share) for one in found])
        assert mean > base - 0.05
        gap, won = gap + accuracy(best(share), share) - base, won + mean - base
    assert won / gap > 0.7


@pytest.mark.parametrize("share", SHARES)
def test_the_interval_covers_the_share_of_fakes(share):
    # 95% is promised if the domain is one of those averaged over; three standard errors of 40 repetitions
    # are 10 points.
    found = [any_share_threshold(*drawn(share, seed), 1.5).fake_share_interval for seed in range(40)]
    assert np.mean([low <= share <= high for low, high in found]) > 0.85


def test_an_increasing_function_of_the_scores_changes_nothing():
    unlabeled, known = drawn(0.3, 0)
    plain = any_share_threshold(unlabeled, known, 1.0)
    scaled = any_share_threshold(np.exp(5 * unlabeled), np.exp(5 * known), np.exp(5 * 1.0))
    assert scaled.fake_share == pytest.approx(plain.fake_share)
    assert scaled.threshold == pytest.approx(np.exp(5 * plain.threshold))


def test_scores_of_two_values_are_parted_between_them():
    # All known reals are 0 and half of the scores are 1: only a threshold of 1 parts them.
    found = any_share_threshold(np.repeat([0.0, 1.0], 400), np.zeros(50), 0.0)
    assert found.threshold == 1.0
    low, high = found.fake_share_interval
    assert low < 0.5 < high


def test_without_fakes_few_reals_are_called_fake():
    found = [any_share_threshold(*drawn(0.0, seed), 0.0) for seed in range(20)]
    assert np.mean([norm.sf(one.threshold) for one in found]) < 0.05
    assert np.mean([one.fake_share for one in found]) < 0.15


@pytest.mark.parametrize(
    ("unlabeled", "message"), [(np.arange(49.0), "49 unlabeled scores"), (np.full(800, 2.0), "equal")]
)
def test_what_tells_nothing_gives_the_conformal_threshold(unlabeled, message):
    known = np.full(50, 2.0)
    found = any_share_threshold(unlabeled, known, 0.0)
    assert message in found.fallback
    assert (found.fake_share, found.fake_share_interval) == (None, None)
    assert found.threshold == conformal_threshold(known, 0.05) == np.nextafter(2.0, np.inf)


def test_ten_known_reals_cannot_promise_five_percent():
    # 1 / 11 is the least that ten known reals attain: the threshold is above the largest of them.
    found = any_share_threshold(np.arange(10.0), np.arange(10.0), 0.0)
    assert found.threshold == np.nextafter(9.0, np.inf)


def test_scores_that_leave_the_share_open_say_so():
    # Two known reals say next to nothing on where reals lie among the scores.
    unlabeled, _ = drawn(0.3, 0)
    found = any_share_threshold(unlabeled, np.array([-0.5, 0.5]), 1.0)
    low, high = found.fake_share_interval
    assert low < 0.05 < 0.45 < high
    assert "open" in found.fallback
    assert found.threshold == np.nextafter(0.5, np.inf)


@pytest.mark.parametrize("bad", [np.array([]), np.array([np.nan, 1.0])])
def test_bad_known_reals_are_refused(bad):
    with pytest.raises(UserError):
        any_share_threshold(np.arange(100.0), bad, 0.0)


CUT = ConformalCut(error_rate=0.05, fake_from=2.0, real_to=-2.0)
POLICY = Decision(
    score="sl",
    threshold=0.0,
    chosen="c",
    conformal=(CUT,),
    inconclusive=0.05,
    expected_fpr=0.1,
    expected_fpr_upper=0.2,
    expected_fnr=0.3,
    measured_on=MeasuredOn(reals=90, fakes=0, images="validation"),
)


def test_a_policy_gets_the_threshold_and_loses_the_rates_of_the_former_one():
    # As above: all known reals are 0 and half of the scores are 1.
    found = adapted_decision(POLICY, np.repeat([0.0, 1.0], 400), np.zeros(50))
    assert found.threshold == 1.0
    assert [found.verdict(score) for score in (-9.0, 0.0, 1.0)] == ["real", "real", "fake"]  # by no cut
    low, high = found.adapted.fake_share_interval
    assert low < 0.5 < high
    assert found.adapted == Adapted(
        known_reals=50,
        scores=800,
        fake_share=found.adapted.fake_share,
        fake_share_interval=(low, high),
        fallback="",
    )
    assert (found.expected_fpr, found.expected_fpr_upper, found.expected_fnr) == (None, None, None)
    assert found.measured_on is None
    # A calibrator does not change, and neither does its error on validation.
    calibrated = POLICY.model_copy(update={"expected_calibration_error": 0.02})
    kept = adapted_decision(calibrated, np.repeat([0.0, 1.0], 400), np.zeros(50))
    assert (kept.expected_calibration_error, kept.measured_on) == (0.02, POLICY.measured_on)
    assert Decision.model_validate_json(found.model_dump_json()) == found


def test_a_policy_that_cannot_know_holds_the_rate_of_the_conformal_rule():
    # Above the largest of ten known reals: 1 / 11 = 9.09%.
    found = adapted_decision(POLICY, np.arange(10.0), np.arange(10.0))
    assert found.threshold == np.nextafter(9.0, np.inf)
    assert "9.09%" in found.chosen
    assert (found.adapted.known_reals, found.adapted.scores, found.adapted.fake_share) == (10, 10, None)
    assert found.adapted.fallback

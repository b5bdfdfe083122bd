"""The conformal threshold by hand, and its guarantee over many repetitions."""

import numpy as np
import pytest

from fakeforensics.thresholds.conformal import conformal_threshold, few_reals
from fakeforensics.thresholds.target import Target


def test_nineteen_reals_attain_five_percent_at_their_maximum():
    # ⌈0.95 · 20⌉ = 19: the largest of the nineteen, and what lies above it is fake.
    reals = np.arange(19.0)
    threshold = conformal_threshold(reals, 0.05)
    assert threshold > 18
    assert threshold == np.nextafter(18.0, np.inf)


def test_ten_reals_at_ten_percent_leave_none_above():
    # ⌈0.9 · 11⌉ = ⌈9.9⌉ = 10: the largest.
    assert conformal_threshold(np.arange(10.0), 0.1) == np.nextafter(9.0, np.inf)


def test_decimal_rates_are_not_rounded_up():
    # (1 − 0.1) · 20 = 18 exactly; in binary it is 18.000000000000004, whose ceiling would be 19.
    assert conformal_threshold(np.arange(19.0), 0.1) == np.nextafter(17.0, np.inf)


@pytest.mark.parametrize(("known", "alpha"), [(10, 0.05), (10, 0.09), (98, 0.01)])
def test_too_few_reals_attain_nothing(known, alpha):
    assert conformal_threshold(np.arange(float(known)), alpha) is None


@pytest.mark.parametrize(("known", "alpha"), [(10, 0.1), (19, 0.05), (50, 0.05), (99, 0.01)])
def test_mean_false_positive_rate_is_within_its_bound(known, alpha):
    # Uniform scores: a threshold t is exceeded with probability 1 − t exactly. Over 1,000 draws of the k
    # reals the mean is at most α, and at least α − 1 / (k + 1), within three standard errors.
    rng = np.random.default_rng(known)
    rates = np.array([1 - conformal_threshold(rng.random(known), alpha) for _ in range(1000)])
    error = 3 * rates.std() / np.sqrt(1000)
    assert rates.mean() <= alpha + error
    assert rates.mean() >= alpha - 1 / (known + 1) - error


# Half of the groups are single images with uniform scores; half hold nine, whose scores lie 0.5 higher.
SIZES, SHIFTS = np.array([1, 9]), np.array([0.0, 0.5])


def exceeded(threshold):
    """The probability that a score of either kind of group lies above a threshold."""
    return np.clip(1 + SHIFTS - threshold, 0, 1)


@pytest.mark.parametrize(("known", "alpha"), [(10, 0.1), (19, 0.05), (50, 0.05), (99, 0.1)])
def test_with_unequal_groups_the_bound_holds_by_group_and_not_by_image(known, alpha):
    rng = np.random.default_rng(known)
    by_group, by_image = [], []
    for _ in range(1000):
        kinds = rng.integers(0, 2, known)
        threshold = conformal_threshold(rng.random(known) + SHIFTS[kinds], alpha)
        by_group.append(exceeded(threshold).mean())
        by_image.append(np.average(exceeded(threshold), weights=SIZES))
    error = 3 * np.std(by_group) / np.sqrt(1000)
    assert alpha - 1 / (known + 1) - error <= np.mean(by_group) <= alpha + error
    # Nine of ten images are of the higher kind: nearly twice the rate asked for.
    assert np.mean(by_image) > 1.5 * np.mean(by_group)
    assert np.mean(by_image) > alpha + 3 * np.std(by_image) / np.sqrt(1000)


def test_ties_only_lower_the_rate():
    # Half of all scores are 0: calling 0 real, never more than α are called fake.
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(1000):
        threshold = conformal_threshold(np.maximum(rng.normal(size=50), 0), 0.1)
        rates.append(np.mean(np.maximum(rng.normal(size=500), 0) >= threshold))
    assert np.mean(rates) <= 0.1 + 3 * np.std(rates) / np.sqrt(1000)


def make_target(groups, per_group=1, fakes=200, seed=0):
    """Reals N(0, 1) in groups, fakes N(3, 1) each alone."""
    rng = np.random.default_rng(seed)
    reals = groups * per_group
    scores = np.concatenate([rng.normal(size=reals), rng.normal(3, 1, fakes)])
    fake = np.arange(reals + fakes) >= reals
    unit = np.concatenate([np.repeat(np.arange(groups), per_group), groups + np.arange(fakes)])
    return Target("t", scores, fake, unit, np.arange(scores.size))


def test_on_a_set_the_mean_rate_over_draws_keeps_its_bound():
    # The set's own reals are a finite population, so draws from it are exchangeable with what is left.
    found = few_reals(make_target(groups=400), 50, (0.05, 0.1), draws=1000, seed=1)
    for alpha, result in found.items():
        error = 3 * result.fpr.std() / np.sqrt(1000)
        assert alpha - 1 / 51 - error <= result.fpr.mean() <= alpha + error


def test_on_a_set_of_unequal_groups_the_rate_by_group_keeps_its_bound():
    rng = np.random.default_rng(3)
    kinds = np.repeat([0, 1], 200)
    unit = np.append(np.repeat(np.arange(400), SIZES[kinds]), 400)
    scores = np.append(rng.random(2000) + np.repeat(SHIFTS[kinds], SIZES[kinds]), 3.0)
    fake = np.arange(2001) == 2000
    target = Target("t", scores, fake, unit, np.arange(2001))
    found = few_reals(target, 50, (0.1,), draws=1000, seed=4)[0.1]
    by_draw = [exceeded(threshold).mean() for threshold in found.thresholds]
    error = 3 * np.std(by_draw) / np.sqrt(1000)
    assert 0.1 - 1 / 51 - error <= found.fpr_by_group <= 0.1 + error
    assert found.fpr.mean() > 0.15


def test_with_equal_groups_both_rates_are_one():
    found = few_reals(make_target(groups=60, per_group=3), 20, (0.1,), draws=2000, seed=2)[0.1]
    assert found.fpr_by_group == pytest.approx(found.fpr.mean(), abs=0.002)


def test_what_each_image_is_called_agrees_with_the_draws():
    target = make_target(groups=60, per_group=3)
    found = few_reals(target, 20, (0.1,), draws=400, seed=2)[0.1]
    reals = ~target.fake
    # Two ways to average: over images of the draws' shares, over draws of the images' shares.
    assert found.called[reals].mean() == pytest.approx(found.fpr.mean(), abs=0.005)
    # A fake alone in its group is judged in every draw.
    fakes = np.flatnonzero(target.fake)[:5]
    by_hand = (target.scores[fakes][:, None] >= found.thresholds).mean(axis=1)
    assert found.called[fakes] == pytest.approx(by_hand)


def test_known_reals_are_not_judged():
    # Ten groups are measured on and ten known, one of each two: a real that was itself known may not count as
    # "not called fake" in that draw. With distinct groups of one, each judged draw exceeds it or not.
    target = make_target(groups=20)
    found = few_reals(target, 10, (0.1,), draws=2000, seed=0)[0.1]
    top = int(np.argmax(np.where(target.fake, -np.inf, target.scores)))
    # Where the top real is known it is the threshold; where it is not, it lies above it: always called fake.
    assert found.called[top] == 1.0


def test_an_edit_leaves_with_its_original():
    target = make_target(groups=20, fakes=20)
    unit = target.unit.copy()
    unit[20:] = np.arange(20)  # each fake is an edit of a real
    found = few_reals(Target("t", target.scores, target.fake, unit, target.image), 10, (0.1,), 50, 0)[0.1]
    assert np.isfinite(found.called).all()
    # A fake that is only judged where its original is unknown is judged in about half of the draws; shares of
    # called draws are then not multiples of 1 / 50 throughout.
    assert np.any(np.abs(found.called * 50 - np.round(found.called * 50)) > 1e-6)


@pytest.mark.parametrize(
    ("groups", "known", "message"), [(15, 10, "15 groups of reals"), (100, 10, "not attainable: below 1 / ")]
)
def test_no_answer_says_why(groups, known, message):
    assert message in few_reals(make_target(groups=groups), known, (0.05,), draws=5, seed=0)

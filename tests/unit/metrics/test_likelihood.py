"""Likelihood ratios' cost, the cost of their ranking, their bounds and Tippett curves, all by hand."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from fakeforensics.errors import UserError
from fakeforensics.metrics.likelihood import cllr, cllr_min, costs, empirical_bounds, tippett

LOG10 = np.log10


def test_the_cost_by_hand():
    # Fakes with LR 3 and 1: log2(1 + 1/3) = 0.41504 and log2(2) = 1, mean 0.70752. Reals with LR 1/3 and 7:
    # log2(4/3) = 0.41504 and log2(8) = 3, mean 1.70752. Half of the sum is 1.20752.
    log10_lr, labels = LOG10([3, 1, 1 / 3, 7]), np.array([1, 1, 0, 0])
    assert costs(log10_lr, labels) == pytest.approx([0.41504, 1, 0.41504, 3], abs=1e-5)
    found = cllr(log10_lr, labels)
    assert found == pytest.approx((0.70752 + 1.70752) / 2, abs=1e-5)


def test_an_answer_that_says_nothing_costs_one_bit_whatever_the_share_of_fakes():
    assert cllr(np.zeros(5), np.array([1, 0, 0, 0, 0])) == 1


def test_huge_ratios_do_not_overflow():
    # log2(1 + 10^400) = 400 log2(10) for both misleading answers.
    assert cllr(np.array([-400.0, 400.0]), np.array([1, 0])) == pytest.approx(400 * np.log2(10))
    assert cllr(np.array([400.0, -400.0]), np.array([1, 0])) == pytest.approx(0, abs=1e-12)


def test_the_cost_of_true_ratios_of_gaussians():
    # Reals N(0, 1), fakes N(2, 1): ln LR = 2 s − 2; the expected cost is an integral.
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100_000)
    scores = rng.normal(size=labels.size) + 2 * labels
    expected = quad(lambda s: norm.pdf(s, 2) * np.log2(1 + np.exp(2 - 2 * s)), -8, 12)[0]
    assert cllr((2 * scores - 2) / np.log(10), labels) == pytest.approx(expected, abs=0.005)
    # No rising function does better, but for what isotonic regression gains by knowing the labels.
    assert cllr_min(scores, labels) == pytest.approx(expected, abs=0.005)


def test_the_least_cost_by_hand():
    # Ascending real, fake, real, fake: the middle pair is pooled to one half; with as many reals as fakes its
    # LR is 1, a cost of 1 bit for each. The outer images are certain. (0 + 1)/2 for either class.
    assert cllr_min(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 1, 0, 1])) == pytest.approx(0.5)
    # One fake and three reals in one block: LR = (1/1) / (3/3) = 1, not 1/3.
    assert cllr_min(np.full(4, 0.2), np.array([1, 0, 0, 0])) == pytest.approx(1)
    assert cllr_min(np.array([0.0, 1.0]), np.array([0, 1])) == 0
    assert cllr_min(np.array([1.0, 0.0]), np.array([0, 1])) == pytest.approx(1)


def test_the_least_cost_goes_by_the_order_alone():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 300)
    scores = rng.normal(size=300) + labels
    assert cllr_min(1e-17 * scores, labels) == cllr_min(scores, labels)
    assert cllr_min(np.exp(scores), labels) == cllr_min(scores, labels)
    assert cllr_min(scores, labels) <= cllr(scores / np.log(10), labels)


def test_weights_repeat_images():
    scores, labels = np.array([0.1, 0.7, 0.4, 0.9]), np.array([0, 0, 1, 1])
    weights = np.array([2, 1, 3, 0])
    again = np.repeat(np.arange(4), weights)
    for cost in (cllr, cllr_min):
        assert cost(scores, labels, weights) == pytest.approx(cost(scores[again], labels[again]))


@pytest.mark.parametrize("cost", [cllr, cllr_min])
def test_what_has_no_cost_is_refused(cost):
    with pytest.raises(UserError, match="0 fakes"):
        cost(np.zeros(2), np.zeros(2, int))
    with pytest.raises(UserError, match="not finite"):
        cost(np.array([np.inf, 0.0]), np.array([1, 0]))


def test_bounds_of_a_perfect_system_by_hand():
    # Three and three. Above t = 1 no fake is missed but the added one, no real called but the added one:
    # 1/4 + t/4 ≤ 1 up to t = 3. Downwards the same.
    log10_lr = np.array([50.0, 50, 50, -50, -50, -50])
    low, high = empirical_bounds(log10_lr, np.array([1, 1, 1, 0, 0, 0]))
    assert (10**low, 10**high) == pytest.approx((1 / 3, 3))
    # One and one: 1/2 + t/2 ≤ 1 ends at 1, so nothing is supported.
    assert empirical_bounds(np.array([9.0, -9.0]), np.array([1, 0])) == pytest.approx((0, 0))


def test_bounds_of_a_mixed_system_by_hand():
    log10_lr, labels = np.array([-2.0, -1, 0, 1, 2]), np.array([0, 0, 1, 1, 1])
    low, high = empirical_bounds(log10_lr, labels)
    # Upwards one of three fakes has LR ≤ 1: 2/4 + t/3 ≤ 1 up to 1.5. Downwards, for t below 1, t weighs
    # missed fakes less than called reals: 1/4 + t · 1/3 ≤ t from t = 3/8 on.
    assert (10**low, 10**high) == pytest.approx((3 / 8, 3 / 2))
    # Answers with the wrong sign support nothing.
    assert empirical_bounds(-log10_lr, labels) == (0, 0)


def test_the_bound_stops_at_the_first_threshold_that_loses():
    # Ten fakes: five with LR 2, five with LR 1000. A hundred reals with LR 1/10. Below t = 2 nothing is lost:
    # 1/11 + t/101 < 1. From 2 on 6/11 + t/101 ≤ 1 up to t = 505/11 = 45.9. Had nine fakes LR 2, it would be
    # 10/11 + t/101 ≤ 1 up to 9.18; with all ten, 11/11 + t/101 > 1 at once, so the bound is 2.
    labels = np.repeat([1, 0], [10, 100])
    for small, bound in ((5, 505 / 11), (9, 101 / 11), (10, 2)):
        lr = np.concatenate([np.full(small, 2.0), np.full(10 - small, 1000.0), np.full(100, 0.1)])
        assert 10 ** empirical_bounds(LOG10(lr), labels)[1] == pytest.approx(bound)


def test_a_group_counts_once_however_many_images_it_has():
    labels = np.array([1, 1, 1, 0, 0, 0])
    log10_lr = np.array([5.0, 5, 5, -5, -5, -5])
    once = empirical_bounds(log10_lr, labels)
    many = empirical_bounds(np.repeat(log10_lr, 32), np.repeat(labels, 32), np.full(6 * 32, 1 / 32))
    assert many == pytest.approx(once)
    # Without the weights the frames would pass for evidence: 96/97.
    assert 10 ** empirical_bounds(np.repeat(log10_lr, 32), np.repeat(labels, 32))[1] == pytest.approx(96)


def test_a_tippett_curve_by_hand():
    x, share = tippett(np.array([0.5, -1.0, 0.5, 2.0]))
    assert x.tolist() == [-1, 0.5, 2]
    assert share.tolist() == [1, 0.75, 0.25]

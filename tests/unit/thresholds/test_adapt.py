"""Unlabeled adaptation where its assumptions hold, and where they do not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from fakeforensics.thresholds.adapt import (
    BINS,
    METHODS,
    ValidationSummary,
    align_z_scores,
    histogram,
    histogram_valley,
    is_constant,
    mixture,
    prior_shift,
)

# Validation: reals N(0, 1), fakes N(4, 1), half each. The log-odds of fake are 4 s − 8; the best cut is 2,
# the mean 2, and the variance 1 + 2².
VALIDATION = ValidationSummary(
    threshold=2.0, mean=2.0, std=np.sqrt(5), slope=4.0, intercept=-8.0, prevalence=0.5
)


def draw(share, shift=0.0, images=20_000, seed=0):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=images) + 4 * (rng.random(images) < share) + shift
    return histogram(scores, np.full(images, 1 / images))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_prior_shift_finds_the_share_and_its_best_cut(share):
    # The best cut at share p is where 4 s − 8 + logit(p) = 0.
    best = 2 - np.log(share / (1 - share)) / 4
    assert prior_shift(draw(share), VALIDATION) == pytest.approx(best, abs=0.05)


def test_prior_shift_takes_moved_scores_for_another_share():
    # All scores 4 lower: fakes lie where reals were. The method sees reals alone and cuts above the fakes.
    assert prior_shift(draw(0.5, shift=-4), VALIDATION) > 2


@pytest.mark.parametrize("method", [mixture, histogram_valley, align_z_scores])
@pytest.mark.parametrize("shift", [-10.0, 0.0, 3.0])
def test_moved_scores_are_followed_at_even_shares(method, shift):
    found = method(draw(0.5, shift), VALIDATION)
    # Accuracy there, by the normal distribution, is within one point of the best, Φ(2) = 0.977.
    accuracy = (norm.cdf(found - shift) + norm.sf(found - shift - 4)) / 2
    assert accuracy == pytest.approx(norm.cdf(2), abs=0.01)


def test_standardising_leans_on_the_share_of_fakes():
    # At 1% fakes the mean is 0.04 and the deviation about 1.08: the cut falls on the reals' own mean.
    assert align_z_scores(draw(0.01), VALIDATION) == pytest.approx(0.04, abs=0.05)


def test_mixture_cuts_by_bayes_at_uneven_shares():
    # Equal variances: the cut moves from 2 by ln(0.8 / 0.2) / 4.
    assert mixture(draw(0.2), VALIDATION) == pytest.approx(2 + np.log(4) / 4, abs=0.1)


def test_constant_scores_give_no_threshold():
    flat = histogram(np.full(10, 3.0), np.full(10, 0.1))
    for name in ("mixture", "valley", "standardise"):
        assert METHODS[name](flat, VALIDATION) is None


def test_one_peak_has_no_valley():
    assert histogram_valley(draw(0.0), VALIDATION) is None


def test_a_score_that_ranks_backwards_has_no_prior_shift():
    backwards = ValidationSummary(2.0, 2.0, 1.0, slope=0.0, intercept=0.0, prevalence=0.5)
    assert prior_shift(draw(0.5), backwards) is None


def test_two_images_do_not_fail():
    two = histogram(np.array([0.0, 4.0]), np.array([0.5, 0.5]))
    for method in METHODS.values():
        found = method(two, VALIDATION)
        assert found is None or np.isfinite(found)


def test_weights_stand_for_a_composition():
    # A set of half fakes, weighted to 10%, has the moments of one with 10%.
    rng = np.random.default_rng(1)
    fake = np.arange(20_000) < 10_000
    scores = rng.normal(size=20_000) + 4 * fake
    weighted = histogram(scores, np.where(fake, 0.1, 0.9) / 10_000)
    assert weighted.mean == pytest.approx(0.4, abs=0.05)
    assert weighted.std == pytest.approx(np.sqrt(1 + 16 * 0.09), abs=0.05)


def same_weights(scores):
    return histogram(scores, np.full(scores.size, 1 / scores.size))


@pytest.mark.parametrize("far", [-9999.0, 9999.0, 1e6, -1e140])
@pytest.mark.parametrize("images", [150, 1000, 20_000])
def test_one_score_far_out_leaves_every_rule_without_an_answer(far, images):
    # A bin is 20 wide or wider: all others are in one or two. Of 20,000 the mixture had no share to divide
    # by, of 150 it parted the sentinel from all others; the mean and deviation are the sentinel's.
    rng = np.random.default_rng(0)
    scores = np.append(rng.normal(size=images - 1) + 4 * (rng.random(images - 1) < 0.5), far)
    assert [method(same_weights(scores), VALIDATION) for method in METHODS.values()] == [None] * 4


def test_two_narrow_classes_are_no_sentinel():
    # Each lies within a bin, but neither is nine tenths of the images: any cut between 0 and 4 is right.
    scores = np.repeat([0.0, 4.0], 500) + 1e-3 * np.random.default_rng(0).normal(size=1000)
    for name in ("mixture", "standardise"):
        assert 1 < METHODS[name](same_weights(scores), VALIDATION) < 3


@pytest.mark.parametrize("seed", range(20))
def test_heavy_tails_end_in_an_answer_or_in_none(seed):
    # Nearly all of such sets once divided by zero: distances with a tail as 1 / x, and with no mean at all.
    rng = np.random.default_rng(seed)
    for scores in (rng.pareto(0.5, 2000), np.exp(4 * rng.normal(size=2000)), rng.standard_cauchy(2000)):
        for method in METHODS.values():
            found = method(same_weights(scores), VALIDATION)
            assert found is None or np.isfinite(found)


@given(st.integers(-140, 140), st.booleans())
@settings(max_examples=30, deadline=None)
def test_the_mixture_does_not_depend_on_the_scale(power, mirrored):
    # A threshold moves with the scores: 2 for N(0, 1) and N(4, 1), and 2 · 10^n for scores of that scale.
    rng = np.random.default_rng(0)
    scores = rng.normal(size=4000) + 4 * (rng.random(4000) < 0.5)
    scores = 4 - scores if mirrored else scores
    found = mixture(same_weights(10.0**power * scores), VALIDATION)
    assert found == pytest.approx(2 * 10.0**power, rel=0.1)


@given(
    st.sampled_from([0.1, 1.0, -1.0, 2 - 2.0**-40, 1e-9, -1e9, 1e-300]), st.integers(0, 6 * BINS), st.data()
)
@settings(max_examples=200, deadline=None)
def test_a_handful_of_representable_numbers_is_constant_and_more_have_bins(low, steps, data):
    # Saturated sigmoids: between them there is no room for 512 bins with edges that differ.
    spacing = np.spacing(abs(low))
    middle = data.draw(st.integers(0, steps))
    scores = low + spacing * np.array([0, middle, steps])
    found = same_weights(scores)
    if steps < BINS:
        assert is_constant(scores)
        assert (found.std, found.centers.size) == (0.0, 1)
    for name in ("mixture", "valley", "standardise"):
        assert not is_constant(scores) or METHODS[name](found, VALIDATION) is None


def test_rounding_of_the_mean_is_no_deviation():
    # The mean of 100 times 0.1 is 0.09999999999999998, and their deviation by the formula 5.6e-17, not 0.
    scores = np.full(100, 0.1)
    assert scores.std() > 0
    assert is_constant(scores)
    assert same_weights(scores).std == 0.0
    assert not is_constant(np.array([0.1, 0.1 + 1e-12]))  # 72,000 representable numbers apart

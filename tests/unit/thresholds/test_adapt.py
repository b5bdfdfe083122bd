"""Unlabeled adaptation where its assumptions hold, and where they do not."""

import numpy as np
import pytest
from scipy.stats import norm

from fakeforensics.thresholds.adapt import (
    METHODS,
    ValidationSummary,
    align_z_scores,
    histogram,
    histogram_valley,
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

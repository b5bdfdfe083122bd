"""Known reals of a set: the conformal guarantee over many repetitions, and how draws are judged."""

import numpy as np
import pytest

from fakeforensics.metrics.operating import conformal_threshold
from fakeforensics.thresholds.any_share import any_share_threshold
from fakeforensics.thresholds.known_reals import ScoreCells, conformal_draws, draw_known_reals
from fakeforensics.thresholds.targets import Target


def conformal(target, size, alphas, draws, seed):
    return conformal_draws(target, draw_known_reals(target, size, draws, seed), alphas)


@pytest.mark.parametrize(
    ("known", "alpha", "largest_real"),
    [
        (19, 0.05, 18.0),  # ⌈0.95 · 20⌉ = 19: the largest of the nineteen, and what lies above it is fake
        (10, 0.1, 9.0),  # ⌈0.9 · 11⌉ = ⌈9.9⌉ = 10: the largest
        (19, 0.1, 17.0),  # 0.9 · 20 = 18 exactly; in binary 18.000000000000004, whose ceiling would be 19
    ],
)
def test_conformal_threshold_by_hand(known, alpha, largest_real):
    assert conformal_threshold(np.arange(float(known)), alpha) == np.nextafter(largest_real, np.inf)


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
    assert alpha - 1 / (known + 1) - error <= rates.mean() <= alpha + error


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
    found = conformal(make_target(groups=400), 50, (0.05, 0.1), draws=1000, seed=1)
    for alpha, result in found.items():
        error = 3 * result.fpr.std() / np.sqrt(1000)
        assert alpha - 1 / 51 - error <= result.fpr.mean() <= alpha + error


def test_on_a_set_of_unequal_groups_the_rate_by_group_keeps_its_bound():
    # Half of the groups are single images with uniform scores; half hold nine, whose scores lie 0.5 higher.
    sizes, shifts = np.array([1, 9]), np.array([0.0, 0.5])
    rng = np.random.default_rng(3)
    kinds = np.repeat([0, 1], 200)
    unit = np.append(np.repeat(np.arange(400), sizes[kinds]), 400)
    scores = np.append(rng.random(2000) + np.repeat(shifts[kinds], sizes[kinds]), 3.0)
    target = Target("t", scores, np.arange(2001) == 2000, unit, np.arange(2001))
    found = conformal(target, 50, (0.1,), draws=1000, seed=4)[0.1]
    # A uniform score exceeds t with probability 1 − t, a shifted one with 1.5 − t.
    by_draw = [np.clip(1 + shifts - threshold, 0, 1).mean() for threshold in found.thresholds]
    error = 3 * np.std(by_draw) / np.sqrt(1000)
    assert 0.1 - 1 / 51 - error <= found.fpr_by_group <= 0.1 + error
    # Nine of ten images are of the higher kind: nearly twice the rate asked for.
    assert found.fpr.mean() > 0.15


def test_what_each_image_is_called_agrees_with_the_draws():
    target = make_target(groups=60, per_group=3)
    found = conformal(target, 20, (0.1,), draws=2000, seed=2)[0.1]
    # Groups of equal size: the mean over images of the draws' shares, over draws of the images' shares, and
    # over groups are one.
    assert found.called[~target.fake].mean() == pytest.approx(found.fpr.mean(), abs=0.003)
    assert found.fpr_by_group == pytest.approx(found.fpr.mean(), abs=0.003)
    # A fake alone in its group is judged in every draw.
    fakes = np.flatnonzero(target.fake)[:5]
    by_hand = (target.scores[fakes][:, None] >= found.thresholds).mean(axis=1)
    assert found.called[fakes] == pytest.approx(by_hand)


def test_known_reals_are_not_judged():
    # Ten groups are known and ten are measured on. Where the top real is known it is the threshold; where it
    # is not, it lies above it: always called fake.
    target = make_target(groups=20)
    found = conformal(target, 10, (0.1,), draws=2000, seed=0)[0.1]
    assert found.called[int(np.argmax(np.where(target.fake, -np.inf, target.scores)))] == 1.0


def test_an_edit_leaves_with_its_original():
    target = make_target(groups=20, fakes=20)
    unit = target.unit.copy()
    unit[20:] = np.arange(20)  # each fake is an edit of a real
    edits = Target("t", target.scores, target.fake, unit, target.image)
    found = conformal(edits, 10, (0.1,), draws=50, seed=0)[0.1]
    # A fake that is only judged where its original is unknown is judged in about half of the draws: its share
    # of called draws is then not always a multiple of 1 / 50.
    assert np.any(np.abs(found.called * 50 - np.round(found.called * 50)) > 1e-6)


def test_too_few_groups_say_so():
    assert "15 groups of reals" in draw_known_reals(make_target(groups=15), 10, draws=5, seed=0)


def test_a_rate_that_is_not_attainable_has_no_threshold():
    assert conformal(make_target(groups=100), 10, (0.05,), draws=5, seed=0) == {}  # 1 / 11 is the least


def test_a_draw_is_judged_image_by_image():
    # Groups of reals of 1, 2 and 3 images in turn, some with a fake; against a loop over the draws.
    rng = np.random.default_rng(5)
    unit = np.concatenate([np.repeat(np.arange(30), np.tile([1, 2, 3], 10)), rng.integers(0, 40, 50)])
    fake = np.arange(unit.size) >= 60
    target = Target("t", np.round(rng.normal(size=unit.size), 1), fake, unit, np.arange(unit.size))
    known = draw_known_reals(target, 12, draws=30, seed=1)
    thresholds = rng.normal(size=30)
    called, fpr = known.judge(target, thresholds)
    votes = np.full((30, unit.size), np.nan)
    for draw, threshold in enumerate(thresholds):
        left = ~np.isin(unit, unit[known.picked[draw]])
        votes[draw, left] = target.scores[left] >= threshold
        assert fpr[draw] == np.nanmean(votes[draw, ~fake])
    judged = ~np.isnan(votes).all(axis=0)
    assert np.isnan(called[~judged]).all()
    np.testing.assert_allclose(called[judged], np.nanmean(votes[:, judged], axis=0), rtol=1e-12)


def test_the_choice_for_a_set_is_that_for_its_scores():
    # The draws' cuts against `any_share_threshold` on what each draw leaves: the cells are other ones, which
    # moves the ranks a little.
    target = make_target(groups=200, fakes=200)
    known = draw_known_reals(target, 50, draws=20, seed=3)
    found = ScoreCells(target, known).any_share(None, 1.5)
    by_hand = []
    for picked in known.picked:
        left = np.setdiff1d(np.arange(400), picked)
        by_hand.append(any_share_threshold(target.scores[left], target.scores[picked], 1.5))
    shares = [one.fake_share for one in by_hand]
    assert found.fake_share == pytest.approx(np.mean(shares), abs=0.02)
    assert found.thresholds == pytest.approx([one.threshold for one in by_hand], abs=0.25)
    low, high = found.interval
    assert low < 200 / 350 < high

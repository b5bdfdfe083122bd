"""Threshold selectors: the conformal guarantee over many repetitions, and the choice on the other sets."""

import numpy as np
import pytest

from fakeforensics.metrics.operating import conformal_threshold
from fakeforensics.thresholds.selectors import conformal_draws, leave_one_set_out, oracle_threshold
from fakeforensics.thresholds.targets import Target


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
    found = conformal_draws(make_target(groups=400), 50, (0.05, 0.1), draws=1000, seed=1)
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
    found = conformal_draws(target, 50, (0.1,), draws=1000, seed=4)[0.1]
    # A uniform score exceeds t with probability 1 − t, a shifted one with 1.5 − t.
    by_draw = [np.clip(1 + shifts - threshold, 0, 1).mean() for threshold in found.thresholds]
    error = 3 * np.std(by_draw) / np.sqrt(1000)
    assert 0.1 - 1 / 51 - error <= found.fpr_by_group <= 0.1 + error
    # Nine of ten images are of the higher kind: nearly twice the rate asked for.
    assert found.fpr.mean() > 0.15


def test_what_each_image_is_called_agrees_with_the_draws():
    target = make_target(groups=60, per_group=3)
    found = conformal_draws(target, 20, (0.1,), draws=2000, seed=2)[0.1]
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
    found = conformal_draws(target, 10, (0.1,), draws=2000, seed=0)[0.1]
    assert found.called[int(np.argmax(np.where(target.fake, -np.inf, target.scores)))] == 1.0


def test_an_edit_leaves_with_its_original():
    target = make_target(groups=20, fakes=20)
    unit = target.unit.copy()
    unit[20:] = np.arange(20)  # each fake is an edit of a real
    edits = Target("t", target.scores, target.fake, unit, target.image)
    found = conformal_draws(edits, 10, (0.1,), draws=50, seed=0)[0.1]
    # A fake that is only judged where its original is unknown is judged in about half of the draws: its share
    # of called draws is then not always a multiple of 1 / 50.
    assert np.any(np.abs(found.called * 50 - np.round(found.called * 50)) > 1e-6)


@pytest.mark.parametrize(
    ("groups", "known", "message"), [(15, 10, "15 groups of reals"), (100, 10, "not attainable: below 1 / ")]
)
def test_an_unavailable_calibration_set_says_why(groups, known, message):
    assert message in conformal_draws(make_target(groups=groups), known, (0.05,), draws=5, seed=0)


def target(name, reals, fakes, first=0, unit=None):
    scores = np.array([*reals, *fakes], dtype=float)
    fake = np.arange(scores.size) >= len(reals)
    numbers = first + np.arange(scores.size) if unit is None else np.array(unit)
    return Target(name, scores, fake, numbers, numbers)


SCORED = target("scored", [0, 1], [100, 101], first=1000)


def test_the_oracle_depends_on_the_prevalence():
    # At 2 all fakes and half of the reals are called fake; at 4 half of the fakes and no real.
    one = target("one", [0, 3], [3.0, 5])
    assert oracle_threshold(one, 0.9) == 1.5
    assert oracle_threshold(one, 0.1) == 4.0


def test_mean_and_worst_case_differ():
    # Set a is parted by any cut from 1 to 2; b needs one from 4 to 9, where a calls its four fakes real.
    a = target("a", [0, 0.5, 0.8, 1], [2, 2.5, 3, 3.5])
    b = target("b", [4], [9], first=100)
    c = target("c", [0.2], [2.2], first=200)
    found = leave_one_set_out(SCORED, [SCORED, a, b, c])
    # Mean: a cut in (1, 2) gives 1, 1/2, 1; a cut in (4, 9) gives 1/2, 1, 1/2. The middle of the gap (1, 2):
    assert found["mean"] == 1.5
    # Worst case: both give 1/2 at the least, and so does every cut between; (4, 9) is the widest gap.
    assert found["worst"] == 6.5


def test_scores_of_the_set_itself_do_not_matter():
    other = target("a", [0, 1], [2, 3])
    moved = Target("scored", SCORED.scores - 500, SCORED.fake, SCORED.unit, SCORED.image)
    assert leave_one_set_out(SCORED, [SCORED, other]) == leave_one_set_out(moved, [moved, other])


def test_sets_with_the_same_reals_leave_each_other_out():
    crn = target("crn", [0, 1], [5, 6], unit=[1, 2, 3, 4])
    imle = target("imle", [0, 1], [7, 8], unit=[1, 2, 5, 6])
    assert imle.without_shared(crn) is None  # its reals are CRN's: fakes alone would remain
    assert leave_one_set_out(crn, [crn, imle]) is None


def test_a_shared_group_or_image_leaves_and_the_rest_stays():
    two = target("two", [0, 1], [7, 8], unit=[1000, 9, 10, 11])  # 1000 is a group of the scored set
    assert two.without_shared(SCORED).scores.tolist() == [1, 7, 8]
    other = target("two", [0, 1], [7, 8], first=50)
    same_image = Target("two", other.scores, other.fake, other.unit, np.array([51, 1001, 52, 53]))
    assert same_image.without_shared(SCORED).scores.tolist() == [0, 7, 8]


def test_all_order_statistics_are_tried():
    # Brute force over every midpoint of the pooled scores of three random sets.
    rng = np.random.default_rng(3)
    sets = [
        target(name, rng.normal(size=7), rng.normal(1, 1, 5), first=100 * number)
        for number, name in enumerate("abc")
    ]
    pooled = np.sort(np.concatenate([one.scores for one in sets]))
    cuts = [pooled[0] - 1, *((pooled[1:] + pooled[:-1]) / 2), pooled[-1] + 1]

    def accuracies(cut):
        return [np.mean((one.scores >= cut) == one.fake) for one in sets]

    found = leave_one_set_out(SCORED, sets)
    assert np.mean(accuracies(found["mean"])) == pytest.approx(max(np.mean(accuracies(cut)) for cut in cuts))
    assert np.min(accuracies(found["worst"])) == pytest.approx(max(np.min(accuracies(cut)) for cut in cuts))

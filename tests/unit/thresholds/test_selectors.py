"""Threshold selectors: the oracle, and the choice on the other sets."""

import numpy as np
import pytest

from fakeforensics.thresholds.selectors import leave_one_set_out, oracle_threshold
from fakeforensics.thresholds.targets import Target


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

"""Verdicts with stated error rates: cuts by hand, their guarantee, and what they cost under shift."""

import numpy as np
import pandas as pd
import pytest

from fakeforensics.metrics.operating import conformal_threshold
from fakeforensics.params import ThresholdsParams
from fakeforensics.thresholds.conformal import conformal_cuts, fit_conformal, upper_cut, verdict_table
from fakeforensics.thresholds.policy import Decision
from tests.score_specs import SL
from tests.score_tables import make_scores

QUICK = ThresholdsParams(bootstrap=100, known_reals=(10, 500), draws=50, false_positive_rates=(0.1, 0.2))


def test_the_cut_by_hand():
    # Nine reals 1 … 9: a score above 9 has the p-value 1/10, one above 8 has 2/10.
    reals, ones = np.arange(1.0, 10.0), np.ones(9)
    assert upper_cut(reals, ones, 0.1) == np.nextafter(9.0, 10)
    assert upper_cut(reals, ones, 0.2) == np.nextafter(8.0, 10)
    assert upper_cut(reals, ones, 0.19) == np.nextafter(9.0, 10)
    assert upper_cut(reals, ones, 0.09) is None


@pytest.mark.parametrize("error_rate", [0.01, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("size", [5, 19, 20, 99, 137])
def test_with_groups_of_one_image_it_is_the_conformal_threshold(size, error_rate):
    scores = np.random.default_rng(size).normal(size=size).round(1)  # with ties
    assert upper_cut(scores, np.ones(size), error_rate) == conformal_threshold(scores, error_rate)


def test_a_group_counts_once():
    # Four groups; that of three images has one at 9: above 8 lies a weight of 1/3, (1 + 1/3) / 5 = 0.267.
    scores = np.array([1.0, 2.0, 9.0, 4.0, 6.0, 8.0])
    weights = np.array([1 / 3, 1 / 3, 1 / 3, 1, 1, 1])
    assert upper_cut(scores, weights, 0.26) == np.nextafter(9.0, 10)
    assert upper_cut(scores, weights, 4 / 15) == np.nextafter(8.0, 9)  # exactly the p-value
    assert upper_cut(scores, weights, 0.19) is None  # 1/5 is the least of all


def verdicts(cut, scores):
    policy = Decision(score="sl", threshold=0.0, chosen="c", conformal=(cut,), inconclusive=cut.error_rate)
    return [policy.verdict(score) for score in scores]


def test_between_overlapping_classes_both_are_compatible():
    # Reals 1 … 9, fakes 4 … 12, a rate of 0.2: real up to below 5, fake from above 8.
    scores = np.concatenate([np.arange(1.0, 10), np.arange(4.0, 13)])
    (cut,) = conformal_cuts(scores, np.repeat([0, 1], 9), np.arange(18), (0.2,))
    assert cut.fake_from == np.nextafter(8.0, 9)
    assert cut.real_to == np.nextafter(5.0, 4)
    assert verdicts(cut, (4.9, 5.0, 8.0, 8.1)) == ["real", "inconclusive", "inconclusive", "fake"]


def test_between_classes_far_apart_none_is_compatible():
    scores = np.concatenate([np.arange(1.0, 10), np.arange(101.0, 110)])
    (cut,) = conformal_cuts(scores, np.repeat([0, 1], 9), np.arange(18), (0.1,))
    # 9 is a real as those seen, 101 a fake as those seen; what lies between is like neither.
    assert verdicts(cut, (9.0, 9.1, 50.0, 100.9, 101.0)) == ["real", *["inconclusive"] * 3, "fake"]


def test_without_fakes_no_score_can_be_called_real():
    (cut,) = conformal_cuts(np.arange(1.0, 10), np.zeros(9, int), np.arange(9), (0.1,))
    assert cut.real_to is None
    assert verdicts(cut, (-99.0, 9.0, 9.1)) == ["inconclusive", "inconclusive", "fake"]


@pytest.mark.parametrize("frames", [1, 7])
def test_the_stated_error_rates_hold_in_the_mean(frames):
    # 30 groups of either class whose images differ little; further groups of the same kind.
    rng = np.random.default_rng(frames)
    labels = np.repeat([0, 1], 30 * frames)
    groups = np.arange(60 * frames) // frames
    rates = np.zeros(2)
    repetitions = 400
    for _ in range(repetitions):
        known, further = (rng.normal(size=60)[groups] + 0.3 * rng.normal(size=groups.size) for _ in "ab")
        (cut,) = conformal_cuts(known + 2 * labels, labels, groups, (0.1,))
        further = further + 2 * labels
        rates += np.mean(further[labels == 0] >= cut.fake_from), np.mean(further[labels == 1] <= cut.real_to)
    # The standard error of one class is about sqrt(0.1 · 0.9 / 30 / 400) = 0.003, doubled by the cuts' own.
    assert (rates / repetitions <= 0.1 + 0.02).all()
    assert (rates / repetitions > 0.05).all()


def test_shares_on_each_set():
    sets = {"seen": 0, "unseen": -3}
    table = make_scores(sets, "bce", images=200)
    validation = make_scores({"validation": 0}, "bce", images=400, seed=1)
    cuts = fit_conformal(validation, SL, QUICK.model_copy(update={"inconclusive": 0.05}))
    assert [cut.error_rate for cut in cuts] == [0.05, 0.1, 0.2]
    rows = {
        (row["test_set"], row["reals_from"], row["error_rate"]): row
        for row in verdict_table(table, SL, cuts, QUICK, 0)
    }
    # 500 known reals are more than there are, and of 10 an error rate of 0.05 cannot be had.
    assert {key[1:] for key in rows} == {
        *(("validation", rate) for rate in (0.05, 0.1, 0.2)),
        *(("reals_k10", rate) for rate in (0.1, 0.2)),
    }
    for name in sets:
        images = table[table["test_set"] == name]
        cut, row = cuts[1], rows[name, "validation", 0.1]
        policy = Decision(score="sl", threshold=0.0, chosen="c", conformal=cuts, inconclusive=0.1)
        found = np.array([policy.verdict(score) for score in images["logit"]])
        fake = images["label"].to_numpy() == 1
        assert row["reals_called_fake"] == pytest.approx(np.mean(found[~fake] == "fake"))
        assert row["fakes_called_real"] == pytest.approx(np.mean(found[fake] == "real"))
        assert row["reals_inconclusive"] == pytest.approx(np.mean(found[~fake] == "inconclusive"))
        assert row["inconclusive"] == pytest.approx(np.mean(found == "inconclusive"))
        assert cut.error_rate == 0.1
    assert rows["seen", "validation", 0.1]["fakes_called_real"] < 0.15
    # The unseen set lies 3 deviations lower: its fakes look like validation's reals.
    assert rows["unseen", "validation", 0.1]["fakes_called_real"] > 0.6
    # With known reals of the set itself, they are held for fakes or nothing, and hardly ever for reals.
    assert rows["unseen", "reals_k10", 0.1]["fakes_called_real"] < 0.3
    assert rows["unseen", "reals_k10", 0.1]["reals_called_fake"] < 0.2


def test_a_set_of_fakes_alone_has_no_shares_of_reals():
    table = make_scores({"a": 0}, "bce", share=1.0)
    cuts = fit_conformal(make_scores({"validation": 0}, "bce", seed=1), SL, QUICK)
    for row in verdict_table(table, SL, cuts, QUICK, 0):
        assert row["reals_from"] == "validation"
        assert {"fakes_called_real", "fakes_inconclusive"} < set(row)
        assert not {"reals_called_fake", "reals_inconclusive"} & set(row)


def test_images_of_one_group_are_one_witness():
    validation = make_scores({"validation": 0}, "bce", images=320, video_frames=32)
    cuts = fit_conformal(validation, SL, QUICK)
    # Five clips of either class: a p-value is never below 1/6.
    assert [(cut.fake_from is None, cut.real_to is None) for cut in cuts] == [(True, True), (False, False)]
    assert pd.Series(validation["group"]).nunique() == 10

"""Paired differences between models, and intervals over several runs, where the order is known."""

import numpy as np
import pytest

from fakeforensics.errors import UserError
from fakeforensics.metrics.compare import (
    Model,
    Run,
    compare,
    compare_with_baseline,
    differences,
    interval_over_runs,
)
from fakeforensics.metrics.ranking import equal_error_rate
from fakeforensics.metrics.registry import METRICS, Metric, measures
from fakeforensics.metrics.summary import intervals
from fakeforensics.metrics.table import ScoreTable, TestSets
from tests.score_specs import SCORES
from tests.score_tables import MIXED, make_mixed, make_scores

AP = METRICS[0]
APS = measures("comparison", SCORES["bce"], None)[:1]


def model(name, *runs):
    return Model(name, [Run(run) for run in runs], SCORES["bce"][0])


def ap_rows(first, second, unseen, seed, replicates):
    return differences(AP, [(first, second)], unseen, seed, replicates)


def better_and_worse(noise=0.5, images=400):
    """The same images scored by a good detector and by one with noise added."""
    good = make_scores({"a": 0, "b": 1}, "bce", images=images, gap=1.5)
    rng = np.random.default_rng(9)
    return good, good.assign(logit=good["logit"] + noise * rng.normal(size=len(good)))


def test_a_better_model_is_found_better():
    good, bad = better_and_worse(noise=2.0)
    rows = ap_rows(model("good", good), model("bad", bad), ("b",), seed=0, replicates=500)
    assert [row["test_set"] for row in rows] == ["a", "b", "mean", "mean_unseen"]
    for row in rows:
        assert row["difference"] == pytest.approx(row["ap_first"] - row["ap_second"], abs=2e-6)
        assert 0 < row["low"] < row["difference"] < row["high"]
        assert row["p_value"] == pytest.approx(2 / 501, abs=1e-6)  # the least that 500 draws can say


def test_intervals_over_runs_and_of_a_difference_hold_their_estimates():
    # Every fake scores below every real: resampling gives a higher AP than the scores themselves.
    table = make_scores({"a": 0}, "bce", images=20)
    worst = table.assign(logit=np.arange(20.0) - 1000.0 * table["label"])
    best = table.assign(logit=np.arange(20.0) + 1000.0 * table["label"])
    value = np.mean([n / (10 + n) for n in range(1, 11)])  # the n-th fake lies below 10 reals
    low, high = interval_over_runs(AP, model("worst", worst), (), 0, 200)["a"]
    assert low < value < high
    row = ap_rows(model("best", best), model("worst", worst), (), 0, 200)[0]
    assert row["difference"] == pytest.approx(1 - value, abs=1e-6)
    assert row["low"] < row["difference"] < row["high"]


def test_a_model_does_not_differ_from_itself():
    good, _ = better_and_worse()
    row = ap_rows(model("x", good), model("y", good), (), 0, 100)[0]
    assert (row["difference"], row["low"], row["high"], row["p_value"]) == (0, 0, 0, 1)


def test_pairing_is_surer_than_two_separate_intervals():
    good, bad = better_and_worse(noise=0.3)
    row = ap_rows(model("good", good), model("bad", bad), (), 0, 300)[0]
    low, high = intervals(APS, good, (), 0, 300)["ap"]["sl"]["a"]
    assert row["high"] - row["low"] < 0.7 * (high - low)


def test_rows_in_another_order_are_matched():
    good, bad = better_and_worse()
    shuffled = bad.sample(frac=1.0, random_state=1)
    assert ap_rows(model("g", good), model("b", shuffled), (), 0, 100) == ap_rows(
        model("g", good), model("b", bad), (), 0, 100
    )


def test_scatter_of_seeds_widens_the_interval():
    good, _ = better_and_worse()
    rng = np.random.default_rng(4)
    scattered = [
        good.assign(logit=good["logit"] + scale * rng.normal(size=len(good))) for scale in (0.0, 1.0, 4.0)
    ]
    one = ap_rows(model("g", good), model("s", *scattered[1:2]), (), 0, 300)[0]
    many = ap_rows(model("g", good), model("s", *scattered), (), 0, 300)[0]
    assert (one["runs_second"], many["runs_second"]) == (1, 3)
    assert many["high"] - many["low"] > 1.5 * (one["high"] - one["low"])


def test_other_images_are_refused():
    good, bad = better_and_worse()
    with pytest.raises(UserError, match="do not cover the same images"):
        ap_rows(model("g", good), model("b", bad.iloc[1:]), (), 0, 100)
    flipped = bad.assign(label=1 - bad["label"])
    with pytest.raises(UserError, match="different labels"):
        ap_rows(model("g", good), model("b", flipped), (), 0, 100)


def test_the_interval_over_runs_covers_images_and_seeds():
    good, _ = better_and_worse()
    rng = np.random.default_rng(4)
    runs = [
        good.assign(logit=good["logit"] + scale * rng.normal(size=len(good))) for scale in (0.0, 1.0, 3.0)
    ]
    low, high = interval_over_runs(AP, model("m", *runs), ("b",), 0, 300)["a"]
    one_low, one_high = intervals(APS, runs[1], (), 0, 300)["ap"]["sl"]["a"]
    assert high - low > 1.5 * (one_high - one_low)
    # Of a single run it is that run's own.
    alone = interval_over_runs(AP, model("m", good), ("b",), 0, 300)
    assert alone == intervals(APS, good, ("b",), 0, 300)["ap"]["sl"]


def test_where_lower_is_better_the_difference_changes_its_sign():
    good, bad = better_and_worse(noise=2.0)
    metric = Metric("eer", "EER", equal_error_rate, higher_is_better=False)
    row = differences(metric, [(model("good", good), model("bad", bad))], (), 0, 100)[0]
    assert row["eer_first"] < row["eer_second"]
    assert 0 < row["low"] < row["difference"] < row["high"]


def test_many_pairs_are_drawn_as_each_alone():
    good, bad = better_and_worse()
    other = model("other", bad.assign(logit=bad["logit"] + good["logit"]))
    pairs = [(model("good", good), model("bad", bad)), (other, model("bad", bad))]
    together = differences(AP, pairs, ("b",), 0, 50)
    assert together == [row for pair in pairs for row in differences(AP, [pair], ("b",), 0, 50)]


def caller(name, called, test_set="pggan"):
    """A model that calls these of the fakes fake."""
    table = make_scores({test_set: 0}, "bce", images=len(called), share=1.0)
    return model(name, table.assign(logit=np.where(called, 1.0, -1.0)))


def test_on_fakes_alone_pairs_cancel_what_both_get_right():
    # They differ on 20 of 100 fakes, and always the same way: 0.9 against 0.7.
    ours, theirs = [True] * 90 + [False] * 10, [True] * 70 + [False] * 30
    found = compare([(caller("joint/sl", ours), caller("bce/sl", theirs))], ("pggan",), 0, 2000)
    assert list(found) == ["accuracy_difference"]
    (row,) = found["accuracy_difference"]
    assert (row["accuracy_first"], row["accuracy_second"], row["difference"]) == (0.9, 0.7, 0.2)
    # Paired: ± 1.96 · sqrt(0.2 · 0.8 / 100) = ± 0.078; unpaired it would be ± 0.107.
    assert [row["low"], row["high"]] == pytest.approx([0.122, 0.278], abs=0.015)
    assert row["p_value"] < 0.01


def test_other_fakes_are_refused():
    with pytest.raises(UserError, match="do not cover the same images"):
        compare([(caller("a", [True, False]), caller("b", [True, False], "sngan"))], (), 0, 50)


NAMES = ["far", "sure", "margin"]
TABLE = make_mixed({"a": 0, "b": -3}, images=120, gap=2.0)
VALIDATION = make_mixed({"validation": 0}, images=120, gap=2.0, seed=1)
THREE = (ScoreTable(TABLE, MIXED), ScoreTable(VALIDATION, MIXED))


def test_every_score_of_every_detector_is_compared_with_the_baselines_first():
    sets = {"a": 0, "b": -3}
    bce = (
        ScoreTable(make_scores(sets, "bce", images=120, gap=2.0), SCORES["bce"]),
        ScoreTable(make_scores({"validation": 0}, "bce", images=120), SCORES["bce"]),
    )
    test_sets = TestSets(test=dict.fromkeys(sets), unseen=("b",))
    found = compare_with_baseline({"three": THREE, "bce": bce}, "three", test_sets, seed=0, replicates=50)
    assert list(found) == ["baseline", "ap_difference"]
    pairs = [(row["first"], row["second"]) for row in found["ap_difference"][::4]]
    assert pairs == [("three/sure", "three/far"), ("three/margin", "three/far"), ("bce/sl", "three/far")]
    found = compare_with_baseline({"three": THREE, "bce": bce}, "bce", test_sets, seed=0, replicates=50)
    assert [row["first"] for row in found["ap_difference"][::4]] == [f"three/{name}" for name in NAMES]


def test_a_score_without_a_probability_is_compared_at_validations_threshold():
    fakes = TABLE[TABLE["label"] == 1]
    three = (ScoreTable(fakes, MIXED), THREE[1])
    found = compare_with_baseline({"three": three}, "three", TestSets(test={"a": 0, "b": 0}), 0, 50)
    assert list(found) == ["baseline", "accuracy_difference"]  # fakes alone have no average precision
    rows = found["accuracy_difference"]
    assert [(row["first"], row["test_set"]) for row in rows] == [
        (f"three/{name}", test_set) for name in ("sure", "margin") for test_set in "ab"
    ]
    by_hand = (fakes[fakes["test_set"] == "a"]["sure"] >= 0.5).mean()
    assert rows[0]["accuracy_first"] == pytest.approx(by_hand, abs=1e-6)


def test_without_its_baseline_nothing_is_compared():
    found = compare_with_baseline({"three": THREE}, "absent", TestSets(test={"a": 0, "b": 0}), 0, 50)
    assert list(found) == ["baseline", "note"]
    assert "absent" in found["note"]


def test_a_detector_with_one_score_is_compared_with_nothing():
    scores = ScoreTable(make_scores({"a": 0}, "bce", images=20), SCORES["bce"])
    validation = ScoreTable(make_scores({"validation": 0}, "bce", images=20), SCORES["bce"])
    found = compare_with_baseline({"bce": (scores, validation)}, "bce", TestSets(test={"a": 0}), 0, 50)
    assert list(found) == ["baseline", "note"]
    assert "bce/sl" in found["note"]

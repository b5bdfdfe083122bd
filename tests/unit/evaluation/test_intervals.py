"""Intervals and paired differences on models whose order is known."""

import numpy as np
import pandas as pd
import pytest

from fakeforensics.errors import UserError
from fakeforensics.evaluation.intervals import Model, compare, intervals
from fakeforensics.evaluation.summary import summarise
from tests.score_tables import make_scores


def test_intervals_hold_the_metric_and_have_its_keys():
    table = make_scores({"a": 0, "b": 0}, images=100, gap=1.0)
    metrics, bounds = summarise(table, ("b",)), intervals(table, ("b",), seed=0, replicates=200)
    for metric in ("ap", "auc"):
        assert list(bounds[metric]) == ["sl", "cd"]
        for score, values in bounds[metric].items():
            assert list(values) == list(metrics[metric][score])
            for name, (low, high) in values.items():
                assert low < metrics[metric][score][name] < high


def test_the_mean_of_two_independent_sets_is_surer():
    bounds = intervals(make_scores({"a": 0, "b": 0}, "bce", images=200, gap=1.0), (), 0, 300)["auc"]["sl"]
    width = {name: high - low for name, (low, high) in bounds.items()}
    assert width["mean"] < 0.85 * min(width["a"], width["b"])  # 1 / √2 in the limit


def test_shared_reals_are_drawn_once_for_both_sets():
    # Two sets with the same reals and fakes that score alike: their mean is as unsure as each of them.
    one = make_scores({"crn": 0}, "bce", images=200, gap=1.0)
    both = one.assign(test_set="imle")
    bounds = intervals(pd.concat([one, both], ignore_index=True), (), 0, 200)["auc"]["sl"]
    assert bounds["crn"] == bounds["imle"] == bounds["mean"]


def test_fakes_alone_have_no_interval():
    assert intervals(make_scores({"a": 0}, "bce", images=10, share=1.0), (), 0, 100) == {}


def better_and_worse(noise=0.5, images=400):
    """The same images scored by a good detector and by one with noise added."""
    good = make_scores({"a": 0, "b": 1}, "bce", images=images, gap=1.5)
    rng = np.random.default_rng(9)
    return good, good.assign(logit=good["logit"] + noise * rng.normal(size=len(good)))


def test_a_better_model_is_found_better():
    good, bad = better_and_worse(noise=2.0)
    rows = compare(
        Model("good", [good], "logit"), Model("bad", [bad], "logit"), ("b",), seed=0, replicates=500
    )
    assert [row["test_set"] for row in rows] == ["a", "b", "mean", "mean_unseen"]
    for row in rows:
        assert row["difference"] == pytest.approx(row["ap_first"] - row["ap_second"], abs=2e-6)
        assert 0 < row["low"] < row["difference"] < row["high"]
        assert row["p_value"] == pytest.approx(2 / 501, abs=1e-6)  # the least that 500 draws can say


def test_a_model_does_not_differ_from_itself():
    good, _ = better_and_worse()
    row = compare(Model("x", [good], "logit"), Model("y", [good], "logit"), (), 0, 100)[0]
    assert (row["difference"], row["low"], row["high"], row["p_value"]) == (0, 0, 0, 1)


def test_pairing_is_surer_than_two_separate_intervals():
    good, bad = better_and_worse(noise=0.3)
    row = compare(Model("good", [good], "logit"), Model("bad", [bad], "logit"), (), 0, 300)[0]
    low, high = intervals(good, (), 0, 300)["ap"]["sl"]["a"]
    assert row["high"] - row["low"] < 0.7 * (high - low)


def test_rows_in_another_order_are_matched():
    good, bad = better_and_worse()
    shuffled = bad.sample(frac=1.0, random_state=1)
    assert compare(Model("g", [good], "logit"), Model("b", [shuffled], "logit"), (), 0, 100) == compare(
        Model("g", [good], "logit"), Model("b", [bad], "logit"), (), 0, 100
    )


def test_scatter_of_seeds_widens_the_interval():
    good, _ = better_and_worse()
    rng = np.random.default_rng(4)
    scattered = [
        good.assign(logit=good["logit"] + scale * rng.normal(size=len(good))) for scale in (0.0, 1.0, 4.0)
    ]
    one = compare(Model("g", [good], "logit"), Model("s", scattered[1:2], "logit"), (), 0, 300)[0]
    many = compare(Model("g", [good], "logit"), Model("s", scattered, "logit"), (), 0, 300)[0]
    assert (one["runs_second"], many["runs_second"]) == (1, 3)
    assert many["high"] - many["low"] > 1.5 * (one["high"] - one["low"])


def test_other_images_are_refused():
    good, bad = better_and_worse()
    with pytest.raises(UserError, match="not about the same images"):
        compare(Model("g", [good], "logit"), Model("b", [bad.iloc[1:]], "logit"), (), 0, 100)
    flipped = bad.assign(label=1 - bad["label"])
    with pytest.raises(UserError, match="different labels"):
        compare(Model("g", [good], "logit"), Model("b", [flipped], "logit"), (), 0, 100)

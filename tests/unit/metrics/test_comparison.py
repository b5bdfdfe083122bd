"""Paired differences between models, and intervals over several runs, where the order is known."""

import numpy as np
import pytest

from fakeforensics.errors import UserError
from fakeforensics.metrics.comparison import Model, compare, interval_over_runs
from fakeforensics.metrics.intervals import intervals
from tests.score_specs import SCORES
from tests.score_tables import make_scores


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
    low, high = intervals(good, SCORES["bce"], (), 0, 300)["ap"]["sl"]["a"]
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


def test_the_interval_over_runs_covers_images_and_seeds():
    good, _ = better_and_worse()
    rng = np.random.default_rng(4)
    runs = [
        good.assign(logit=good["logit"] + scale * rng.normal(size=len(good))) for scale in (0.0, 1.0, 3.0)
    ]
    low, high = interval_over_runs(Model("m", runs, "logit"), ("b",), 0, 300)["a"]
    one_low, one_high = intervals(runs[1], SCORES["bce"], (), 0, 300)["ap"]["sl"]["a"]
    assert high - low > 1.5 * (one_high - one_low)
    # Of a single run it is that run's own.
    alone = interval_over_runs(Model("m", [good], "logit"), ("b",), 0, 300)
    assert alone == intervals(good, SCORES["bce"], ("b",), 0, 300)["ap"]["sl"]

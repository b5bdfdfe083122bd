"""Intervals on scores whose spread is known."""

import pandas as pd

from fakeforensics.metrics.intervals import intervals
from fakeforensics.metrics.summary import summarise
from tests.score_specs import SCORES
from tests.score_tables import make_scores


def test_intervals_hold_the_metric_and_have_its_keys():
    table = make_scores({"a": 0, "b": 0}, images=100, gap=1.0)
    metrics = summarise(table, SCORES["joint"], ("b",))
    bounds = intervals(table, SCORES["joint"], ("b",), seed=0, replicates=200)
    for metric in ("ap", "auc"):
        assert list(bounds[metric]) == ["sl", "cd"]
        for score, values in bounds[metric].items():
            assert list(values) == list(metrics[metric][score])
            for name, (low, high) in values.items():
                assert low < metrics[metric][score][name] < high


def test_the_mean_of_two_independent_sets_is_surer():
    table = make_scores({"a": 0, "b": 0}, "bce", images=200, gap=1.0)
    bounds = intervals(table, SCORES["bce"], (), 0, 300)["auc"]["sl"]
    width = {name: high - low for name, (low, high) in bounds.items()}
    assert width["mean"] < 0.85 * min(width["a"], width["b"])  # 1 / √2 in the limit


def test_shared_reals_are_drawn_once_for_both_sets():
    # Two sets with the same reals and fakes that score alike: their mean is as unsure as each of them.
    one = make_scores({"crn": 0}, "bce", images=200, gap=1.0)
    both = one.assign(test_set="imle")
    table = pd.concat([one, both], ignore_index=True)
    bounds = intervals(table, SCORES["bce"], (), 0, 200)["auc"]["sl"]
    assert bounds["crn"] == bounds["imle"] == bounds["mean"]


def test_fakes_alone_have_no_interval():
    table = make_scores({"a": 0}, "bce", images=10, share=1.0)
    assert intervals(table, SCORES["bce"], (), 0, 100) == {}

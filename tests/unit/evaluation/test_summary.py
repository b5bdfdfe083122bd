"""The metrics file: keys, order, means, and sets with one class."""

import json

import numpy as np
import pandas as pd
import pytest

from fakeforensics.errors import UserError
from fakeforensics.evaluation.summary import summarise
from tests.score_tables import make_scores


def test_means_are_over_all_and_over_unseen_sets():
    table = make_scores({"a": 0, "b": 0, "c": 0}, images=60, gap=1.0)
    found = summarise(table, unseen=("b", "c"))
    for metric in ("ap", "auc", "eer"):
        for values in found[metric].values():
            assert list(values) == ["a", "b", "c", "mean", "mean_unseen"]
            assert values["mean"] == pytest.approx(np.mean([values[name] for name in "abc"]), abs=1e-6)
            assert values["mean_unseen"] == pytest.approx((values["b"] + values["c"]) / 2, abs=1e-6)
            assert all(value == round(value, 6) for value in values.values())
    json.dumps(found, allow_nan=False)


def test_without_unseen_sets_there_is_no_such_mean():
    assert "mean_unseen" not in summarise(make_scores({"a": 0}), ())["ap"]["sl"]


def test_by_hand():
    table = make_scores({"a": 0}, "bce", images=4)
    table["label"] = [1, 1, 0, 0]
    table["logit"] = [4.0, 2.0, 3.0, 1.0]
    found = summarise(table, ())
    assert found["ap"]["sl"]["a"] == 0.833333  # 1/2 · 1 + 1/2 · 2/3
    assert found["auc"]["sl"]["a"] == 0.75  # three of the four pairs are in order
    assert found["eer"]["sl"]["a"] == 0.5  # FNR is 1/2 while FPR goes from 0 to 1/2


def test_saturated_probabilities_do_not_tie():
    # Sigmoids of 800 and 900 are both 1.0; by their logits fakes come first.
    table = make_scores({"a": 0}, "bce", images=4)
    table["label"], table["logit"], table["score_sl"] = [1, 1, 0, 0], [900.0, 950.0, 800.0, 700.0], 1.0
    assert summarise(table, ())["ap"]["sl"]["a"] == 1.0


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_set_with_one_class_has_no_metrics(share):
    both, one = make_scores({"a": 0}, images=60), make_scores({"pggan": 0}, images=4, share=share)
    found = summarise(pd.concat([both, one]), ("a", "pggan"))
    assert list(found["ap"]["sl"]) == ["a", "mean", "mean_unseen"]
    assert summarise(one, ("pggan",)) == {}


def test_broken_scores_are_refused_by_name():
    table = make_scores({"stylegan": 0}, "sad", images=10)
    table.loc[2, "score_cd"] = np.nan
    with pytest.raises(UserError, match="stylegan, cd: 1 of 10 scores are not finite"):
        summarise(table, ())

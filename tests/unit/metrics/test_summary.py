"""The metrics file: keys, order, means, and sets with one class."""

import json

import numpy as np
import pandas as pd
import pytest

from fakeforensics.errors import UserError
from fakeforensics.metrics.summary import summarise, validation_summary
from tests.score_specs import SCORES
from tests.score_tables import make_scores


def test_means_are_over_all_and_over_unseen_sets():
    table = make_scores({"a": 0, "b": 0, "c": 0}, images=60, gap=1.0)
    found = summarise(table, SCORES["joint"], unseen=("b", "c"))
    for metric in ("ap", "auc", "eer"):
        for values in found[metric].values():
            assert list(values) == ["a", "b", "c", "mean", "mean_unseen"]
            assert values["mean"] == pytest.approx(np.mean([values[name] for name in "abc"]), abs=1e-6)
            assert values["mean_unseen"] == pytest.approx((values["b"] + values["c"]) / 2, abs=1e-6)
            assert all(value == round(value, 6) for value in values.values())
    json.dumps(found, allow_nan=False)


def test_without_unseen_sets_there_is_no_such_mean():
    assert "mean_unseen" not in summarise(make_scores({"a": 0}), SCORES["joint"], ())["ap"]["sl"]


def test_by_hand():
    table = make_scores({"a": 0}, "bce", images=4)
    table["label"] = [1, 1, 0, 0]
    table["logit"] = [4.0, 2.0, 3.0, 1.0]
    found = summarise(table, SCORES["bce"], ())
    assert found["ap"]["sl"]["a"] == 0.833333  # 1/2 · 1 + 1/2 · 2/3
    assert found["auc"]["sl"]["a"] == 0.75  # three of the four pairs are in order
    assert found["eer"]["sl"]["a"] == 0.5  # FNR is 1/2 while FPR goes from 0 to 1/2


def test_saturated_probabilities_do_not_tie():
    # Sigmoids of 800 and 900 are both 1.0; by their logits fakes come first.
    table = make_scores({"a": 0}, "bce", images=4)
    table["label"], table["logit"], table["score_sl"] = [1, 1, 0, 0], [900.0, 950.0, 800.0, 700.0], 1.0
    assert summarise(table, SCORES["bce"], ())["ap"]["sl"]["a"] == 1.0


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_set_with_one_class_has_no_metrics(share):
    both, one = make_scores({"a": 0}, images=60), make_scores({"pggan": 0}, images=4, share=share)
    found = summarise(pd.concat([both, one]), SCORES["joint"], ("a", "pggan"))
    assert list(found["ap"]["sl"]) == ["a", "mean", "mean_unseen"]
    assert summarise(one, SCORES["joint"], ("pggan",)) == {}


def test_broken_scores_are_refused_by_name():
    table = make_scores({"stylegan": 0}, "sad", images=10)
    table.loc[2, "score_cd"] = np.nan
    with pytest.raises(UserError, match="stylegan, cd: 1 of 10 scores are not finite"):
        summarise(table, SCORES["sad"], ())


VALIDATION = pd.DataFrame(
    {
        "label": [0, 1, 0, 1],
        "logit": [0.0, np.log(3), -np.log(3), -np.log(3)],
        "score_cd": [1.0, 2.0, 3.0, 4.0],
    }
)


def test_validation_by_hand():
    found = validation_summary(VALIDATION, SCORES["joint"])
    # by distance, descending: fake (P 1/1, recall 1/2), real, fake (P 2/3, recall 1): AP = 1/2 + 1/3
    assert found["ap"]["cd"] == pytest.approx(0.833333)
    # by logit: fake first (1/1), then a real, then a real and a fake tied (2/4): AP = 1/2 + 1/4
    assert found["ap"]["sl"] == pytest.approx(0.75)
    # (log 2 − log ¾ − log ¾ − log ¼) / 4
    assert found["log_loss"] == pytest.approx((0.693147 + 0.287682 + 0.287682 + 1.386294) / 4, abs=1e-6)


def test_without_a_logit_validation_has_no_log_loss():
    assert set(validation_summary(VALIDATION, SCORES["sad"])) == {"ap"}


def test_validation_with_one_class_has_no_figures():
    assert validation_summary(VALIDATION[VALIDATION["label"] == 0], SCORES["joint"]) == {}

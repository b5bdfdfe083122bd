"""Intervals and paired differences of accuracies on sets of fakes alone."""

import numpy as np
import pytest

from fakeforensics.errors import UserError
from fakeforensics.metrics.fakes_alone import judge
from fakeforensics.metrics.fakes_alone_intervals import accuracy_rows, compare_accuracies
from tests.score_specs import SCORES
from tests.score_tables import make_scores

VALIDATION = {"all": make_scores({"validation": 0}, "bce", images=4).assign(label=[1, 1, 0, 0])}


def judged(called, sets=("pggan",)):
    """Judgements that call these fakes fake."""
    table = make_scores(dict.fromkeys(sets, 0), "bce", images=len(called) // len(sets), share=1.0)
    return judge({"all": table.assign(logit=np.where(called, 1.0, -1.0))}, VALIDATION, SCORES["bce"])


def test_an_interval_is_the_binomial_one():
    (row,) = accuracy_rows(judged([True] * 80 + [False] * 20), seed=0, replicates=2000)
    assert row["accuracy"] == 0.8
    assert row["fakes"] == 100
    assert (row["threshold"], row["probability"], row["threshold_chosen"]) == (0.0, 0.5, "probability 0.5")
    # The share of 100 draws with 80% in it: 0.8 ± 1.96 · sqrt(0.8 · 0.2 / 100) = 0.8 ± 0.078
    assert row["accuracy_interval"] == pytest.approx([0.722, 0.878], abs=0.015)


def test_where_all_are_recognised_there_is_nothing_to_draw():
    (row,) = accuracy_rows(judged([True] * 10), seed=0, replicates=50)
    assert row["accuracy_interval"] == [1.0, 1.0]


def test_pairs_cancel_what_both_get_right():
    # They differ on 20 of 100 fakes, and always the same way: 0.9 against 0.7.
    ours, theirs = [True] * 90 + [False] * 10, [True] * 70 + [False] * 30
    (row,) = compare_accuracies(("joint/sl", judged(ours)), ("bce/sl", judged(theirs)), 0, 2000)
    assert (row["accuracy_first"], row["accuracy_second"], row["difference"]) == (0.9, 0.7, 0.2)
    # Paired: ± 1.96 · sqrt(0.2 · 0.8 / 100) = ± 0.078; unpaired it would be ± 0.107.
    assert [row["low"], row["high"]] == pytest.approx([0.122, 0.278], abs=0.015)
    assert row["p_value"] < 0.01
    assert row["instances"] == "all"


def test_the_same_verdicts_do_not_differ():
    (row,) = compare_accuracies(("a", judged([True, False])), ("b", judged([True, False])), 0, 50)
    assert (row["difference"], row["low"], row["high"], row["p_value"]) == (0, 0, 0, 1)


def test_other_fakes_are_refused():
    with pytest.raises(UserError, match="not about the same fakes"):
        compare_accuracies(("a", judged([True, False])), ("b", judged([True, False], ["sngan"])), 0, 50)

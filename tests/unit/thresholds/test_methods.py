"""Recall by forgery method and the pooled AUC, by hand."""

import pandas as pd
import pytest

from fakeforensics.metrics.spec import ScoreSpec
from fakeforensics.thresholds.methods import pooled_auc, recall_by_method

SCORES = (ScoreSpec(name="s", label="s", title="s", column="s", scale="logit"),)


def table(rows):
    """Rows of test_set, method, label, score; each image its own group."""
    found = pd.DataFrame(rows, columns=["test_set", "method", "label", "s"])
    return found.assign(key=[f"{number}" for number in range(len(found))], source="x", group="")


VALIDATION = table([("validation", "", 0, float(score)) for score in range(19)])


def test_the_worst_method_comes_first():
    # 19 validation reals from 0 to 18: at 5% the threshold is just above 18, at 10% just above 17.
    test = table(
        [
            *(("a", "", 0, 3.0), ("a", "", 0, 17.5), ("a", "swap", 1, 19.0), ("a", "swap", 1, 20.0)),
            *(("b", "", 0, 1.0), ("b", "", 0, 2.0), ("b", "blend", 1, 17.5), ("b", "blend", 1, 30.0)),
            ("c", "", 1, 5.0),
        ]
    )
    rows = recall_by_method(test, VALIDATION, SCORES, (0.01, 0.05, 0.1))
    found = [(row["false_positive_rate"], row["method"], row["recall"], row["fpr"]) for row in rows]
    assert found == [
        (0.05, "c", 0.0, 0.0),  # a set without methods goes by its own name
        (0.05, "blend", 0.5, 0.0),
        (0.05, "swap", 1.0, 0.0),
        (0.1, "c", 0.0, 0.25),
        (0.1, "blend", 1.0, 0.25),
        (0.1, "swap", 1.0, 0.25),
    ]  # 1% is not attainable with 19
    # Clopper and Pearson for 0 of 1: the upper bound p has (1 − p) = 0.025.
    assert (rows[0]["recall_low"], rows[0]["recall_high"]) == (0.0, pytest.approx(0.975))


def test_sets_that_lie_apart_have_a_lower_pooled_auc():
    # Each set is parted perfectly, but b's real scores above a's fake, which loses one of the four pairs.
    test = table([("a", "", 0, 0.0), ("a", "m", 1, 1.0), ("b", "", 0, 2.0), ("b", "m", 1, 3.0)])
    (row,) = pooled_auc(test, SCORES)
    assert (row["auc"], row["mean_of_sets"], row["reals"], row["fakes"]) == (0.75, 1.0, 2, 2)


def test_an_image_in_two_sets_counts_once():
    test = table([("a", "", 0, 0.0), ("a", "m", 1, 1.0), ("b", "", 0, 0.0), ("b", "m", 1, 3.0)])
    test.loc[2, "key"] = test.loc[0, "key"]
    assert pooled_auc(test, SCORES)[0]["reals"] == 1
    assert pooled_auc(test[test["label"] == 1], SCORES) == []

"""Sets of fakes alone: where each score is cut, and what comes of it; the pilot study's models one by one."""

import numpy as np
import pandas as pd
import pytest

from fakeforensics.errors import UserError
from fakeforensics.metrics.fakes_alone import accuracies, judge
from tests.score_specs import SCORES
from tests.score_tables import make_scores


def fakes(detector, **columns):
    table = make_scores({"pggan": 0}, detector, images=4, share=1.0)
    return table.assign(**columns)


def validation(detector, **columns):
    return make_scores({"validation": 0}, detector, images=4).assign(label=[1, 1, 0, 0], **columns)


def test_a_logit_is_cut_at_probability_one_half():
    table = fakes("bce", logit=[1.0, 0.0, -0.1, 5.0])  # 0.5 itself counts as fake
    judged = judge({"3": table}, {"3": validation("bce")}, SCORES["bce"])
    assert accuracies(judged) == {"accuracy": {"sl": {"pggan": {"3": 0.75}}}}


def test_a_distance_is_cut_where_validation_is_most_accurate():
    # Between 4, the farthest real, and 6, the nearest fake.
    seen = validation("sad", score_cd=[6.0, 9.0, 4.0, 1.0])
    judged = judge({"all": fakes("sad", score_cd=[4.9, 5.0, 5.1, 8.0])}, {"all": seen}, SCORES["sad"])
    assert [one.threshold for one in judged] == [5.0]
    assert accuracies(judged) == {"accuracy_at_validation_threshold": {"cd": {"pggan": {"all": 0.75}}}}


def test_each_model_goes_by_its_own_validation():
    table = fakes("sad", score_cd=[1.0, 2.0, 3.0, 4.0])
    seen = {
        "1": validation("sad", score_cd=[3.0, 3.0, 2.0, 2.0]),  # 2.5
        "2": validation("sad", score_cd=[4.0, 4.0, 3.0, 3.0]),  # 3.5
    }
    found = accuracies(judge({"1": table, "2": table}, seen, SCORES["sad"]))
    assert found["accuracy_at_validation_threshold"]["cd"]["pggan"] == {"1": 0.5, "2": 0.25}


def test_two_scores_are_judged_each_its_way_and_sets_with_both_classes_are_passed_over():
    table = pd.concat([make_scores({"stargan": 0}), fakes("joint")], ignore_index=True)
    found = accuracies(judge({"all": table}, {"all": validation("joint")}, SCORES["joint"]))
    assert {metric: list(of) for metric, of in found.items()} == {
        "accuracy": ["sl"],
        "accuracy_at_validation_threshold": ["cd"],
    }
    assert list(found["accuracy"]["sl"]) == ["pggan"]
    assert judge({"all": make_scores({"stargan": 0})}, {"all": validation("joint")}, SCORES["joint"]) == []


def test_reals_alone_are_refused():
    table = make_scores({"stylegan": 0}, "bce", images=4, share=0.0)
    with pytest.raises(UserError, match="stylegan: the test set holds reals alone"):
        judge({"all": table}, {"all": validation("bce")}, SCORES["bce"])


def test_broken_scores_are_refused():
    with pytest.raises(UserError, match="1 of 4 scores are not finite"):
        judge({"all": fakes("bce", logit=[1.0, np.nan, 0.0, 0.0])}, {"all": validation("bce")}, SCORES["bce"])


def test_a_distance_needs_validation_images_of_both_classes():
    with pytest.raises(UserError, match="validation: holds 0 reals and 4 fakes"):
        judge({"all": fakes("sad")}, {"all": fakes("sad")}, SCORES["sad"])

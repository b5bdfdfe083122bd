"""Sets of fakes alone: validation's thresholds find some of them, and nothing else is said."""

import pandas as pd

from fakeforensics.thresholds.fakes_alone import fakes_alone
from tests.score_specs import SCORES
from tests.score_tables import make_scores


def test_recall_at_validations_thresholds_and_nothing_else():
    validation = make_scores({"validation": 0}, "sad", images=4)
    validation = validation.assign(label=[1, 1, 0, 0], score_cd=[6.0, 9.0, 4.0, 1.0])
    fakes = make_scores({"sngan": 0}, "sad", images=4, share=1.0).assign(score_cd=[4.5, 5.5, 6.5, 7.5])
    both = make_scores({"stylegan": 0}, "sad", images=10)
    found = fakes_alone(pd.concat([both, fakes], ignore_index=True), validation, SCORES["sad"])
    assert {row["test_set"] for row in found["rows"]} == {"sngan"}
    assert [row["criterion"] for row in found["rows"]] == ["f1", "accuracy", "youden", "eer"]
    for row in found["rows"]:  # 5 parts validation's reals from its fakes, whatever the criterion
        assert (row["threshold"], row["fakes"], row["recall"], row["fnr"]) == (5.0, 4, 0.75, 0.25)
        assert not {"accuracy", "precision", "fpr", "balanced_accuracy"} & set(row)
    assert "holds no real image" in found["undefined"]


def test_a_logits_threshold_is_told_as_a_probability_too():
    validation = make_scores({"validation": 0}, "bce", images=4)
    validation = validation.assign(label=[1, 1, 0, 0], logit=[1.0, 2.0, -1.0, -2.0])
    rows = fakes_alone(make_scores({"sngan": 0}, "bce", share=1.0), validation, SCORES["bce"])["rows"]
    assert {(row["threshold"], row["probability"]) for row in rows} == {(0.0, 0.5)}


def test_without_such_a_set_there_is_nothing_to_say():
    table, validation = make_scores({"stylegan": 0}), make_scores({"validation": 0})
    assert fakes_alone(table, validation, SCORES["joint"]) == {}

"""The table of thresholds, fake-only sets in it, and the titles of the pictures."""

import json

import pandas as pd
import pytest

from fakeforensics.errors import UserError
from fakeforensics.metrics.spec import EXTERNAL
from fakeforensics.params import ThresholdsParams
from fakeforensics.thresholds.analysis import analyze, calibrator_kind, threshold_table, write_analysis
from fakeforensics.thresholds.pictures import titles
from tests.score_specs import SCORES
from tests.score_tables import MIXED, make_scores

QUICK = ThresholdsParams(bootstrap=100, known_reals=(10,), draws=10)


def test_validations_threshold_on_a_fake_only_set_and_nothing_else():
    validation = make_scores({"validation": 0}, "sad", images=4)
    validation = validation.assign(label=[1, 1, 0, 0], score_cd=[6.0, 9.0, 4.0, 1.0])
    fakes = make_scores({"sngan": 0}, "sad", images=4, share=1.0).assign(score_cd=[4.5, 5.5, 6.5, 7.5])
    both = make_scores({"stylegan": 0}, "sad", images=10)
    table = pd.concat([both, fakes], ignore_index=True)
    rows = threshold_table(table, validation, SCORES["sad"])
    found = [row for row in rows if row["test_set"] == "sngan"]
    assert [row["criterion"] for row in found] == ["f1", "accuracy", "youden", "eer"]
    for row in found:  # 5 separates validation's reals from its fakes, whatever the criterion
        assert (row["threshold"], row["fakes"], row["recall"], row["fnr"]) == (5.0, 4, 0.75, 0.25)
        assert row["chosen_on"] == "validation"
        assert not {"accuracy", "precision", "fpr", "balanced_accuracy"} & set(row)
    assert len(rows) - len(found) == 8  # of the other set, four criteria with two choices each


def test_a_logits_threshold_is_stated_as_a_probability_too():
    validation = make_scores({"validation": 0}, "bce", images=4)
    validation = validation.assign(label=[1, 1, 0, 0], logit=[1.0, 2.0, -1.0, -2.0])
    rows = threshold_table(make_scores({"sngan": 0}, "bce", share=1.0), validation, SCORES["bce"])
    assert {(row["threshold"], row["probability"]) for row in rows} == {(0.0, 0.5)}


def test_without_validation_there_are_oracles_alone():
    table = pd.concat([make_scores({"a": 0}, "bce"), make_scores({"b": 0}, "bce", share=1.0)])
    rows = threshold_table(table, None, SCORES["bce"])
    assert {(row["test_set"], row["chosen_on"]) for row in rows} == {("a", "oracle")}


def test_a_calibrator_that_is_asked_for_needs_validation_fakes():
    both = make_scores({"validation": 0}, "sad", images=20)
    reals = both[both["label"] == 0]
    asked = QUICK.model_copy(update={"calibrator": "isotonic"})
    assert [calibrator_kind(params, both) for params in (QUICK, asked)] == ["platt", "isotonic"]
    assert analyze(both, reals, SCORES["sad"], QUICK, seed=0).decision.calibrator is None
    with pytest.raises(
        UserError, match=rf"isotonic(?s:.*){len(reals)} real and 0 fake(?s:.*)`thresholds.cal"
    ):
        analyze(both, reals, SCORES["sad"], asked, seed=0)


@pytest.mark.parametrize(("sets", "tables"), [(["a", "b"], {"fakes_alone"}), (["a"], set())])
def test_the_file_lists_fake_only_sets_apart(tmp_path, sets, tables):
    table = make_scores(dict.fromkeys(sets, 0), "bce", images=60)
    table.loc[table["test_set"] == "b", "label"] = 1
    analysis = analyze(table, make_scores({"validation": 0}, "bce", seed=1), SCORES["bce"], QUICK, seed=0)
    path = tmp_path / "t.json"
    write_analysis(analysis, metrics=path, decision=None, details=tmp_path / "r.csv", plots=tmp_path)
    found = json.loads(path.read_text())
    assert {row["test_set"] for row in found["table_4_10"]} == {"a"}
    assert set(found) & {"fakes_alone"} == tables
    if tables:
        assert {row["test_set"] for row in found["fakes_alone"]["rows"]} == {"b"}


def test_a_missing_score_is_refused():
    validation = make_scores({"validation": 0}, "bce")
    with pytest.raises(UserError, match="the validation scores lack score_cd"):
        analyze(make_scores({"a": 0}, "joint"), validation, SCORES["joint"], QUICK, seed=0)


def test_a_title_is_the_label_with_what_the_score_is():
    found = titles(SCORES["joint"])
    assert found["cd"] == "S_CD (squared distance to the center)"
    assert found["fused"] == "fused: S_SL and S_CD"
    assert titles(MIXED)["fused"] == "fused: FAR and SURE and MARGIN"
    assert titles((EXTERNAL,))["score"] == "score"

"""Thresholds: oracle and validation, published ones, and the rules."""

from dataclasses import replace

import pytest

from fakeforensics.reporting.blocks import EMPTY
from fakeforensics.reporting.reference import PublishedThreshold, ThresholdReference
from fakeforensics.reporting.threshold_tables import (
    rule_blocks,
    rule_name,
    threshold_blocks,
    thresholds_of,
    verdict_blocks,
)
from fakeforensics.thresholds.adapt import METHODS
from fakeforensics.thresholds.selectors import AIMS
from tests.score_specs import SL

from .conftest import REFERENCE, pair


def cells(row):
    return [cell.text for cell in row.cells]


def test_the_oracle_s_threshold_is_next_to_validation_s(project):
    project.protocol(["a", "b"], unseen=["b"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8)})
    project.thresholds(pair(SL, "a") + pair(SL, "a", "f1"))
    results = project.results()
    _, table = threshold_blocks(results, "accuracy")
    # 80 % at the set's own best, 67.5 % at validation's: 12.5 points lost.
    assert cells(table.rows[0]) == ["0.5", "75.0", "90.0", "80.0", "75.0", "90.0", "67.5", "12.5"]
    assert cells(table.rows[1]) == [EMPTY] * 8
    assert "0.731" in table.caption  # validation's logit of 1 as a probability
    bce, sad, *_ = results.columns
    assert thresholds_of(results, bce, "accuracy").chosen == 1.0
    assert thresholds_of(results, sad, "accuracy").chosen is None


def test_published_thresholds_are_shown_for_their_score_alone(project):
    printed = {"faceapp_ffhq": PublishedThreshold(0.9998, precision=58.3, recall=92.7, accuracy=63.0)}
    published = ThresholdReference(("bce", "sl"), "table 8 of the paper", "f1", printed, "A caveat.")
    project.protocol(["faceapp_ffhq"])
    project.metrics({"faceapp_ffhq": (0.5, 0.6, 0.7, 0.8)})
    for detector in ("bce", "joint"):
        project.thresholds(pair(SL, "faceapp_ffhq") + pair(SL, "faceapp_ffhq", "f1"), detector)
    reference = replace(REFERENCE, thresholds=published)
    _, bce, joint, table = threshold_blocks(project.results(reference=reference), "accuracy")
    assert not bce.has_references
    assert len(bce.columns) == len(joint.columns) == 8
    assert "highest F1" in table.caption
    assert "table 8 of the paper" in table.caption
    assert table.notes == ("A caveat.",)
    faceapp = next(row for row in table.rows if row.label == "FaceApp (FFHQ)")
    assert cells(faceapp) == ["0.5", "75.0", "90.0", "80.0"]
    assert [cell.reference for cell in faceapp.cells] == ["0.9998", "58.3", "92.7", "63.0"]
    # 75 − 58.3, 90 − 92.7 and 80 − 63; thresholds of other models are not subtracted.
    assert faceapp.cells[0].difference is None
    assert [cell.difference for cell in faceapp.cells[1:]] == pytest.approx([16.7, -2.7, 17.0])
    assert cells(table.rows[0]) == [EMPTY] * 4  # a set that neither has


def test_rules_are_compared_on_the_test_sets_as_they_are(project):
    def rule(name, accuracy, share="own", sets=2):
        row = {"score": "cd", "rule": name, "saw": f"the saw of {name}", "fake_share": share}
        interval = [round(accuracy - 0.01, 3), round(accuracy + 0.01, 3)]
        row |= {"accuracy": accuracy, "accuracy_interval": interval, "sets": sets, "of_sets": 2}
        return row | {"gap_closed": 0.5, "leans_on_fake_share": sets == 1}

    project.protocol(["a", "b"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8)})
    rows = [rule("validation", 0.7), rule("validation", 0.9, share=0.01), rule("oracle", 0.8)]
    rows.append(rule("valley", 0.75, sets=1))
    project.write("metrics/p/sad.thresholds.json", {"table_4_10": [], "deployable": rows})
    (table,) = rule_blocks(project.results())
    assert {row.label: cells(row) for row in table.rows} == {
        "the set's own best threshold (oracle)": [EMPTY, "80.0", EMPTY, EMPTY],
        "best on validation": [EMPTY, "70.0", EMPTY, EMPTY],
        "the valley between the two peaks of the set's scores": [EMPTY, "75.0", EMPTY, EMPTY],
    }
    assert "the saw of validation" in table.rows[1].detail
    assert table.rows[1].cells[1].interval == "69.0 … 71.0"
    assert table.rows[2].cells[1].interval == "74.0 … 76.0,\n1 of 2 sets,\ncloses 50%,\nsensitive"


def test_thresholds_from_known_reals_name_the_score_and_bound_what_they_lose(project):
    def row(share, accuracy, validation, oracle):
        estimate = {"estimate_mean": 0.26, "estimate_low": 0.01, "estimate_high": 0.85}
        accuracies = {"accuracy": accuracy, "validation_accuracy": validation, "oracle_accuracy": oracle}
        return {"rule": "any_share_k50", "score": "cd", "fake_share": share} | accuracies | estimate

    project.protocol(["a"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8)})
    rule = {"score": "cd", "rule": "oracle", "saw": "labels", "fake_share": "own", "accuracy": 0.8, "sets": 1}
    rule |= {"accuracy_interval": [0.7, 0.9], "of_sets": 1, "gap_closed": None, "leans_on_fake_share": False}
    rows = [row("own", 0.75, 0.7, 0.8), row(0.01, 0.72, 0.99, 0.992)]
    analysis = {"table_4_10": [], "deployable": [rule], "any_share": rows}
    project.write("metrics/p/sad.thresholds.json", analysis)
    _, table = rule_blocks(project.results())
    (only,) = table.rows
    assert (only.label, only.detail) == ("50 known reals", "S_CD")
    # (0.75 - 0.7) / (0.8 - 0.7) = 50%. (0.72 - 0.99) / (0.992 - 0.99) = -13500%, of a gap of 0.2 points.
    assert only.cells[0].interval == "closes 50%,\nworst set +5.0,\nestimated 26%\n(1% … 85%)"
    assert only.cells[1].interval == "closes <-100%,\nworst set -27.0,\nestimated 26%\n(1% … 85%)"


def test_every_rule_has_a_name_in_words():
    assert rule_name("reals_k50_fpr5") == "5% false alarms on 50 known reals"
    assert rule_name("any_share_k10") == "10 known reals and the set's scores"
    named = ["oracle", "validation", *METHODS, *(f"universal_{aim}" for aim in AIMS)]
    assert not [rule for rule in named if rule_name(rule) == rule.replace("_", " ")]


def verdicts(test_set, rate, origin="validation", **more):
    shares = {"reals_called_fake": 0.04, "reals_inconclusive": 0.3, "fakes_called_real": 0.4}
    shares |= {"fakes_inconclusive": 0.2, "inconclusive": 0.25}
    row = {"score": "cd", "error_rate": rate, "reals_from": origin, "test_set": test_set}
    return row | shares | more


def test_inconclusive_verdicts_and_errors_above_the_stated_rate(project):
    project.protocol(["a", "b"], unseen=["b"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8), "b": (0.5, 0.6, 0.7, 0.8)})
    rows = [verdicts(name, rate) for rate in (0.01, 0.05, 0.1) for name in ("a", "b")]
    rows.append(verdicts("b", 0.05, "reals_k50", reals_inconclusive=0.5))
    project.write("metrics/p/sad.thresholds.json", {"table_4_10": [], "inconclusive": rows})
    (table,) = verdict_blocks(project.results(), None)
    assert "5%" in table.caption
    assert [one.group for one in table.columns[::2]] == [
        *("Validation reals: errors", "Validation reals: inconclusive"),
        *("50 known reals: errors", "50 known reals: inconclusive"),
    ]
    first, second = table.rows
    assert cells(first) == ["4.0", "40.0", "30.0", "20.0", *[EMPTY] * 4]
    assert cells(second) == ["4.0", "40.0", "30.0", "20.0", "4.0", "40.0", "50.0", "20.0"]
    assert second.unseen
    # 4% of the reals is within 5%, 40% of the fakes is not; no rate is stated for inconclusive ones.
    assert [cell.alarm for cell in first.cells[:4]] == [False, True, False, False]
    (table,) = verdict_blocks(project.results(), 0.01)
    assert [cell.alarm for cell in table.rows[0].cells] == [True, True, False, False]


def test_no_thresholds_no_table(project):
    project.protocol(["a"])
    assert threshold_blocks(project.results(), "accuracy") == []
    assert rule_blocks(project.results()) == []
    assert verdict_blocks(project.results(), 0.05) == []

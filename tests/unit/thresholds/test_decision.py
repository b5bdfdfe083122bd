"""The policy that inference reads, chosen on validation alone."""

import json

import numpy as np
import pytest

from fakeforensics.files import write_json
from fakeforensics.thresholds.calibration import calibration_table, fit_calibrators
from fakeforensics.thresholds.decision import decide
from fakeforensics.thresholds.policy import read_decision
from tests.score_specs import SCORES
from tests.score_tables import make_scores


def decided(validation, detector, kind="platt"):
    scores = SCORES[detector]
    return decide(validation, scores, fit_calibrators(validation, scores), "accuracy", kind)


def test_the_better_score_on_validation_decides():
    validation = make_scores({"validation": 0}, "joint", images=400)
    rng = np.random.default_rng(1)
    noisy = validation.assign(score_cd=rng.random(400))
    assert decided(noisy, "joint")["score"] == "sl"
    noisy = validation.assign(logit=rng.normal(size=400))
    assert decided(noisy, "joint")["score"] == "cd"


def test_equal_scores_go_to_the_one_listed_last():
    validation = make_scores({"validation": 0}, "joint", images=50, gap=20.0)  # both part perfectly
    assert decided(validation, "joint")["score"] == "cd"
    turned = tuple(reversed(SCORES["joint"]))
    calibrators = fit_calibrators(validation, turned)
    assert decide(validation, turned, calibrators, "accuracy", "platt")["score"] == "sl"


def test_expected_rates_are_validations_own():
    validation = make_scores({"validation": 0}, "bce", images=4)
    # Fakes at 3 and 1, reals at 2 and 0: the best accuracy, 3 of 4, is at 2.5 (gap 1), at 0.5 (gap 1); the
    # higher.
    validation["logit"] = [3.0, 1.0, 2.0, 0.0]
    found = decided(validation, "bce")
    assert found["threshold"] == 2.5
    assert (found["expected_fpr"], found["expected_fnr"]) == (0.0, 0.5)
    # No event among two: the bound p solves (1 − p)² = 0.05.
    assert found["expected_fpr_upper"] == pytest.approx(1 - np.sqrt(0.05), abs=1e-6)


@pytest.mark.parametrize("kind", ["temperature", "platt", "isotonic"])
def test_inference_reads_what_is_written(tmp_path, kind):
    validation = make_scores({"validation": 0}, "bce", images=200)
    calibrators = fit_calibrators(validation, SCORES["bce"])
    written = decide(validation, SCORES["bce"], calibrators, "youden", kind)
    write_json(tmp_path / "decision.json", written)
    read = read_decision(tmp_path / "decision.json")
    assert read.threshold == written["threshold"]
    assert read.verdict(written["threshold"]) == "fake"
    assert read.verdict(np.nextafter(written["threshold"], -np.inf)) == "real"
    for score in (-3.0, 0.4, 8.0):
        assert read.calibrator(score) == pytest.approx(calibrators["sl", kind](np.array([score]))[0])


def test_a_distance_gets_platt_in_place_of_a_temperature():
    validation = make_scores({"validation": 0}, "sad", images=100)
    found = decided(validation, "sad", "temperature")
    assert found["calibrator"]["kind"] == "platt"


def test_calibration_holds_on_the_like_and_fails_on_the_moved():
    validation = make_scores({"validation": 0}, "bce", images=4000)
    table = make_scores({"same": 0, "moved": -5}, "bce", images=4000, seed=2)
    rows, points = calibration_table(table, SCORES["bce"], fit_calibrators(validation, SCORES["bce"]))
    ece = {(row["test_set"], row["calibrator"]): row["ece"] for row in rows}
    assert ece["same", "platt"] < 0.02
    assert ece["same", "none"] > 0.1  # the plain sigmoid cuts at 0 instead of 1.5
    assert ece["moved", "platt"] > 0.3  # all fakes lie where reals were
    assert points.groupby(["test_set", "calibrator"])["images"].sum().eq(4000).all()
    json.dumps(rows, allow_nan=False)

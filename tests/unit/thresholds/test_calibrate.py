"""Calibrators against scikit-learn and by hand, calibration errors by hand, and the chosen policy."""

import json

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from fakeforensics.errors import UserError
from fakeforensics.files import write_json
from fakeforensics.thresholds.calibrate import (
    calibration_errors,
    calibration_table,
    decide,
    fit_calibrator,
    fit_calibrators,
    reliability,
)
from fakeforensics.thresholds.policy import read_decision
from tests.score_specs import SCORES as SPECS
from tests.score_tables import make_scores

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 2000)
SCORES = 3 * (2 * LABELS - 1) + 4 * RNG.normal(size=2000)  # N(±3, 4²): log-odds are 2 · 3 s / 16


def test_temperature_finds_the_slope_of_the_log_odds():
    found = fit_calibrator("temperature", SCORES, LABELS)
    assert found.intercept == 0
    assert found.slope == pytest.approx(0.375, rel=0.1)
    plain = LogisticRegression(C=np.inf, fit_intercept=False).fit(SCORES[:, None], LABELS)
    assert found.slope == pytest.approx(plain.coef_[0, 0], rel=1e-3)


@pytest.mark.parametrize("scale", [1, 100])
@pytest.mark.parametrize(("kind", "method"), [("platt", "sigmoid"), ("temperature", "temperature")])
def test_probabilities_are_those_of_scikit_learns_calibration(kind, method, scale):
    # A logistic regression with slope 1 is a classifier whose logit is the score.
    scores = scale * (SCORES[:, None] + (1 if kind == "platt" else 0))
    identity = LogisticRegression().fit([[-1.0], [1.0]], [0, 1])
    identity.coef_, identity.intercept_ = np.array([[1.0]]), np.array([0.0])
    everything = np.arange(LABELS.size)
    plain = CalibratedClassifierCV(
        FrozenEstimator(identity), method=method, cv=[(everything, everything)], ensemble=False
    ).fit(scores, LABELS)
    found = fit_calibrator(kind, scores[:, 0], LABELS)
    assert found(scores[:, 0]) == pytest.approx(plain.predict_proba(scores)[:, 1], rel=1e-9)


def test_isotonic_is_scikit_learns():
    found = fit_calibrator("isotonic", SCORES, LABELS)
    plain = IsotonicRegression(out_of_bounds="clip").fit(SCORES, LABELS)
    asked = np.linspace(-20, 20, 101)
    assert found(asked) == pytest.approx(plain.predict(asked))


def test_separable_validation_stays_finite():
    scores, labels = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0, 0, 1, 1])
    for kind in ("temperature", "platt", "isotonic"):
        found = fit_calibrator(kind, scores, labels)
        assert np.isfinite([found.slope, found.intercept, *found.x]).all()
        assert found(np.array([-5.0, 5.0])) == pytest.approx([0, 1], abs=0.2)


def test_a_backwards_score_gets_a_constant():
    found = fit_calibrator("platt", -SCORES, LABELS)
    assert found.slope == 0
    assert found(np.array([-9.0, 9.0])) == pytest.approx([LABELS.mean()] * 2)


def test_a_temperature_that_falls_with_the_label_gives_validations_prevalence():
    # Whether the logits lie around 0 or far from it: a rising slope would call fakes real in either case.
    for scores in (-SCORES, 100 - SCORES, -100 - SCORES):
        found = fit_calibrator("temperature", scores, LABELS)
        assert found.slope == 0
        assert found(np.array([-9.0, 9.0])) == pytest.approx([LABELS.mean()] * 2)


@pytest.mark.parametrize("power", [-150, -100, -20, -9, -4, 4, 9, 20, 100, 150])
@pytest.mark.parametrize("kind", ["temperature", "platt", "isotonic"])
def test_probabilities_do_not_depend_on_the_scores_scale(kind, power):
    plain, scaled = (fit_calibrator(kind, scale * SCORES, LABELS) for scale in (1.0, 10.0**power))
    asked = np.linspace(-20, 20, 101)
    assert scaled(10.0**power * asked) == pytest.approx(plain(asked), abs=1e-6)


@pytest.mark.parametrize("shift", [-1e9, -1e6, 1e4, 1e6, 1e9])
def test_platts_probabilities_do_not_depend_on_where_the_scores_lie(shift):
    plain, moved = (fit_calibrator("platt", SCORES + by, LABELS) for by in (0.0, shift))
    asked = np.linspace(-20, 20, 101)
    assert moved(asked + shift) == pytest.approx(plain(asked), abs=1e-5)  # 1e9 has seven decimals


def test_constant_scores_get_validations_prevalence():
    found = fit_calibrator("platt", np.full(LABELS.size, 0.1), LABELS)
    assert (found.slope, found(5.0)) == (0.0, pytest.approx(LABELS.mean()))


def test_none_is_the_plain_sigmoid():
    assert fit_calibrator("none", SCORES, LABELS)(np.array([0.0])) == pytest.approx([0.5])


@pytest.mark.parametrize("scores", [np.array([1.0, np.nan]), np.array([1.0, np.inf])])
def test_broken_scores_are_refused(scores):
    with pytest.raises(UserError, match="not finite"):
        fit_calibrator("platt", scores, np.array([0, 1]))


def test_one_class_is_refused():
    with pytest.raises(UserError, match="0 fakes"):
        fit_calibrator("platt", np.array([1.0, 2.0]), np.array([0, 0]))


def test_errors_by_hand():
    # Two bins of 15: 0.1, 0.1 (no fake, one fake) and 0.9, 0.9 (both fake).
    probabilities, labels = np.array([0.1, 0.1, 0.9, 0.9]), np.array([0, 1, 1, 1])
    found = calibration_errors(probabilities, labels)
    assert found["ece"] == pytest.approx(0.5 * abs(0.1 - 0.5) + 0.5 * abs(0.9 - 1))
    assert found["brier"] == pytest.approx((0.01 + 0.81 + 0.01 + 0.01) / 4)
    assert found["nll"] == pytest.approx(-(3 * np.log(0.9) + np.log(0.1)) / 4)


def test_a_sure_mistake_costs_a_finite_loss():
    found = calibration_errors(np.array([1.0, 0.0]), np.array([0, 0]))
    assert found["nll"] == pytest.approx(-np.log(1e-6) / 2, rel=1e-3)


def test_reliability_keeps_the_last_bin_closed():
    bins, mean, share, count = reliability(np.array([1.0, 0.999, 0.0]), np.array([1, 0, 0]))
    assert bins.tolist() == [0, 14]
    assert share.tolist() == [0, 0.5]
    assert count.tolist() == [1, 2]
    assert mean == pytest.approx([0, 0.9995])


def test_nothing_to_judge_is_an_error():
    with pytest.raises(UserError, match="no probability"):
        calibration_errors(np.array([]), np.array([], dtype=int))


def decided(validation, detector, kind="platt"):
    scores = SPECS[detector]
    return decide(validation, scores, fit_calibrators(validation, scores), "accuracy", kind)


def test_the_better_score_on_validation_decides():
    validation = make_scores({"validation": 0}, "joint", images=400)
    rng = np.random.default_rng(1)
    noisy = validation.assign(score_cd=rng.random(400))
    assert decided(noisy, "joint").score == "sl"
    noisy = validation.assign(logit=rng.normal(size=400))
    assert decided(noisy, "joint").score == "cd"


def test_equal_scores_go_to_the_one_listed_last():
    validation = make_scores({"validation": 0}, "joint", images=50, gap=20.0)  # both part perfectly
    assert decided(validation, "joint").score == "cd"
    turned = tuple(reversed(SPECS["joint"]))
    calibrators = fit_calibrators(validation, turned)
    assert decide(validation, turned, calibrators, "accuracy", "platt").score == "sl"


def test_expected_rates_are_validations_own():
    validation = make_scores({"validation": 0}, "bce", images=4)
    # Fakes at 3 and 1, reals at 2 and 0: the best accuracy, 3 of 4, is at 2.5 (gap 1), at 0.5 (gap 1); the
    # higher.
    validation["logit"] = [3.0, 1.0, 2.0, 0.0]
    found = decided(validation, "bce")
    assert found.threshold == 2.5
    assert (found.expected_fpr, found.expected_fnr) == (0.0, 0.5)
    # No event among two: the bound p solves (1 − p)² = 0.05.
    assert found.expected_fpr_upper == pytest.approx(1 - np.sqrt(0.05), abs=1e-6)


@pytest.mark.parametrize("kind", ["temperature", "platt", "isotonic"])
def test_inference_reads_what_is_written(tmp_path, kind):
    written = decided(make_scores({"validation": 0}, "bce", images=200), "bce", kind)
    assert written.calibrator.kind == kind
    write_json(tmp_path / "decision.json", written.model_dump(mode="json"))
    assert read_decision(tmp_path / "decision.json") == written


def test_validation_of_reals_alone_is_cut_at_five_percent_and_not_calibrated():
    validation = make_scores({"validation": 0}, "joint", images=39, share=0.0)
    found = decided(validation, "joint")
    # The first score decides. ceil(0.95 * 40) = 38 of the 39 reals lie below the threshold.
    assert (found.score, found.calibrator, found.expected_fnr) == ("sl", None, None)
    assert found.expected_fpr == pytest.approx(1 / 39, abs=1e-6)
    assert found.measured_on.model_dump() == {"reals": 39, "fakes": 0, "images": "validation"}


def test_a_distance_gets_platt_in_place_of_a_temperature():
    validation = make_scores({"validation": 0}, "sad", images=100)
    found = decided(validation, "sad", "temperature")
    assert found.calibrator.kind == "platt"


def test_calibration_holds_on_the_like_and_fails_on_the_moved():
    validation = make_scores({"validation": 0}, "bce", images=4000)
    table = make_scores({"same": 0, "moved": -5}, "bce", images=4000, seed=2)
    rows, points = calibration_table(table, SPECS["bce"], fit_calibrators(validation, SPECS["bce"]))
    ece = {(row["test_set"], row["calibrator"]): row["ece"] for row in rows}
    assert ece["same", "platt"] < 0.02
    assert ece["same", "none"] > 0.1  # the plain sigmoid cuts at 0 instead of 1.5
    assert ece["moved", "platt"] > 0.3  # all fakes lie where reals were
    assert points.groupby(["test_set", "calibrator"])["images"].sum().eq(4000).all()
    json.dumps(rows, allow_nan=False)

"""Calibrators against scikit-learn and by hand; calibration errors by hand."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from fakeforensics.errors import UserError
from fakeforensics.thresholds.calibrate import Calibrator, calibration_errors, fit_calibrator, reliability

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 2000)
SCORES = 3 * (2 * LABELS - 1) + 4 * RNG.normal(size=2000)  # N(±3, 4²): log-odds are 2 · 3 s / 16


def test_temperature_finds_the_slope_of_the_log_odds():
    found = fit_calibrator("temperature", SCORES, LABELS)
    assert found.intercept == 0
    assert found.slope == pytest.approx(0.375, rel=0.1)
    plain = LogisticRegression(C=np.inf, fit_intercept=False).fit(SCORES[:, None], LABELS)
    assert found.slope == pytest.approx(plain.coef_[0, 0], rel=1e-3)


def test_platt_is_a_logistic_regression_on_large_samples():
    # Platt's targets differ from 0 and 1 by about 1 / n.
    found = fit_calibrator("platt", SCORES + 5, LABELS)
    plain = LogisticRegression(C=np.inf).fit(SCORES[:, None] + 5, LABELS)
    assert found.slope == pytest.approx(plain.coef_[0, 0], rel=0.02)
    assert found.intercept == pytest.approx(plain.intercept_[0], rel=0.02)


def test_isotonic_is_scikit_learns():
    found = fit_calibrator("isotonic", SCORES, LABELS)
    plain = IsotonicRegression(out_of_bounds="clip").fit(SCORES, LABELS)
    asked = np.linspace(-20, 20, 101)
    assert found(asked) == pytest.approx(plain.predict(asked))


def test_separable_validation_stays_finite():
    scores, labels = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0, 0, 1, 1])
    for kind in ("temperature", "platt", "isotonic"):
        found = fit_calibrator(kind, scores, labels)
        assert np.isfinite(list(found.as_dict().get("x", [found.slope]))).all()
        assert found(np.array([-5.0, 5.0])) == pytest.approx([0, 1], abs=0.2)


def test_a_backwards_score_gets_a_constant():
    found = fit_calibrator("platt", -SCORES, LABELS)
    assert found.slope == 0
    assert found(np.array([-9.0, 9.0])) == pytest.approx([LABELS.mean()] * 2)


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


def test_decision_json_holds_what_inference_reads():
    assert Calibrator("platt", 2.0, -1.0).as_dict() == {"kind": "platt", "slope": 2.0, "intercept": -1.0}

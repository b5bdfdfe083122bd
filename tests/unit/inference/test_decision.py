import json

import pytest

from fakeforensics.errors import UserError
from fakeforensics.inference.decision import Decision, Sigmoid, Steps, read_decision, validation_decision


def test_at_the_threshold_the_verdict_is_fake():
    decision = Decision(score="sl", threshold=-1.5, chosen="by hand")
    assert decision.verdict(-1.5) == "fake"
    assert decision.verdict(-1.5000001) == "real"


def test_sigmoid_calibration():
    # σ(2 · 0.5 − 1) = σ(0) = 1/2; σ(ln 3) = 3/4.
    assert Sigmoid(kind="platt", slope=2, intercept=-1)(0.5) == 0.5
    assert Sigmoid(kind="temperature", slope=1)(1.0986122886681098) == pytest.approx(0.75)
    assert Sigmoid(kind="none", slope=1)(-1e6) == 0.0


def test_isotonic_calibration_is_linear_between_its_points_and_constant_outside():
    steps = Steps(kind="isotonic", x=(0.0, 2.0, 2.0, 4.0), y=(0.1, 0.3, 0.5, 0.9))
    assert steps(-9) == 0.1
    assert steps(1.0) == pytest.approx(0.2)  # half way from 0.1 to 0.3
    assert steps(3.0) == pytest.approx(0.7)  # half way from 0.5 to 0.9
    assert steps(9) == 0.9


def test_reading_keeps_the_policy(tmp_path):
    path = tmp_path / "decision.json"
    value = {
        "score": "cd",
        "threshold": 4.0,
        "chosen": "c",
        "expected_fpr": 0.02,
        "measured_on": {"reals": 9},
    }
    path.write_text(json.dumps(value | {"calibrator": {"kind": "platt", "slope": 1.0, "intercept": 0.0}}))
    decision = read_decision(path)
    assert (decision.score, decision.threshold, decision.expected_fpr) == ("cd", 4.0, 0.02)
    assert decision.calibrator is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ('{"score": "sl", "threshold": NaN, "chosen": "c"}', "threshold"),
        ('{"score": "../sl", "threshold": 1, "chosen": "c"}', "score"),
        ('{"score": "sl", "chosen": "c"}', "`threshold` is missing"),
        (
            '{"score": "sl", "threshold": 1, "chosen": "c", "calibrator": {"kind": "platt", "slope": -1}}',
            "slope",
        ),
    ],
)
def test_a_damaged_policy_is_refused_with_the_reason(tmp_path, text, message):
    path = tmp_path / "decision.json"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_decision(path)


def test_the_threshold_analysis_serves_where_there_is_no_policy():
    row = {"score": "sl", "test_set": "a", "criterion": "accuracy", "chosen_on": "oracle", "threshold": 9.0}
    rows = [row, row | {"chosen_on": "validation", "criterion": "f1", "threshold": 3.0}]
    assert validation_decision({"table_4_10": rows}, "sl") is None  # neither an oracle nor F1 will do
    rows.append(row | {"chosen_on": "validation", "threshold": 1.0})
    decision = validation_decision({"table_4_10": rows}, "sl")
    assert decision is not None
    assert decision.threshold == 1.0

"""The decision policy: what it answers by hand, and which files it refuses."""

import json

import numpy as np
import pytest

from fakeforensics.errors import UserError
from fakeforensics.files import write_json
from fakeforensics.thresholds.policy import (
    Calibrator,
    ConformalCut,
    Decision,
    LikelihoodRatio,
    read_decision,
)


def test_at_the_threshold_the_verdict_is_fake():
    decision = Decision(score="sl", threshold=-1.5, chosen="by hand")
    assert decision.verdict(-1.5) == "fake"
    assert decision.verdict(-1.5000001) == "real"
    assert decision.is_fake(np.array([-1.5, -2.0])).tolist() == [True, False]


def test_sigmoid_calibration():
    # σ(2 · 0.5 − 1) = σ(0) = 1/2; σ(ln 3) = 3/4.
    assert Calibrator(kind="platt", slope=2, intercept=-1)(0.5) == 0.5
    assert Calibrator(kind="temperature", slope=1)(np.log(3)) == pytest.approx(0.75)
    assert Calibrator(kind="none")(np.array([-1e6, 0.0])).tolist() == [0.0, 0.5]


def test_isotonic_calibration_is_linear_between_its_points_and_constant_outside():
    steps = Calibrator(kind="isotonic", x=(0.0, 2.0, 2.0, 4.0), y=(0.1, 0.3, 0.5, 0.9))
    # Half way from 0.1 to 0.3, and half way from 0.5 to 0.9.
    assert steps(np.array([-9.0, 1.0, 3.0, 9.0])) == pytest.approx([0.1, 0.2, 0.7, 0.9])
    assert isinstance(steps(1.0), float)


@pytest.mark.parametrize(
    "calibrator",
    [
        Calibrator(kind="platt", slope=2.0, intercept=-1.0),
        Calibrator(kind="isotonic", x=(0.0, 1.0), y=(0.0, 0.5)),
        None,
    ],
)
def test_what_is_written_is_read_back(tmp_path, calibrator):
    decision = Decision(
        score="cd",
        threshold=4.0,
        chosen="c",
        calibrator=calibrator,
        expected_fpr=0.02,
        measured_on={"reals": 9, "fakes": 1, "images": "validation"},
    )
    write_json(tmp_path / "decision.json", decision.model_dump(mode="json"))
    assert read_decision(tmp_path / "decision.json") == decision


def test_a_calibrator_is_stored_with_the_fields_of_its_kind():
    platt = Calibrator(kind="platt", slope=2.0, intercept=-1.0)
    assert platt.model_dump() == {"kind": "platt", "slope": 2.0, "intercept": -1.0}
    isotonic = Calibrator(kind="isotonic", x=(1.0,), y=(0.5,))
    assert isotonic.model_dump() == {"kind": "isotonic", "x": [1.0], "y": [0.5]}


def test_a_likelihood_ratio_is_bounded():
    line = LikelihoodRatio(kind="logistic", slope=2, intercept=-1, lower=-2, upper=1.5, reals=9, fakes=9)
    assert line(np.array([-9.0, 0.5, 1.0, 9.0])).tolist() == [-2, 0, 1, 1.5]
    assert line(0.5) == 0
    steps = LikelihoodRatio(
        kind="isotonic", x=(0.0, 2.0, 4.0), y=(-1.0, 0.0, 3.0), lower=-0.75, upper=2, reals=9, fakes=9
    )
    # A quarter of the way from −1 to 0 is −0.75; half way from 0 to 3 is 1.5.
    assert steps(np.array([-9.0, 0.5, 1.0, 3.0, 9.0])).tolist() == [-0.75, -0.75, -0.5, 1.5, 2]


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "logistic", "slope": 2.0, "intercept": -1.0},
        {"kind": "isotonic", "x": (0.0, 1.0), "y": (-0.5, 0.5)},
    ],
)
def test_a_likelihood_ratio_is_read_back_with_the_fields_of_its_kind(tmp_path, fields):
    support = {"lower": -1.0, "upper": 1.0, "reals": 8, "fakes": 9}
    ratio = LikelihoodRatio(**fields, **support)
    assert ratio.model_dump() == fields | support
    decision = Decision(score="cd", threshold=4.0, chosen="c", likelihood_ratio=ratio)
    write_json(tmp_path / "decision.json", decision.model_dump(mode="json"))
    assert read_decision(tmp_path / "decision.json") == decision


SUPPORT = {"lower": -1, "upper": 1, "reals": 9, "fakes": 9}


@pytest.mark.parametrize(
    ("ratio", "message"),
    [
        ({"kind": "logistic", "slope": -1}, "slope"),
        ({"kind": "logistic", "upper": -1}, "upper"),
        ({"kind": "logistic", "x": [0], "y": [0]}, "logistic regression has no points"),
        ({"kind": "isotonic"}, "isotonic regression needs points"),
        ({"kind": "isotonic", "x": [0, 1], "y": [1, 0]}, "must ascend"),
        ({"kind": "isotonic", "x": [0, 1], "y": [1]}, "2 scores x and 1 values y"),
    ],
)
def test_a_damaged_likelihood_ratio_is_refused_with_the_reason(tmp_path, ratio, message):
    path = tmp_path / "decision.json"
    path.write_text(json.dumps(POLICY | {"likelihood_ratio": SUPPORT | ratio}))
    with pytest.raises(UserError, match=message):
        read_decision(path)


def test_a_verdict_needs_one_class_that_alone_is_compatible():
    # Overlapping: both are compatible from 2 to 5.
    cut = ConformalCut(error_rate=0.1, fake_from=5.0, real_to=2.0)
    assert [cut.verdict(score) for score in (2.0, 2.1, 4.9, 5.0)] == [
        *("real", "inconclusive", "inconclusive", "fake")
    ]
    # Far apart: none is, from 2 to 5.
    cut = ConformalCut(error_rate=0.1, fake_from=2.0, real_to=5.0)
    assert [cut.verdict(score) for score in (1.9, 2.0, 5.0, 5.1)] == [
        *("real", "inconclusive", "inconclusive", "fake")
    ]
    assert ConformalCut(error_rate=0.1).verdict(9.0) == "inconclusive"


def test_without_being_asked_for_the_threshold_decides():
    cuts = (ConformalCut(error_rate=0.1, fake_from=5.0, real_to=2.0),)
    policy = Decision(score="sl", threshold=3.0, chosen="c", conformal=cuts)
    assert [policy.verdict(score) for score in (2.9, 3.0)] == ["real", "fake"]
    asked = Decision(score="sl", threshold=3.0, chosen="c", conformal=cuts, inconclusive=0.1)
    assert [asked.verdict(score) for score in (1.0, 3.0, 5.0)] == ["real", "inconclusive", "fake"]
    with pytest.raises(UserError, match="not finite"):
        asked.verdict(np.nan)


def test_an_error_rate_without_cuts_is_refused(tmp_path):
    path = tmp_path / "decision.json"
    cuts = [{"error_rate": 0.1, "fake_from": 5, "real_to": 2}]
    path.write_text(json.dumps(POLICY | {"inconclusive": 0.05, "conformal": cuts}))
    with pytest.raises(UserError, match=r"error rate of 0\.05, but cuts for 0\.1"):
        read_decision(path)


POLICY = {"score": "sl", "threshold": 1, "chosen": "c"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threshold": float("nan")}, "NaN is not a number"),
        ({"score": "../sl"}, "score"),
        ({"treshold": 1}, "treshold"),
        ({"calibrator": {"kind": "platt", "slope": -1}}, "slope"),
        ({"calibrator": {"kind": "platt", "intercept": 1}}, "needs a slope"),
        ({"calibrator": {"kind": "platt", "slope": 1, "x": [1]}}, "platt calibration has no x"),
        ({"calibrator": {"kind": "isotonic", "x": [0, 1], "y": [0.5]}}, "2 scores x and 1 probabilities y"),
        ({"calibrator": {"kind": "isotonic", "x": [1, 0], "y": [0.5, 0.6]}}, "must ascend"),
    ],
)
def test_a_damaged_policy_is_refused_with_the_reason(tmp_path, changes, message):
    path = tmp_path / "decision.json"
    path.write_text(json.dumps(POLICY | changes))
    with pytest.raises(UserError, match=message):
        read_decision(path)


def test_a_file_that_is_no_policy_is_refused(tmp_path):
    path = tmp_path / "decision.json"
    with pytest.raises(UserError, match="no such file"):
        read_decision(path)
    path.write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        read_decision(path)
    path.write_text('{"score": "sl", "chosen": "c"}')
    with pytest.raises(UserError, match="`threshold` is missing"):
        read_decision(path)


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_has_no_verdict_and_no_probability(score):
    # NaN is below every threshold, which once made it real.
    with pytest.raises(UserError, match="1 of 1 scores are not finite"):
        Decision(score="sl", threshold=0.0, chosen="by hand").verdict(score)
    isotonic = Calibrator(kind="isotonic", x=(0.0, 1.0), y=(0.0, 0.5))
    for calibrator in (isotonic, Calibrator(kind="platt", slope=1.0), Calibrator(kind="none")):
        with pytest.raises(UserError, match="1 of 2 scores are not finite"):
            calibrator(np.array([0.0, score]))

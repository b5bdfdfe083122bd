"""Descriptions of scores: working scales, probabilities, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fakeforensics.metrics.spec import CALIBRATORS, EXTERNAL, ScoreSpec, find_score
from tests.score_specs import CD, SCORES, SL

RANGES = {
    "logit": (-1e6, 1e6),
    "positive": (1e-9, 1e9),
    "probability": (1e-9, 1 - 1e-9),
    "real": (-1e6, 1e6),
}


def spec(scale, **fields):
    return ScoreSpec(**({"name": "s", "label": "S", "title": "t", "column": "c", "scale": scale} | fields))


@st.composite
def values(draw):
    scale = draw(st.sampled_from(sorted(RANGES)))
    low, high = RANGES[scale]
    return scale, draw(st.floats(low, high)), draw(st.floats(low, high))


@given(values())
def test_working_values_lead_back_and_keep_the_order(drawn):
    scale, one, other = drawn
    score = spec(scale)
    # A probability near 1 has an absolute precision of 1e-16.
    (working,) = score.to_working([one]).tolist()
    assert score.from_working(working) == pytest.approx(one, rel=1e-9, abs=1e-15)
    low, high = score.to_working(sorted((one, other)))
    assert low <= high


def test_working_scales_by_hand():
    assert CD.to_working([1.0, np.e]).tolist() == [0.0, 1.0]
    assert spec("probability").to_working(0.75) == pytest.approx(np.log(3))  # odds of 3 to 1
    assert SL.to_working([-2, 5]).tolist() == [-2.0, 5.0]


def test_the_ends_of_a_scale_stay_finite():
    for score, ends in ((CD, [0.0]), (spec("probability"), [0.0, 1.0])):
        assert np.isfinite(score.to_working(ends)).all()


def test_probabilities():
    assert SL.probability(0.0) == 0.5
    assert SL.probability([np.log(3)]) == pytest.approx([0.75])
    assert spec("probability").probability([0.2]).tolist() == [0.2]
    assert CD.probability([1.0]) is None
    # Where odds are even the probability is 0.5.
    for score in (SL, spec("probability")):
        assert score.probability(score.even_odds) == 0.5
    assert (CD.even_odds, EXTERNAL.even_odds) == (None, None)
    assert (SL.probability_column, CD.probability_column) == ("score_sl", None)


def test_calibrators_follow_from_the_scale_and_can_be_narrowed():
    assert SL.calibrators == CALIBRATORS["logit"]
    assert spec("real", calibrators=["isotonic"]).calibrators == ("isotonic",)
    with pytest.raises(ValidationError, match="scale positive, which has no temperature"):
        spec("positive", calibrators=["temperature"])
    with pytest.raises(ValidationError):
        spec("real", calibrators=[])


def test_a_score_is_found_by_its_name():
    assert find_score(SCORES["joint"], "cd") == CD
    with pytest.raises(KeyError):
        find_score(SCORES["bce"], "cd")


@pytest.mark.parametrize("scale", sorted(RANGES))
def test_a_description_survives_json(scale):
    score = spec(scale)
    assert ScoreSpec.model_validate_json(score.model_dump_json()) == score


@pytest.mark.parametrize("scale", sorted(RANGES))
@pytest.mark.parametrize("working", [-1e9, 1e9])
def test_a_threshold_far_outside_is_finite_on_the_scores_own_scale(scale, working):
    # A prior shift may ask for one: e to the power of 7,000 is no number, which JSON could not hold.
    assert np.isfinite(spec(scale).from_working(working))

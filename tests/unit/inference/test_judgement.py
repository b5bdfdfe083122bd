import pytest

from fakeforensics.inference.cutting import Cut
from fakeforensics.inference.judgement import Policy
from fakeforensics.thresholds.policy import Calibrator, Decision
from tests.score_specs import CD, SCORES, SL
from tests.unit.inference.conftest import TOY


def cut(frame, face=0):
    return Cut(b"", frame, face, (0.0, 0.0, 9.0, 9.0))


def test_without_a_policy_there_is_a_score_and_no_verdict():
    answer = Policy(None, (SL,)).answer(0.0)
    assert (answer.score, answer.probability, answer.verdict) == (0.0, 0.5, None)
    # A distance is no probability.
    assert Policy(None, (CD,)).answer(3.0).probability is None


def test_a_calibrator_gives_the_probability_and_the_threshold_the_verdict():
    calibrator = Calibrator(kind="platt", slope=2, intercept=-4)
    policy = Policy(Decision(score="cd", threshold=3.0, chosen="c", calibrator=calibrator), SCORES["joint"])
    answer = policy.answer(2.0)  # σ(2 · 2 − 4) = σ(0)
    assert (answer.probability, answer.verdict) == (0.5, "real")


def test_a_video_is_judged_by_the_mean_of_its_frames_person_by_person():
    policy = Policy(Decision(score="sl", threshold=0.0, chosen="c"), (SL,))
    cuts = [cut(0), cut(0, face=1), cut(5), cut(9)]
    faces = policy.faces(cuts, [{"logit": score} for score in (-1.0, 8.0, -1.0, 5.0)])
    people = policy.people(faces)
    assert people[0].score == pytest.approx(
        1.0
    )  # (−1 − 1 + 5) / 3: fake, though two of three frames are real
    assert [people[0].verdict, people[1].verdict] == ["fake", "fake"]
    assert people[1].score == 8.0


def test_without_a_policy_the_first_score_is_shown():
    assert Policy(None, TOY).spec.name == "gap"
    (face,) = Policy(None, TOY).faces([cut(-1)], [{"gap": 7.0, "share": 0.5, "edge": -1.0}])
    assert face.answer.score == 7.0


def test_scores_of_each_scale_give_the_probability_that_they_have():
    def answer(name, value, calibrator=None):
        return Policy(Decision(score=name, threshold=2.0, chosen="c", calibrator=calibrator), TOY).answer(
            value
        )

    assert answer("share", 0.75).probability == 0.75  # a probability is its own
    assert answer("gap", 0.75).probability is None
    assert answer("edge", 0.75).probability is None
    # σ(2 · 3 − 6) = σ(0): a calibrator gives one to a score of any scale.
    assert answer("edge", 3.0, Calibrator(kind="platt", slope=2, intercept=-6)).probability == 0.5


def test_a_policy_for_an_unknown_score_is_an_error():
    with pytest.raises(KeyError, match="cd"):
        Policy(Decision(score="cd", threshold=0.0, chosen="c"), (SL,))


def test_probabilities_of_far_logits_do_not_overflow():
    assert Policy(None, (SL,)).answer(-1e5).probability == 0.0
    assert Policy(None, (SL,)).answer(1e5).probability == 1.0

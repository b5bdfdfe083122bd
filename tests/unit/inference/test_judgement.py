import pytest

from fakeforensics.inference.cutting import Cut
from fakeforensics.inference.decision import Decision, Sigmoid
from fakeforensics.inference.judgement import Policy
from fakeforensics.inference.scores import Scores


def cut(frame, face=0):
    return Cut(b"", frame, face, (0.0, 0.0, 9.0, 9.0))


def test_without_a_policy_there_is_a_score_and_no_verdict():
    answer = Policy(None, "sl").answer(0.0)
    assert (answer.score, answer.probability, answer.verdict) == (0.0, 0.5, None)
    # A distance is no probability.
    assert Policy(None, "cd").answer(3.0).probability is None


def test_a_calibrator_gives_the_probability_and_the_threshold_the_verdict():
    calibrator = Sigmoid(kind="platt", slope=2, intercept=-4)
    policy = Policy(Decision(score="cd", threshold=3.0, chosen="c", calibrator=calibrator), "sl")
    answer = policy.answer(2.0)  # σ(2 · 2 − 4) = σ(0)
    assert (answer.probability, answer.verdict) == (0.5, "real")


def test_a_video_is_judged_by_the_mean_of_its_frames_person_by_person():
    policy = Policy(Decision(score="sl", threshold=0.0, chosen="c"), "sl")
    cuts = [cut(0), cut(0, face=1), cut(5), cut(9)]
    faces = policy.faces(cuts, [Scores(score, None) for score in (-1.0, 8.0, -1.0, 5.0)])
    people = policy.people(faces)
    assert people[0].score == pytest.approx(
        1.0
    )  # (−1 − 1 + 5) / 3: fake, though two of three frames are real
    assert [people[0].verdict, people[1].verdict] == ["fake", "fake"]
    assert people[1].score == 8.0


def test_a_score_that_the_detector_lacks_is_an_error():
    with pytest.raises(ValueError, match="no score 'cd'"):
        Policy(None, "cd").faces([cut(-1)], [Scores(1.0, None)])


def test_probabilities_of_far_logits_do_not_overflow():
    assert Scores(-1e5, None).score_sl == 0.0
    assert Scores(1e5, None).score_sl == 1.0

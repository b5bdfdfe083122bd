"""The advised threshold and its rates, by hand."""

import pandas as pd
import pytest

from fakeforensics.errors import UserError
from fakeforensics.thresholds.advice import SetRates, advise, rates_text


def table(reals, fakes, test_set="a", group=""):
    rows = [(score, 0) for score in reals] + [(score, 1) for score in fakes]
    frame = pd.DataFrame(rows, columns=["score", "label"]).assign(test_set=test_set, source="", video="")
    key = [f"{test_set}{number}" for number in range(len(rows))]
    return frame.assign(key=key, group=group or key, method="", domain="", frame=-1)


VALIDATION = table(range(19), [30, 40])
TEST = pd.concat([table([1, 2, 3, 30], [10, 40]), table([1, 2], [40, 50], "b")], ignore_index=True)


def test_the_highest_accuracy_on_validation_is_advised_by_default():
    advice = advise(TEST, VALIDATION, "score")
    assert advice.threshold == 24  # the middle of the gap from 18 to 30
    first, second = advice.sets
    assert (first.test_set, first.fpr, first.recall) == ("a", 0.25, 0.5)  # 30 of four reals; 40 of two fakes
    assert (second.test_set, second.fpr, second.recall) == ("b", 0, 1)
    # Clopper and Pearson, 1 of 4 and 0 of 2: 1 - 0.975^(1/4), and 1 - 0.025^(1/2).
    assert first.low == pytest.approx(0.006309, abs=1e-6)
    assert second.high == pytest.approx(1 - 0.025**0.5)
    assert "0.0% (b) to 25.0% (a)" in str(advice)


def test_equal_rates_are_said_once():
    same = [SetRates("a", 0.0, 0.0, 0.6, 1.0), SetRates("b", 0.0, 0.0, 0.8, 1.0)]
    text = rates_text(same, str.upper)
    # Of equal shares, the interval of the set with fewer images is the wider one.
    assert "interval for B: 0.0% to 80.0%" in text
    assert text.count("0.0% of") == 2  # of the reals 0.0%, of the fakes 100.0%
    assert "(A)" not in text


def test_one_test_set_is_named_once():
    assert rates_text([SetRates("a", 0.25, 0.1, 0.5, 0.5)]).count(" a:") == 1


def test_a_false_positive_rate_is_kept_by_reals_like_validations():
    # 19 reals: at 1 in 20 only what lies above all of them, at 2 in 20 one of them may.
    assert advise(TEST, VALIDATION, "score", 0.05).threshold == pytest.approx(18)
    assert 17 < advise(TEST, VALIDATION, "score", 0.1).threshold < 18
    assert advise(TEST, VALIDATION[VALIDATION["label"] == 0], "score", 0.05).sets[0].fpr == 0.25


def test_too_few_reals_for_a_rate_are_an_error_with_the_number():
    with pytest.raises(UserError) as caught:
        advise(TEST, VALIDATION, "score", 0.01)
    assert "99 independent reals" in str(caught.value)
    with pytest.raises(UserError):  # nineteen frames of one clip are one
        advise(TEST, VALIDATION.assign(group="clip"), "score", 0.05)


def test_without_validation_of_both_classes_there_is_no_advice():
    reals = VALIDATION[VALIDATION["label"] == 0]
    assert advise(TEST, None, "score") is None
    assert advise(TEST, reals, "score") is None
    with pytest.raises(UserError, match="real validation images"):
        advise(TEST, None, "score", 0.05)

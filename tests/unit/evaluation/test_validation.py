import numpy as np
import pandas as pd
import pytest

from fakeforensics.evaluation.validation import validation_summary

TABLE = pd.DataFrame(
    {
        "label": [0, 1, 0, 1],
        "score_sl": [0.5, 0.75, 0.25, 0.25],
        "logit": [0.0, np.log(3), -np.log(3), -np.log(3)],
        "score_cd": [1.0, 2.0, 3.0, 4.0],
    }
)


def test_hand_worked_figures():
    found = validation_summary(TABLE)
    # by distance, descending: fake (P 1/1, recall 1/2), real, fake (P 2/3, recall 1): AP = 1/2 + 1/3
    assert found["ap"]["cd"] == pytest.approx(0.833333)
    # by logit: fake first (1/1), then a real, then a real and a fake tied (2/4): AP = 1/2 + 1/4
    assert found["ap"]["sl"] == pytest.approx(0.75)
    # (log 2 − log ¾ − log ¾ − log ¼) / 4
    assert found["bce"] == pytest.approx((0.693147 + 0.287682 + 0.287682 + 1.386294) / 4, abs=1e-6)


def test_only_what_the_objective_has():
    assert set(validation_summary(TABLE.drop(columns=["score_sl", "logit"]))) == {"ap"}


def test_nothing_of_one_class():
    assert validation_summary(TABLE[TABLE["label"] == 0]) == {}

"""Sorting scores, and metrics against tables worked out by hand and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from fakeforensics.errors import UserError
from fakeforensics.metrics.ranking import (
    average_precision,
    equal_error_rate,
    need_both_classes,
    rank,
    roc_auc,
    tpr_at_fpr,
)


def test_equal_scores_form_one_block() -> None:
    ranking = rank(np.array([0.1, 0.9, 0.5, 0.5]), np.array([0, 1, 1, 0]))
    assert ranking.scores.tolist() == [0.9, 0.5, 0.5, 0.1]
    assert ranking.labels.tolist() == [1, 1, 0, 0]
    assert ranking.ends.tolist() == [0, 2, 3]  # the two 0.5 end at position 2
    assert (ranking.fakes, ranking.reals) == (2, 2)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([np.nan, 1.0], [0, 1], "1 of 2 scores are not finite"),
        ([np.inf, 1.0], [0, 1], "not finite"),
        ([1.0], [0, 1], "1,"),
        ([], [], "there are no scores"),
        ([0.0, 1.0], [0, 2], "neither 0 nor 1"),
    ],
)
def test_broken_input_is_refused(scores: list[float], labels: list[int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        rank(np.array(scores), np.array(labels), "StarGAN")


def test_one_class_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="StarGAN: holds 0 reals and 2 fakes"):
        need_both_classes(rank(np.array([1.0, 2.0]), np.array([1, 1])), "StarGAN")


# Descending: fake 4, real 3, fake 2, real 1, real 0.
SCORES = np.array([4.0, 3.0, 2.0, 1.0, 0.0])
LABELS = np.array([1, 0, 1, 0, 0])


def test_average_precision_is_the_sum_of_equation_4_1() -> None:
    # First fake: recall 0 -> 1/2 at precision 1/1; second: 1/2 -> 1 at precision 2/3.
    assert average_precision(SCORES, LABELS) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_tied_scores_share_one_step() -> None:
    # Both fakes and one real at 1, one real at 0: one step to recall 1 at precision 2/3.
    assert average_precision(np.array([1, 1, 1, 0.0]), np.array([1, 1, 0, 0])) == pytest.approx(2 / 3)


def test_constant_scores_give_the_stated_values() -> None:
    scores, labels = np.zeros(5), np.array([1, 0, 0, 0, 0])
    assert average_precision(scores, labels) == pytest.approx(0.2)  # the share of fakes
    assert roc_auc(scores, labels) == pytest.approx(0.5)
    assert equal_error_rate(scores, labels) == pytest.approx(0.5)
    assert tpr_at_fpr(scores, labels, limit=0.05) == 0.0  # any call of "fake" calls every real fake


def test_two_images_are_enough() -> None:
    scores, labels = np.array([1.0, 0.0]), np.array([1, 0])
    assert average_precision(scores, labels) == 1.0
    assert equal_error_rate(scores, labels) == 0.0
    assert equal_error_rate(scores, 1 - labels) == 1.0


def test_auc_counts_pairs() -> None:
    # Of the 2 x 3 pairs, fake 4 beats three reals and fake 2 two.
    assert roc_auc(SCORES, LABELS) == pytest.approx(5 / 6)


def test_equal_error_rate_lies_on_the_curve() -> None:
    # ROC points (FPR, TPR): (0, 1/2), (1/3, 1/2), (1/3, 1): at FPR 1/3 FNR falls from 1/2 to 0, past 1/3.
    assert equal_error_rate(SCORES, LABELS) == pytest.approx(1 / 3)


def test_tpr_at_fpr_takes_the_last_point_within_the_limit() -> None:
    assert tpr_at_fpr(SCORES, LABELS, limit=0.05) == 0.5  # no false positive is allowed: only fake 4
    assert tpr_at_fpr(SCORES, LABELS, limit=1 / 3) == 1.0  # one of three reals is allowed: both fakes


def test_tpr_at_fpr_allows_exactly_the_limit() -> None:
    labels = np.append(np.zeros(300, dtype=int), 1)
    scores = np.append(np.arange(300.0), 296.5)  # above 297 reals, below 3 of 300
    assert tpr_at_fpr(scores, labels, limit=0.01) == 1.0


@pytest.mark.parametrize("metric", [average_precision, roc_auc, equal_error_rate])
def test_one_class_is_an_error(metric: object) -> None:
    with pytest.raises(UserError, match="0 fakes"):
        metric(np.array([1.0, 2.0]), np.array([0, 0]))


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 1)), min_size=2, max_size=40))
def test_agrees_with_scikit_learn_and_stays_in_range(pairs: list[tuple[int, int]]) -> None:
    scores, labels = np.array(pairs, dtype=float).T
    if len(set(labels)) < 2:
        return
    assert roc_auc(scores, labels) == pytest.approx(sk.roc_auc_score(labels, scores))
    eer = equal_error_rate(scores, labels)
    assert 0 <= eer <= 1
    assert equal_error_rate(-scores, labels) == pytest.approx(1 - eer)  # the curve mirrored at the diagonal

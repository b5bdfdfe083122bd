"""Thresholds over all order statistics, against hand counts and brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeforensics.errors import UserError
from fakeforensics.metrics.operating import CRITERIA, best_threshold, criterion_values, outcome, sweep
from fakeforensics.metrics.ranking import rank

# Descending: fake 9, fake 5, real 4, fake 2, real 0.
SCORES = np.array([9.0, 5.0, 4.0, 2.0, 0.0])
LABELS = np.array([1, 1, 0, 1, 0])


def test_every_cut_is_tried_once() -> None:
    points = sweep(rank(SCORES, LABELS))
    assert points.thresholds[1:].tolist() == [7.0, 4.5, 3.0, 1.0, 0.0]  # midpoints, and the lowest score
    assert points.thresholds[0] > 9.0  # nothing is called fake
    assert points.tp.tolist() == [0, 1, 2, 2, 3, 3]
    assert points.fp.tolist() == [0, 0, 0, 1, 1, 2]
    assert points.margins.tolist() == [0, 4, 1, 2, 2, 0]


def test_best_accuracy_takes_the_widest_gap_among_equals() -> None:
    # 4 of 5 are right both at 4.5 (gap 1) and at 1.0 (gap 2).
    assert best_threshold(rank(SCORES, LABELS), "accuracy") == 1.0


def test_best_f1() -> None:
    # At 1.0: 2·3 / (2·3 + 1 + 0) = 6/7, more than 4/5 at 4.5.
    assert best_threshold(rank(SCORES, LABELS), "f1") == 1.0


def test_best_youden() -> None:
    # TPR − FPR: 2/3 − 0 at 4.5; 1 − 1/2 at 1.0.
    assert best_threshold(rank(SCORES, LABELS), "youden") == 4.5


def test_equal_error_point() -> None:
    # |FPR − FNR|: at 3.0 |1/2 − 1/3| = 1/6, the least; at 4.5 1/3, at 1.0 1/2.
    assert best_threshold(rank(SCORES, LABELS), "eer") == 3.0


def test_outcome_at_a_threshold() -> None:
    found = outcome(SCORES, LABELS, 3.0)  # called fake: 9, 5 and the real 4
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(2 / 3)
    assert found.accuracy == pytest.approx(3 / 5)
    assert found.fpr == pytest.approx(1 / 2)
    assert found.fnr == pytest.approx(1 / 3)
    assert found.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_nothing_called_fake_has_precision_zero() -> None:
    assert outcome(SCORES, LABELS, 10.0).precision == 0.0


def test_optimum_far_from_any_grid_is_found() -> None:
    # Logits as in table 4.10: the cut lies at a probability of about 4e-11.
    scores = np.array([-23.0, -23.5, -24.4, -25.0])
    threshold = best_threshold(rank(scores, np.array([1, 1, 0, 0])), "accuracy")
    assert threshold == pytest.approx(-23.95)


def test_adjacent_floats_are_parted() -> None:
    low = 1.0
    high = np.nextafter(low, 2.0)
    scores, labels = np.array([low, high]), np.array([0, 1])
    assert outcome(scores, labels, best_threshold(rank(scores, labels), "accuracy")).accuracy == 1.0


def test_constant_scores_call_all_or_nothing() -> None:
    scores, labels = np.zeros(4), np.array([1, 1, 1, 0])
    threshold = best_threshold(rank(scores, labels), "accuracy")
    assert outcome(scores, labels, threshold).accuracy == 0.75  # all four called fake


def test_one_class_is_an_error() -> None:
    with pytest.raises(UserError, match="validation: holds 2 reals and 0 fakes"):
        best_threshold(rank(np.array([1.0, 2.0]), np.array([0, 0])), "f1", "validation")


@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 1)), min_size=2, max_size=25),
    st.sampled_from(list(CRITERIA)),
)
def test_no_threshold_anywhere_is_better(pairs: list[tuple[int, int]], criterion: str) -> None:
    scores, labels = np.array(pairs, dtype=float).T
    if len(set(labels)) < 2:
        return
    points = sweep(rank(scores, labels))
    values = criterion_values(points, criterion)
    # The counts of each point are those of really cutting there.
    for threshold, tp, fp in zip(points.thresholds, points.tp, points.fp, strict=True):
        assert tp == np.sum((scores >= threshold) & (labels == 1))
        assert fp == np.sum((scores >= threshold) & (labels == 0))
    # Any cut falls between two scores or outside all: nothing is missed.
    assert points.thresholds.size == len(set(scores)) + 1
    best = best_threshold(rank(scores, labels), criterion)
    assert values[points.thresholds == best].max() == pytest.approx(values.max())

"""Curves stay exact where they are thinned."""

import numpy as np
import pytest
from sklearn import metrics as sk

from fakeforensics.metrics.curves import pr_curve, roc_curve, thin
from fakeforensics.metrics.ranking import rank

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 5000)
SCORES = RNG.normal(size=5000) + LABELS


def test_every_row_is_a_point_of_the_full_roc_curve():
    curve = roc_curve(rank(SCORES, LABELS), points=50)
    assert len(curve) <= 50
    for row in curve.itertuples():
        called = row.threshold <= SCORES
        assert row.tpr == pytest.approx(called[LABELS == 1].mean())
        assert row.fpr == pytest.approx(called[LABELS == 0].mean())
    # Its area is near the full curve's though it has one point in a hundred.
    assert np.trapezoid(curve["tpr"], curve["fpr"]) == pytest.approx(
        sk.roc_auc_score(LABELS, SCORES), abs=0.002
    )


def test_every_row_is_a_point_of_the_full_pr_curve():
    curve = pr_curve(rank(SCORES, LABELS), points=50)
    assert len(curve) <= 50
    for row in curve.itertuples():
        called = row.threshold <= SCORES
        assert row.precision == pytest.approx(LABELS[called].mean())
        assert row.recall == pytest.approx(called[LABELS == 1].mean())
    assert curve["recall"].iloc[-1] == 1


def test_two_images_are_a_curve():
    curve = roc_curve(rank(np.array([1.0, 0.0]), np.array([1, 0])))
    assert curve[["fpr", "tpr"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 1]]


def test_thinning_keeps_both_ends_and_the_bend():
    # A curve that goes up at once and then right: both legs get half of the points.
    x = np.concatenate([np.zeros(1000), np.linspace(0, 1, 10)])
    y = np.concatenate([np.linspace(0, 1, 1000), np.ones(10)])
    kept = thin(x, y, 20)
    assert (kept[0], kept[-1]) == (0, x.size - 1)
    assert len(kept) <= 20
    assert np.count_nonzero(kept >= 1000) >= 8

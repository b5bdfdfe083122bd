"""Sorting scores, with what is refused."""

import numpy as np
import pytest

from fakeforensics.errors import UserError
from fakeforensics.metrics.ranking import need_both_classes, rank


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

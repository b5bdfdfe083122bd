"""Tests of `fakeforensics.wording`."""

from __future__ import annotations

import pytest

from fakeforensics.wording import counted, likely, percent


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (1200, "1,200 files")]
)
def test_counts_agree_with_their_noun(number: int, text: str) -> None:
    assert counted(number, "file") == text


def test_an_irregular_plural_is_given() -> None:
    assert counted(1, "batch", "batches") == "1 batch"
    assert counted(3, "batch", "batches") == "3 batches"


def test_shares_are_percentages_without_a_space() -> None:
    assert percent(0.975) == "97.5%"
    assert percent(0.0) == "0.0%"
    assert percent(0.25, digits=0) == "25%"


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.0, "<0.1%"),
        (0.0004, "<0.1%"),
        (0.0006, "0.1%"),
        (0.999, "99.9%"),
        (0.9996, ">99.9%"),
        (1.0, ">99.9%"),
    ],
)
def test_no_probability_is_certain(probability: float, text: str) -> None:
    assert likely(probability) == text

"""Titles of pictures come from the descriptions of the scores."""

from fakeforensics.metrics.spec import EXTERNAL
from fakeforensics.thresholds.pictures import titles
from tests.score_specs import SCORES
from tests.score_tables import MIXED


def test_a_title_is_the_label_with_what_the_score_is():
    found = titles(SCORES["joint"])
    assert found["cd"] == "S_CD (squared distance to the center)"
    assert found["fused"] == "fused: S_SL and S_CD"
    assert titles(MIXED)["fused"] == "fused: FAR and SURE and MARGIN"


def test_a_score_from_elsewhere_is_not_named_twice():
    assert titles((EXTERNAL,))["score"] == "score"

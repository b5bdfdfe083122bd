"""Selectors on Gaussians with known optima: the share of the gap that they recover, and how they fail."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from fakeforensics.errors import UserError
from fakeforensics.metrics.bootstrap import GroupSums, resample_groups
from fakeforensics.params import ThresholdsParams
from fakeforensics.thresholds.measure import measure, measure_selectors
from fakeforensics.thresholds.selectors import Selection
from fakeforensics.thresholds.targets import make_targets, make_working_scores
from tests.score_specs import SCORES
from tests.score_tables import make_scores

BEST = norm.cdf(1.5)  # accuracy of the best cut between two normals three deviations apart
PARAMS = ThresholdsParams(draws=50, bootstrap=100)


def select(table, validation, scores, params):
    drawn = GroupSums(resample_groups(table, 0), params.bootstrap)
    working = make_working_scores(table, validation, scores)
    return measure_selectors(table, validation, working, params, 0, drawn)


@pytest.fixture(scope="module")
def shifted():
    """Three sets whose scores lie 0, 4 lower and 3 higher than validation's."""
    table = make_scores({"stargan": 0, "stylegan": -4, "faceapp": 3}, "bce", images=1000)
    validation = make_scores({"validation": 0}, "bce", images=1000, seed=1)
    rows, summary = select(table, validation, SCORES["bce"], ThresholdsParams(draws=50, bootstrap=200))
    return rows, {(row["rule"], row["fake_share"]): row for row in summary}


def test_oracle_and_validation_span_the_gap(shifted):
    _, summary = shifted
    oracle, validation = summary["oracle", "own"], summary["validation", "own"]
    assert oracle["accuracy"] == pytest.approx(BEST, abs=0.02)
    # Cut at 1.5: seen Φ(1.5); 4 lower: Φ(5.5) and Φ(−2.5); 3 higher: Φ(−1.5) and Φ(4.5).
    by_hand = (BEST + (1 + norm.cdf(-2.5)) / 2 + (1 + norm.cdf(-1.5)) / 2) / 3
    assert validation["accuracy"] == pytest.approx(by_hand, abs=0.02)
    assert validation["gap"] == pytest.approx(3 * (oracle["accuracy"] - validation["accuracy"]), abs=1e-4)
    assert validation["gap_closed"] == 0
    assert oracle["gap_closed"] == 1
    assert "bound" in oracle["saw"]


@pytest.mark.parametrize(
    ("rule", "at_least"),
    [
        ("mixture", 0.9),
        ("valley", 0.9),
        ("standardise", 0.9),
        ("reals_k10_fpr10", 0.8),
        ("reals_k50_fpr5", 0.8),
    ],
)
def test_adaptation_recovers_most_of_the_gap_on_moved_gaussians(shifted, rule, at_least):
    row = shifted[1][rule, "own"]
    assert row["gap_closed"] > at_least
    low, high = row["gap_closed_interval"]
    assert low < row["gap_closed"] < high


def test_rules_that_assume_no_move_close_nothing(shifted):
    # One threshold cannot serve three sets 3 and 4 apart, and a move is not a change of the share of fakes.
    for rule in ("universal_mean", "universal_worst", "prior_shift"):
        assert shifted[1][rule, "own"]["gap_closed"] < 0.3


def test_a_rule_that_needs_even_shares_is_labelled(shifted):
    _, summary = shifted
    for share in ("own", "0.01", "0.5"):
        assert summary["standardise", share]["leans_on_fake_share"]
        for rule in ("validation", "universal_mean", "reals_k10_fpr10", "oracle"):
            assert not summary[rule, share]["leans_on_fake_share"]
    # At 1% fakes it cuts through the reals.
    assert summary["standardise", "0.01"]["gap_closed"] < 0
    assert summary["reals_k50_fpr5", "0.01"]["gap_closed"] > 0.7


def test_false_positive_rate_asked_for_is_held(shifted):
    row = shifted[1]["reals_k50_fpr5", "0.01"]
    assert row["fpr"] == pytest.approx(0.05, abs=0.02)


def test_unattainable_rates_are_said_to_be(shifted):
    rows, summary = shifted
    assert ("reals_k10_fpr1", "own") not in summary
    notes = rows.loc[rows["rule"] == "reals_k10_fpr1", "note"].unique()
    assert notes.tolist() == ["not attainable: below 1 / (k + 1) = 0.0909"]


def test_rates_at_a_share_follow_from_fpr_and_fnr(shifted):
    rows, _ = shifted
    here = rows[(rows["rule"] == "validation") & (rows["test_set"] == "stylegan")].set_index("fake_share")
    for share in (0.01, 0.9):
        row = here.loc[f"{share:g}"]
        assert row["accuracy"] == pytest.approx(
            (1 - share) * (1 - row["fpr"]) + share * (1 - row["fnr"]), abs=2e-6
        )
        assert row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"]


def test_without_a_gap_no_share_of_it_is_stated():
    table = make_scores({"stargan": 0}, "bce", images=100, gap=12.0)  # parted without any error
    validation = make_scores({"validation": 0}, "bce", images=100, gap=12.0, seed=1)
    _, summary = select(table, validation, SCORES["bce"], PARAMS)
    row = next(row for row in summary if row["rule"] == "mixture" and row["fake_share"] == "own")
    assert (row["gap"], row["gap_closed"], row["gap_closed_interval"]) == (0, None, None)


def test_fusing_uses_both_scores():
    table = make_scores({"stargan": 0}, "joint", images=2000)
    validation = make_scores({"validation": 0}, "joint", images=2000, seed=1)
    _, summary = select(table, validation, SCORES["joint"], ThresholdsParams(known_reals=(), bootstrap=100))
    oracles = [row for row in summary if (row["rule"], row["fake_share"]) == ("oracle", "own")]
    found = {row["score"]: row["accuracy"] for row in oracles}
    # Two independent views, each 3 deviations apart: fused √2 · 3.
    assert found["sl"] == pytest.approx(BEST, abs=0.02)
    assert found["fused"] == pytest.approx(norm.cdf(1.5 * np.sqrt(2)), abs=0.01)


def test_replicates_are_those_of_really_drawn_images():
    table = make_scores({"a": 0, "b": 1}, "bce", images=60, video_frames=3)
    resampling = resample_groups(table, 5)
    targets = make_targets(table, table["logit"].to_numpy(), resampling.unit)
    given = [
        Selection("cut", "validation", number, (None,), (target.scores >= 1.5).astype(float), 1.5)
        for number, target in enumerate(targets)
    ]
    measured = measure(targets, given, GroupSums(resampling, 60))
    for one, target in zip(measured, targets, strict=True):
        right = (target.scores >= 1.5) == target.fake
        balanced = (right[target.fake].mean() + right[~target.fake].mean()) / 2
        assert one.rates(0.5)["accuracy"][0] == pytest.approx(balanced)
        for number in (0, 49, 50, 59):  # on both sides of a chunk's end
            drawn = np.repeat(np.arange(target.fake.size), resampling.draw(number)[target.unit])
            real = drawn[~target.fake[drawn]]
            assert one.fpr[1 + number] == pytest.approx(np.mean(target.scores[real] >= 1.5))


def test_constant_scores_have_stated_values():
    table = make_scores({"a": 0}, "bce", images=40).assign(logit=1.0)
    validation = make_scores({"validation": 0}, "bce", images=40, seed=1).assign(logit=1.0)
    rows, summary = select(table, validation, SCORES["bce"], PARAMS)
    assert np.isfinite(rows.loc[rows["fake_share"] != "any", "threshold"]).all()
    row = next(row for row in summary if (row["rule"], row["fake_share"]) == ("mixture", "own"))
    assert (row["accuracy"], row["fallbacks"]) == (0.5, 1)


def test_broken_scores_are_refused():
    table = make_scores({"a": 0}, "bce", images=20)
    table.loc[3, "logit"] = np.nan
    with pytest.raises(UserError, match="not finite"):
        select(table, make_scores({"validation": 0}, "bce", images=20), SCORES["bce"], PARAMS)


def test_validation_of_reals_alone_sets_a_threshold_and_of_fakes_alone_is_refused():
    table, reals = (
        make_scores({name: 0}, "bce", images=40, share=share)
        for name, share in (("a", 0.5), ("validation", 0.0))
    )
    rows, _ = select(table, reals, SCORES["bce"], PARAMS)
    (at,) = rows[(rows["rule"] == "validation") & (rows["fake_share"] == "own")]["threshold"]
    # ceil(0.95 * 41) = 39: the threshold lies just above the 39th smallest of the 40 reals
    assert np.sort(reals["logit"])[38] < at < np.sort(reals["logit"])[39]
    fakes = make_scores({"validation": 0}, "bce", images=20, share=1.0)
    with pytest.raises(UserError, match="validation: holds 0 reals and 20 fakes"):
        select(table, fakes, SCORES["bce"], PARAMS)


def test_fake_only_sets_take_no_part():
    table = make_scores({"a": 0}, "bce", images=20, share=1.0)
    rows, summary = select(table, make_scores({"validation": 0}, "bce", images=20), SCORES["bce"], PARAMS)
    assert (len(rows), summary) == (0, [])


def test_two_images_a_class_do_not_fail():
    table = make_scores({"a": 0, "b": 0}, "bce", images=4)
    rows, _ = select(table, make_scores({"validation": 0}, "bce", images=4, seed=1), SCORES["bce"], PARAMS)
    assert isinstance(rows, pd.DataFrame)


def unlabeled(table, validation):
    """Rows and summary of the rules that see no label, and of validation's, at the set's own share."""
    rows, summary = select(table, validation, SCORES["bce"], PARAMS)
    own = {row["rule"]: row for row in rows[rows["fake_share"] == "own"].to_dict("records")}
    return own, {row["rule"]: row for row in summary if row["fake_share"] == "own"}


def test_a_sentinel_leaves_validations_threshold_and_a_note():
    table = make_scores({"a": 0}, "bce", images=200)
    table.loc[7, "logit"] = -9999.0
    own, summary = unlabeled(table, make_scores({"validation": 0}, "bce", seed=1))
    for rule in ("prior_shift", "mixture", "valley", "standardise"):
        assert own[rule]["note"] == "finds no threshold: validation's is used"
        assert own[rule]["threshold"] == own["validation"]["threshold"]
        assert summary[rule]["fallbacks"] == 1


def test_constant_validation_scores_have_no_z_score():
    # Validation's deviation would be 5e-17, and a z-score of the rounding error a threshold of 1.98.
    table = make_scores({"a": 0}, "bce", images=100)
    validation = make_scores({"validation": 0}, "bce", images=100).assign(logit=0.1)
    own, _ = unlabeled(table, validation)
    for rule in ("standardise", "prior_shift"):
        assert own[rule]["note"] == "finds no threshold: validation's is used"
        assert own[rule]["threshold"] == own["validation"]["threshold"]

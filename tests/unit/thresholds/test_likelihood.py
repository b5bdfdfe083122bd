"""Likelihood ratios: by hand, against known Gaussians, and never judged on what they were fitted on."""

import json

import numpy as np
import pandas as pd
import pytest

from fakeforensics.errors import UserError
from fakeforensics.metrics.bootstrap import GroupSums, resample_groups
from fakeforensics.metrics.likelihood import costs
from fakeforensics.params import ThresholdsParams
from fakeforensics.thresholds.analysis import analyze, write_analysis
from fakeforensics.thresholds.calibrate import fit_calibrator
from fakeforensics.thresholds.likelihood import (
    KINDS,
    analyze_likelihood,
    cross_fitted,
    fit_likelihood_ratio,
    folds,
    group_weights,
)
from tests.score_specs import SCORES
from tests.score_tables import make_scores

QUICK = ThresholdsParams(bootstrap=100, known_reals=(10,), draws=10)


def gaussians(reals, fakes, seed=0):
    """Reals N(0, 1) and fakes N(2, 1), each its own group: ln LR = 2 s − 2."""
    labels = np.repeat([0, 1], [reals, fakes])
    return np.random.default_rng(seed).normal(size=labels.size) + 2 * labels, labels, np.arange(labels.size)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [(3000, 3000), (5000, 500)])
def test_the_ratio_of_gaussians_is_found_whatever_the_share_of_fakes(kind, sizes):
    found = fit_likelihood_ratio(kind, *gaussians(*sizes), seed=0)
    asked = np.array([0.0, 0.5, 1.0, 1.5, 2.0])
    truth = (2 * asked - 2) / np.log(10)
    assert found(asked) == pytest.approx(truth, abs=0.1 if kind == "logistic" else 0.25)
    assert (found.reals, found.fakes) == sizes


def test_the_logistic_ratio_is_platts_odds_less_the_odds_of_the_labels():
    scores, labels, groups = gaussians(300, 100)
    found = fit_likelihood_ratio("logistic", scores, labels, groups, seed=0)
    platt = fit_calibrator("platt", scores, labels)
    probability = platt(1.2)
    by_hand = np.log10(probability / (1 - probability) / (100 / 300))
    assert found.unbounded(np.array([1.2])) == pytest.approx([by_hand])


def test_the_isotonic_ratio_by_hand():
    # Scores 1 to 4: real, fake, real, fake. With the added fake in front and the added real at the end the
    # labels are F R F R F R, pooled to one block of one half: odds 1, less those of 3 to 3. LR = 1.
    labels, groups = np.array([0, 1, 0, 1]), np.arange(4)
    found = fit_likelihood_ratio("isotonic", np.arange(4.0), labels, groups, seed=0)
    assert found.unbounded(np.arange(4.0)) == pytest.approx(np.zeros(4))
    # Three reals below three fakes: F R R R | F F F R are blocks with odds 1/3 and 3, less those of 4 to 4.
    labels = np.repeat([0, 1], 3)
    found = fit_likelihood_ratio("isotonic", np.arange(6.0), labels, np.arange(6), seed=0)
    assert 10 ** found.unbounded(np.array([-9.0, 2.0, 3.0, 9.0])) == pytest.approx([1 / 3, 1 / 3, 3, 3])
    # Half way between the blocks log10 LR is half way as well.
    assert found.unbounded(np.array([2.5])) == pytest.approx([0], abs=1e-12)
    # One fake and three reals: F R R R | F R. Odds 1/3 and 1, less those of 2 to 4: LR 2/3 and 2.
    found = fit_likelihood_ratio("isotonic", np.arange(4.0), np.array([0, 0, 0, 1]), np.arange(4), seed=0)
    assert 10 ** found.unbounded(np.array([0.0, 3.0])) == pytest.approx([2 / 3, 2])


@pytest.mark.parametrize("kind", KINDS)
def test_no_ratio_exceeds_what_the_images_support(kind):
    # 10 reals and 20 fakes, far apart: at most a LR of 10 + 1, at least 1/(20 + 1).
    scores = np.concatenate([np.linspace(0, 1, 10), np.linspace(9, 10, 20)])
    labels = np.repeat([0, 1], [10, 20])
    found = fit_likelihood_ratio(kind, scores, labels, np.arange(30), seed=0)
    assert 0.5 < found.upper <= np.log10(11)
    assert -np.log10(21) <= found.lower < -0.5
    assert (found(1e9), found(-1e9)) == (found.upper, found.lower)
    assert isinstance(found(5.0), float)


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_a_clip_support_no_more_than_the_clip(kind):
    scores = np.concatenate([np.linspace(0, 1, 160), np.linspace(9, 10, 160)])
    labels = np.repeat([0, 1], 160)
    frames = fit_likelihood_ratio(kind, scores, labels, np.arange(320) // 32, seed=0)
    assert (frames.reals, frames.fakes) == (5, 5)
    assert frames.upper <= np.log10(6)
    assert fit_likelihood_ratio(kind, scores, labels, np.arange(320), seed=0).upper > 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("scores", "groups"),
    [
        (np.array([5.0, 6, 7, 8, 1, 2, 3, 4]), np.arange(8)),  # fakes score below reals
        (np.full(8, 0.1), np.arange(8)),
        (np.arange(8.0), np.array([0, 1, 2, 3, 4, 4, 4, 4])),  # all fakes are of one group
    ],
)
def test_where_nothing_is_supported_the_answer_is_one(kind, scores, groups):
    labels = np.repeat([0, 1], 4)
    found = fit_likelihood_ratio(kind, scores, labels, groups, seed=0)
    assert found(np.linspace(-9, 9, 7)).tolist() == [0] * 7
    assert cross_fitted(kind, scores, labels, groups, seed=0).tolist() == [0] * 8


@pytest.mark.parametrize("kind", KINDS)
def test_scores_of_any_scale_give_the_same_ratios(kind):
    scores, labels, groups = gaussians(60, 60)
    plain, scaled = (fit_likelihood_ratio(kind, at * scores, labels, groups, seed=0) for at in (1.0, 1e-17))
    asked = np.linspace(-2, 4, 13)
    assert scaled(1e-17 * asked) == pytest.approx(plain(asked), abs=1e-5)


def test_an_image_is_judged_without_its_group():
    # The noise of a group is memorized by nobody who has not seen it: scores say nothing, but labels go by
    # group. Judged on what it was fitted on, isotonic regression would seem to know.
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 200)
    groups = np.arange(400) // 10
    scores = np.repeat(rng.normal(size=40), 10)
    held_out = cross_fitted("isotonic", scores, labels, groups, seed=0)
    fitted = fit_likelihood_ratio("isotonic", scores, labels, groups, seed=0).unbounded(scores)
    gain = lambda log10_lr: log10_lr[labels == 1].mean() - log10_lr[labels == 0].mean()  # noqa: E731
    assert gain(fitted) > 0.2
    assert abs(gain(held_out)) < 0.1


def test_folds_keep_groups_whole_and_spread_classes():
    groups = np.array([0, 0, 1, 2, 3, 4, 5, 6, 6, 7])
    labels = np.array([0, 1, 0, 0, 0, 0, 1, 1, 1, 1])  # group 0 holds both
    for seed in range(20):
        fold = folds(labels, groups, seed)
        assert set(fold) == {0, 1, 2, 3}  # fakes are in the groups 0, 5, 6 and 7
        assert fold[0] == fold[1]
        assert fold[7] == fold[8]
        for number in range(4):
            assert {0, 1} <= set(labels[fold != number])
            assert (labels[fold == number] == 1).any()


def test_a_groups_images_of_a_class_share_one_weight():
    found = group_weights(np.array([0, 0, 1, 0]), np.array([7, 7, 7, 2]))
    assert found.tolist() == [0.5, 0.5, 1, 1]


def shifted():
    table = make_scores({"seen": 0, "unseen": -3}, "joint", images=400)
    return table, make_scores({"validation": 0}, "joint", images=400, seed=1)


def judged(table, validation, scores, replicates):
    drawn = GroupSums(resample_groups(table, 0), replicates)
    return analyze_likelihood(table, validation, scores, 0, drawn)


def test_shift_costs_calibration_and_not_ranking():
    table, validation = shifted()
    rows = {
        (row["score"], row["calibrator"], row["test_set"]): row
        for row in judged(table, validation, SCORES["joint"], 100).rows
    }
    assert len(rows) == 2 * 2 * 3
    for kind in KINDS:
        held_out, seen, unseen = (rows["sl", kind, name] for name in ("validation", "seen", "unseen"))
        # Gaussians 3 deviations apart cost 0.22 bits if calibrated.
        assert held_out["cllr"] == pytest.approx(0.25, abs=0.08)
        assert seen["cllr"] - seen["cllr_min"] < 0.06
        assert unseen["cllr_min"] == pytest.approx(seen["cllr_min"], abs=0.08)
        assert unseen["cllr"] > 2 * seen["cllr"]
        assert unseen["misleading_fakes"] > 0.9 > 0.1 > seen["misleading_fakes"]
        assert unseen["misleading_reals"] < 0.01


def test_an_interval_is_that_of_resampled_groups():
    table, validation = shifted()
    analysis = judged(table, validation, SCORES["bce"], 400)
    held_out, *tested = (row for row in analysis.rows if row["calibrator"] == "logistic")
    assert "cllr_interval" not in held_out
    for row in tested:
        images = table[table["test_set"] == row["test_set"]]
        labels = images["label"].to_numpy()
        bits = costs(analysis.fitted["sl", "logistic"](images["logit"].to_numpy()), labels)
        # Each image is its own group: the standard error is that of half the sum of two means of 200.
        error = np.sqrt(sum(bits[labels == label].var() / 200 for label in (0, 1))) / 2
        low, high = row["cllr_interval"]
        assert low < row["cllr"] < high
        assert (high - low) / (2 * 1.96) == pytest.approx(error, rel=0.2)


def test_a_summary_has_means_over_test_sets_alone():
    table, validation = shifted()
    analysis = judged(table, validation, SCORES["bce"], 100)
    found = analysis.summary("isotonic", ("unseen",))
    assert list(found) == ["cllr", "cllr_min"]
    values = found["cllr"]["sl"]
    assert list(values) == ["validation", "seen", "unseen", "mean", "mean_unseen"]
    assert values["mean"] == pytest.approx((values["seen"] + values["unseen"]) / 2, abs=1e-6)
    assert values["mean_unseen"] == values["unseen"]


def test_a_set_of_fakes_alone_has_misleading_answers_and_no_cost():
    table, validation = shifted()
    fakes = table[(table["test_set"] == "seen") | (table["label"] == 1)]
    rows = judged(fakes, validation, SCORES["bce"], 100).rows
    row = next(row for row in rows if row["test_set"] == "unseen")
    assert (row["reals"], row["fakes"]) == (0, 200)
    assert "misleading_fakes" in row
    assert not {"cllr", "cllr_min", "misleading_reals"} & set(row)


def test_curves_fall_from_one():
    analysis = judged(*shifted(), SCORES["sad"], 100)
    for _, curve in analysis.curves.groupby(["score", "calibrator", "test_set", "label"], sort=False):
        assert curve["log10_lr"].is_monotonic_increasing
        assert curve["share"].is_monotonic_decreasing
        assert curve["share"].iloc[0] == 1


def test_without_validation_fakes_there_is_none_and_the_file_says_so(tmp_path):
    table, validation = shifted()
    reals = validation[validation["label"] == 0].reset_index(drop=True)
    analysis = analyze(table, reals, SCORES["joint"], QUICK, seed=0)
    assert analysis.decision.likelihood_ratio is None
    assert "no fakes" in analysis.decision.no_likelihood_ratio
    assert analysis.likelihood.summary("logistic", ()) == {}
    paths = {"metrics": tmp_path / "t.json", "decision": tmp_path / "d.json", "details": tmp_path / "r.csv"}
    write_analysis(analysis, plots=tmp_path, **paths)
    found = json.loads(paths["metrics"].read_text())
    assert found["likelihood_ratio"]["missing"] == analysis.decision.no_likelihood_ratio
    assert found["likelihood_ratio_by_set"] == []
    assert (tmp_path / "tippett.png").stat().st_size > 0
    assert pd.read_csv(tmp_path / "tippett.csv").empty


@pytest.mark.parametrize("kind", KINDS)
def test_the_policy_gets_the_chosen_kind_of_its_own_score(kind):
    table, validation = shifted()
    params = QUICK.model_copy(update={"likelihood_ratio": kind})
    analysis = analyze(table, validation, SCORES["joint"], params, seed=0)
    found = analysis.decision.likelihood_ratio
    assert found.kind == kind
    assert found == analysis.likelihood.fitted[analysis.decision.score, kind]


def test_one_class_is_refused():
    with pytest.raises(UserError, match="0 fakes"):
        fit_likelihood_ratio("logistic", np.arange(3.0), np.zeros(3, int), np.arange(3), 0)

"""The metrics of a run: means, intervals, frames and videos, sets with one class, and curves."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakeforensics.errors import UserError
from fakeforensics.metrics.ranking import rank
from fakeforensics.metrics.registry import measures
from fakeforensics.metrics.summary import (
    details,
    file_name,
    intervals,
    measure_run,
    pr_curve,
    roc_curve,
    summarize,
    thin,
    validation_summary,
    write_curves,
)
from tests.score_specs import SCORES
from tests.score_tables import make_scores


def test_means_are_over_all_and_over_unseen_sets():
    table = make_scores({"a": 0, "b": 0, "c": 0}, images=60, gap=1.0)
    assert "mean_unseen" not in summarize(table, None, SCORES["joint"], ())["ap"]["sl"]
    found = summarize(table, None, SCORES["joint"], unseen=("b", "c"))
    for metric in ("ap", "auc", "eer"):
        for values in found[metric].values():
            assert list(values) == ["a", "b", "c", "mean", "mean_unseen"]
            assert values["mean"] == pytest.approx(np.mean([values[name] for name in "abc"]), abs=1e-6)
            assert values["mean_unseen"] == pytest.approx((values["b"] + values["c"]) / 2, abs=1e-6)
            assert all(value == round(value, 6) for value in values.values())
    json.dumps(found, allow_nan=False)


def test_by_hand():
    table = make_scores({"a": 0}, "bce", images=4)
    table["label"] = [1, 1, 0, 0]
    table["logit"] = [4.0, 2.0, 3.0, 1.0]
    found = summarize(table, None, SCORES["bce"], ())
    assert found["ap"]["sl"]["a"] == 0.833333  # 1/2 · 1 + 1/2 · 2/3
    assert found["auc"]["sl"]["a"] == 0.75  # three of the four pairs are in order
    assert found["eer"]["sl"]["a"] == 0.5  # FNR is 1/2 while FPR goes from 0 to 1/2


def test_saturated_probabilities_do_not_tie():
    # Sigmoids of 800 and 900 are both 1.0; by their logits fakes come first.
    table = make_scores({"a": 0}, "bce", images=4)
    table["label"], table["logit"], table["score_sl"] = [1, 1, 0, 0], [900.0, 950.0, 800.0, 700.0], 1.0
    assert summarize(table, None, SCORES["bce"], ())["ap"]["sl"]["a"] == 1.0


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_set_with_one_class_has_no_metrics(share):
    both, one = make_scores({"a": 0}, images=60), make_scores({"pggan": 0}, images=4, share=share)
    found = summarize(pd.concat([both, one]), None, SCORES["joint"], ("a", "pggan"))
    assert list(found["ap"]["sl"]) == ["a", "mean", "mean_unseen"]
    assert "ap" not in summarize(one, None, SCORES["joint"], ("pggan",))


def test_broken_scores_are_refused_by_name():
    table = make_scores({"stylegan": 0}, "sad", images=10)
    table.loc[2, "score_cd"] = np.nan
    with pytest.raises(UserError, match="stylegan, cd: 1 of 10 scores are not finite"):
        summarize(table, None, SCORES["sad"], ())


VALIDATION = pd.DataFrame(
    {
        "label": [0, 1, 0, 1],
        "logit": [0.0, np.log(3), -np.log(3), -np.log(3)],
        "score_cd": [1.0, 2.0, 3.0, 4.0],
    }
)


def test_validation_by_hand():
    found = validation_summary(VALIDATION, SCORES["joint"])
    # by distance, descending: fake (P 1/1, recall 1/2), real, fake (P 2/3, recall 1): AP = 1/2 + 1/3
    assert found["ap"]["cd"] == pytest.approx(0.833333)
    # by logit: fake first (1/1), then a real, then a real and a fake tied (2/4): AP = 1/2 + 1/4
    assert found["ap"]["sl"] == pytest.approx(0.75)
    assert set(validation_summary(VALIDATION, SCORES["sad"])) == {"ap"}
    assert validation_summary(VALIDATION[VALIDATION["label"] == 0], SCORES["joint"]) == {}
    # (log 2 − log ¾ − log ¾ − log ¼) / 4
    assert found["log_loss"] == pytest.approx((0.693147 + 0.287682 + 0.287682 + 1.386294) / 4, abs=1e-6)


def fakes(detector, **columns):
    return make_scores({"pggan": 0}, detector, images=4, share=1.0).assign(**columns)


def seen(detector, **columns):
    """Validation scores: two fakes, two reals."""
    return make_scores({"validation": 0}, detector, images=4).assign(label=[1, 1, 0, 0], **columns)


def test_on_fakes_alone_a_logit_is_cut_at_probability_one_half():
    table = fakes("bce", logit=[1.0, 0.0, -0.1, 5.0])  # 0.5 itself counts as fake
    metrics, more = measure_run(table, seen("bce"), SCORES["bce"], ("pggan",), 0, 20)
    assert list(metrics) == ["accuracy", "validation"]
    assert metrics["accuracy"] == {"sl": {"pggan": 0.75}}
    (row,) = more.pop("fakes_alone")
    assert more == {"details": []}
    assert (row["score"], row["test_set"], row["fakes"], row["accuracy"]) == ("sl", "pggan", 4, 0.75)
    assert (row["threshold"], row["probability"], row["threshold_chosen"]) == (0.0, 0.5, "probability 0.5")


def test_on_fakes_alone_a_distance_is_cut_where_validation_is_most_accurate():
    # Between 4, the farthest real, and 6, the nearest fake.
    validation = seen("sad", score_cd=[6.0, 9.0, 4.0, 1.0])
    table = fakes("sad", score_cd=[4.9, 5.0, 5.1, 8.0])
    metrics, more = measure_run(table, validation, SCORES["sad"], (), 0, 20)
    assert metrics["accuracy_at_validation_threshold"] == {"cd": {"pggan": 0.75}}
    (row,) = more["fakes_alone"]
    assert (row["threshold"], row["accuracy"]) == (5.0, 0.75)
    assert "probability" not in row


def test_two_scores_are_cut_each_its_way_and_sets_with_both_classes_are_ranked():
    table = pd.concat([make_scores({"stargan": 0}), fakes("joint")], ignore_index=True)
    found = summarize(table, seen("joint"), SCORES["joint"], ())
    assert {metric: list(by_score) for metric, by_score in found.items()} == {
        **{metric: ["sl", "cd"] for metric in ("ap", "auc", "eer")},
        "accuracy": ["sl"],
        "accuracy_at_validation_threshold": ["cd"],
    }
    assert list(found["accuracy"]["sl"]) == ["pggan"]
    assert list(found["ap"]["sl"]) == ["stargan", "mean"]


def test_the_interval_on_fakes_alone_is_the_binomial_one():
    table = make_scores({"pggan": 0}, "bce", images=100, share=1.0)
    table["logit"] = np.where(np.arange(100) < 80, 1.0, -1.0)
    (row,) = measure_run(table, seen("bce"), SCORES["bce"], (), 0, 2000)[1]["fakes_alone"]
    # The share of 100 draws with 80% in it: 0.8 ± 1.96 · sqrt(0.8 · 0.2 / 100) = 0.8 ± 0.078
    assert row["accuracy_interval"] == pytest.approx([0.722, 0.878], abs=0.015)
    (row,) = measure_run(table.assign(logit=1.0), seen("bce"), SCORES["bce"], (), 0, 50)[1]["fakes_alone"]
    assert row["accuracy_interval"] == [1.0, 1.0]  # where all are recognized there is nothing to draw


def test_broken_scores_of_fakes_alone_are_refused():
    with pytest.raises(UserError, match="1 of 4 scores are not finite"):
        summarize(fakes("bce", logit=[1.0, np.nan, 0.0, 0.0]), seen("bce"), SCORES["bce"], ())


def test_a_distance_needs_validation_images_of_both_classes():
    with pytest.raises(UserError, match="validation: holds 0 reals and 4 fakes"):
        summarize(fakes("sad"), fakes("sad"), SCORES["sad"], ())


def bounds_of(table, detector, unseen, seed, replicates):
    return intervals(measures("interval", SCORES[detector], None), table, unseen, seed, replicates)


def test_intervals_hold_the_metric_and_have_its_keys():
    table = make_scores({"a": 0, "b": 0}, images=100, gap=1.0)
    metrics = summarize(table, None, SCORES["joint"], ("b",))
    bounds = bounds_of(table, "joint", ("b",), seed=0, replicates=200)
    for metric in ("ap", "auc"):
        assert list(bounds[metric]) == ["sl", "cd"]
        for score, values in bounds[metric].items():
            assert list(values) == list(metrics[metric][score])
            for name, (low, high) in values.items():
                assert low < metrics[metric][score][name] < high


def reversed_scores(images=20):
    """Every fake scores below every real."""
    table = make_scores({"a": 0}, "bce", images=images)
    return table.assign(logit=np.arange(images) - 1000.0 * table["label"])


def test_an_interval_holds_an_estimate_that_resampling_exceeds():
    # By hand: the n-th of 10 fakes below 10 reals has a precision of n / (10 + n). A fake that is drawn twice
    # ties with itself, at the lower one's precision, so that nearly all replicates lie above that.
    table = reversed_scores()
    value = np.mean([n / (10 + n) for n in range(1, 11)])
    metrics, more = measure_run(table, seen("bce"), SCORES["bce"], (), 0, 300)
    assert metrics["ap"]["sl"]["a"] == pytest.approx(value, abs=1e-6)
    for low, high in more["ap_interval"]["sl"].values():
        assert low < value < high
    assert more["moved_intervals"] == [
        {"metric": "ap", "score": "sl", "test_set": name} for name in ("a", "mean")
    ]
    (row,) = more["details"]
    assert row["moved_intervals"] == ["ap"]
    assert row["ap_interval"] == more["ap_interval"]["sl"]["a"]


def test_no_interval_is_moved_where_percentiles_hold_the_estimate():
    table = make_scores({"a": 0}, "bce", images=100, gap=1.0)
    more = measure_run(table, seen("bce"), SCORES["bce"], (), 0, 100)[1]
    assert "moved_intervals" not in more
    assert all("moved_intervals" not in row for row in more["details"])


def test_the_mean_of_two_independent_sets_is_surer():
    table = make_scores({"a": 0, "b": 0}, "bce", images=200, gap=1.0)
    bounds = bounds_of(table, "bce", (), 0, 300)["auc"]["sl"]
    width = {name: high - low for name, (low, high) in bounds.items()}
    assert width["mean"] < 0.85 * min(width["a"], width["b"])  # 1 / √2 in the limit


def test_shared_reals_are_drawn_once_for_both_sets():
    # Two sets with the same reals and fakes that score alike: their mean is as unsure as each of them.
    one = make_scores({"crn": 0}, "bce", images=200, gap=1.0)
    both = one.assign(test_set="imle")
    table = pd.concat([one, both], ignore_index=True)
    bounds = bounds_of(table, "bce", (), 0, 200)["auc"]["sl"]
    assert bounds["crn"] == bounds["imle"] == bounds["mean"]


def test_both_levels_are_measured():
    table = make_scores({"celeb_df": 0}, "bce", images=400, video_frames=10, gap=1.0)
    validation = make_scores({"validation": 0}, "bce", images=400, video_frames=10, gap=1.0, seed=1)
    frame, video = details(table, validation, SCORES["bce"], seed=0, replicates=100)
    assert (frame["level"], frame["count"], frame["groups"]) == ("frame", 400, 40)
    assert (video["level"], video["count"], video["reals"], video["fakes"]) == ("video", 40, 20, 20)
    assert video["threshold_chosen_by"] == "video"
    # The mean of ten frames has a third of the noise: classes √10 deviations apart instead of 1.
    assert video["ap"] > frame["ap"] + 0.1
    assert video["accuracy"] > 0.85
    for row in (frame, video):
        low, high = row["ap_interval"]
        assert low <= row["ap"] <= high
        assert 0 <= row["tpr_at_fpr_1"] <= row["tpr_at_fpr_5"] <= 1


def test_stills_in_validation_lend_videos_their_threshold():
    table = make_scores({"celeb_df": 0}, "bce", images=100, video_frames=10)
    rows = details(table, make_scores({"validation": 0}, "bce"), SCORES["bce"], seed=0, replicates=100)
    assert [row["threshold_chosen_by"] for row in rows] == ["frame", "frame"]
    assert rows[0]["threshold"] == rows[1]["threshold"]


def test_accuracy_is_at_validations_threshold():
    table = make_scores({"moved": -20}, "bce", images=50)
    row = details(table, make_scores({"validation": 0}, "bce", seed=1), SCORES["bce"], 0, 100)[0]
    assert row["accuracy"] == 0.5  # all is called real
    assert np.isfinite(row["threshold"])


def test_sets_with_one_class_have_no_row():
    table = make_scores({"a": 0}, "bce", images=10, share=1.0)
    assert details(table, make_scores({"validation": 0}, "bce"), SCORES["bce"], 0, 100) == []


def test_videos_without_a_face_count_as_called_real():
    # Four videos of one frame, told apart at 0; of two more fakes and a real no face was found.
    table = make_scores({"celeb_df": 0}, "bce", images=4, video_frames=1)
    table["logit"] = [2.0, 1.0, -1.0, -2.0]
    validation = table.assign(test_set="validation")
    undetected = {"celeb_df": {"real_videos": 1, "fake_videos": 2, "real_stills": 9, "fake_stills": 9}}
    frame, video = details(table, validation, SCORES["bce"], 0, 100, undetected)
    assert "undetected" not in frame
    assert video["undetected"] == {"reals": 1, "fakes": 2}
    assert (video["ap"], video["accuracy"], video["count"]) == (1, 1, 4)
    found = video["with_undetected"]
    # Half of the four fakes come first; the rest is tied at the end, where 4 of 7 are fakes.
    assert found["ap"] == pytest.approx(0.5 * 1 + 0.5 * 4 / 7, abs=1e-6)
    assert found["accuracy"] == pytest.approx(5 / 7, abs=1e-6)
    # Both found fakes beat all three reals; each lost one loses to two and ties with one: (6 + 1) / 12.
    assert found["auc"] == pytest.approx(7 / 12, abs=1e-6)


RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 5000)
VALUES = RNG.normal(size=5000) + LABELS


@pytest.mark.parametrize(("curve", "scale"), [(roc_curve, "fpr"), (pr_curve, "precision")])
def test_every_row_is_a_point_of_the_full_curve(curve, scale):
    rows = curve(rank(VALUES, LABELS), points=50)
    assert len(rows) <= 50
    for row in rows.to_dict("records"):
        called = row["threshold"] <= VALUES
        assert row["tpr" if scale == "fpr" else "recall"] == pytest.approx(called[LABELS == 1].mean())
        shown = called[LABELS == 0] if scale == "fpr" else LABELS[called]
        assert row[scale] == pytest.approx(shown.mean())


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


def test_rows_without_a_group_are_groups_of_their_own():
    # 24 images: 10 in groups of two, 14 without; and six videos of four frames without a group.
    table = make_scores({"a": 0}, "bce", images=24, video_frames=4)
    table.loc[:9, "group"] = [f"pair {number // 2}" for number in range(10)]
    table.loc[10:, "group"] = ""
    validation = make_scores({"validation": 0}, "bce", images=24, video_frames=4, seed=1)
    frames, _ = details(table, validation, SCORES["bce"], 0, 20)
    assert frames["groups"] == 5 + 14
    _, videos = details(table.assign(group=""), validation, SCORES["bce"], 0, 20)
    assert (videos["level"], videos["groups"]) == ("video", 6)


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_a_curves_thresholds_lead_back_to_its_rates(tmp_path, scale):
    # Six decimals of scores of scale 1e-8 were all 0.0.
    table = make_scores({"a": 0}, "bce", images=40).assign(logit=lambda rows: scale * rows["logit"])
    write_curves(table, SCORES["bce"], tmp_path)
    labels = table["label"] == 1
    for point in pd.read_csv(tmp_path / "roc/a.csv").itertuples():
        called = table["logit"] >= point.threshold
        assert point.tpr == pytest.approx(called[labels].mean(), abs=1e-6)
        assert point.fpr == pytest.approx(called[~labels].mean(), abs=1e-6)


@pytest.mark.parametrize("name", ["stylegan", "gan_2.0+c23", "9-a"])
def test_a_plain_name_is_the_file_name(name):
    assert file_name(name) == name


@given(st.text(), st.text())
@settings(max_examples=500)
def test_a_file_name_stays_in_its_folder_and_is_its_names_own(one, other):
    for name in (one, f"../{one}", f"/{one}/{other}", f"{one}\0", one * 50):
        found = file_name(name)
        assert len(f"{found}.csv".encode()) <= 255  # the longest name of common file systems
        assert found == (found + "/").rstrip("/").rpartition("/")[2]
        assert found.isascii()
        assert found.isprintable()
        assert found[0] not in ".-"
    assert (file_name(one) == file_name(other)) == (one == other)


HOSTILE = [
    "FF++/c23",
    "../escaped",
    "/tmp/escaped",
    ".",
    "..",
    "",
    ".hidden",
    "-rf",
    "a/../../b",
    "x" * 300,
    "é$a$b",
]


def test_nothing_is_written_outside_the_folder(tmp_path):
    table = make_scores(dict.fromkeys([*HOSTILE, "plain"], 0), "bce", images=10)
    write_curves(table, SCORES["bce"], tmp_path / "out/in")
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"in"}
    for kind in ("pr", "roc"):
        names = {path.name for path in (tmp_path / "out/in" / kind).iterdir()}
        assert names == {f"{file_name(name)}.csv" for name in [*HOSTILE, "plain"]}
        assert len(names) == len(HOSTILE) + 1
        assert "plain.csv" in names
        assert all(path.is_file() for path in (tmp_path / "out/in" / kind).iterdir())

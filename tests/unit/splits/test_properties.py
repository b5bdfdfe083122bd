from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.naive_bayes import CategoricalNB

from fakeforensics.splits import properties
from fakeforensics.splits.properties import (
    ALPHA,
    compare_properties,
    format_bias,
    holm,
    naive_bayes_aucs,
    permutation_p_value,
)


@pytest.fixture(autouse=True)
def _few_permutations(monkeypatch: pytest.MonkeyPatch) -> None:
    """As few fits of the classifier as allow a p-value below 0.01: 1/120."""
    monkeypatch.setattr(properties, "PERMUTATIONS", 119)


def files(qualities: tuple[list[int], list[int]], **values: object) -> pd.DataFrame:
    """One file per JPEG quality, for real and for fake files."""
    rows = [
        {
            "label": label,
            "source": "s",
            "domain": "d",
            "method": ("real", "a")[label],
            "raw_format": "JPEG",
            "raw_profile": "",
            "raw_width": 600,
            "raw_height": 600,
            "raw_pixel_aspect": "1:1",
            "raw_transfer": "",
            "raw_primaries": "",
            "raw_frame_rate": 0.0,
            "raw_frames": 1,
            "jpeg_quality": quality,
            "chroma_sampling": "4:2:0",
        }
        | values
        for label, some in enumerate(qualities)
        for quality in some
    ]
    table = pd.DataFrame(rows)
    return table.assign(group=[f"s/{number}" for number in table.index])


def test_an_eighth_of_the_fakes_coded_differently_is_caught() -> None:
    # What a public set of expert composites has: 120 real files of quality 95, 14 of 120 fakes of another.
    found = format_bias(files(([95] * 120, [95] * 106 + [87] * 8 + [99] * 5 + [90])), seed=0)
    assert found.is_biased
    # The odd 14 are known as fakes (but the one of its kind), the others tie: 0.5 + 0.5 * 14 / 120 = 0.558.
    assert found.auc == pytest.approx(0.558, abs=0.01)
    assert found.p_value is not None
    assert found.p_value < 0.01
    assert found.telling[0].startswith("JPEG quality: real 95 (100%), fake 95 (88%)")


@pytest.mark.parametrize("seed", range(2))
def test_it_is_caught_as_well_where_some_files_were_rejected(seed: int) -> None:
    assert format_bias(files(([95] * 109, [95] * 106 + [87] * 7 + [99] * 5 + [90])), seed).is_biased


def test_the_same_mixture_on_both_sides_is_no_bias() -> None:
    found = format_bias(files(([95] * 100 + [75] * 20, [95] * 101 + [75] * 19)), seed=0)
    assert not found.is_biased
    assert found.telling == []


def test_one_format_for_all_is_chance_without_any_permutation() -> None:
    found = format_bias(files(([75] * 30, [75] * 40)), seed=0)
    assert (found.auc, found.p_value, found.real, found.fake) == (0.5, 1.0, 30, 40)


def test_too_few_files_are_not_judged() -> None:
    found = format_bias(files(([75] * 9, [20] * 100)), seed=0)
    assert (found.auc, found.is_biased) == (None, False)


def test_sizes_that_all_differ_are_compared_by_magnitude() -> None:
    rows = files(([75] * 60, [75] * 60))
    rows["raw_width"] = np.r_[np.arange(1000, 1060), np.arange(400, 460)]
    found = format_bias(rows, seed=0)
    assert found.is_biased
    assert found.auc == 1.0


def test_png_fakes_among_jpeg_reals_are_caught() -> None:
    rows = files(([75] * 50, [-1] * 50))
    rows.loc[rows["label"] == 1, ["raw_format", "chroma_sampling"]] = ["PNG", ""]
    found = format_bias(rows, seed=0)
    assert found.auc == 1.0
    assert any(text.startswith("format: real JPEG (100%), fake PNG (100%)") for text in found.telling)


def test_false_alarms_are_as_rare_as_promised() -> None:
    rng = np.random.default_rng(0)
    alarms = 0
    for seed in range(10):
        qualities = rng.choice([75, 85, 95], size=(2, 40)).tolist()
        alarms += format_bias(files((qualities[0], qualities[1])), seed).is_biased
    # At 1 % each, 2 or more of 10 have a chance of 0.4 %.
    assert alarms <= 1


def test_the_same_seed_gives_the_same_answer() -> None:
    rows = files(([95] * 40, [95] * 36 + [87] * 4))
    assert format_bias(rows, seed=3) == format_bias(rows, seed=3)


def test_a_p_value_is_the_share_of_labelings_that_differ_as_much() -> None:
    # 10 real files of one value and 2 of another, 12 fakes of the first: at random both odd ones are real in
    # C(12, 2) / C(24, 2) = 66 / 276 of the labelings, and both fake in as many.
    bins = np.array([0] * 10 + [1] * 2 + [0] * 12)
    labels = np.array([0] * 12 + [1] * 12)
    found = permutation_p_value(bins, labels, np.random.default_rng(0))
    # the standard error of 9,999 draws is 0.005
    assert found == pytest.approx(2 * comb(12, 2) / comb(24, 2), abs=0.02)


def test_holm_rejects_step_by_step() -> None:
    # 0.003 · 3 < 0.01, then 0.0049 · 2 < 0.01, then 0.01 · 1 is not below 0.01
    assert holm({"a": 0.003, "b": 0.01, "c": 0.0049}) == {"a", "c"}
    # 0.004 · 3 is not below 0.01, so the smaller factors of the others do not count
    assert holm({"a": 0.004, "b": 0.0045, "c": 0.009}) == set()


@pytest.mark.parametrize(
    ("column", "values", "name"),
    [
        ("raw_profile", ("High", "Baseline"), "codec profile"),
        ("raw_transfer", ("bt709", "arib-std-b67"), "transfer function"),
        ("raw_primaries", ("bt709", "bt2020"), "color primaries"),
        ("raw_pixel_aspect", ("1:1", "4:3"), "pixel aspect"),
        ("raw_frame_rate", (29.97, 30.0), "frame rate"),
        ("raw_frames", (300, 301), "frames"),
        ("chroma_sampling", ("4:2:0", "4:4:4"), "chroma sampling"),
        ("raw_width", (640, 642), "size"),
    ],
)
def test_every_property_that_gives_the_label_away_is_named(column, values, name) -> None:
    rows = files(([75] * 20, [75] * 20))
    rows[column] = np.where(rows["label"] == 0, *values)
    found = format_bias(rows, seed=0)
    assert found.is_biased
    assert [text.partition(":")[0] for text in found.telling] == [name]
    assert found.methods == {"a": [name]}


def test_one_method_of_many_is_found_where_all_together_hide_it() -> None:
    # 500 fakes of five methods; 12 of the smallest method are the only ones of another quality.
    rows = files(([95] * 500, [95] * 488 + [85] * 12))
    rows.loc[rows["label"] == 1, "method"] = [f"m{n % 4}" for n in range(488)] + ["odd"] * 12
    assert format_bias(rows, seed=0).methods == {"odd": ["JPEG quality"]}


@settings(max_examples=25, deadline=None)
@given(st.integers(10, 60), st.integers(10, 60), st.integers(0, 5))
def test_what_is_the_same_in_all_files_never_warns_and_the_label_itself_always_does(real, fake, seed) -> None:
    rows = files(([75] * real, [75] * fake))
    assert compare_properties(rows, seed) == {}
    rows["raw_profile"] = rows["label"].map({0: "a", 1: "b"})
    assert compare_properties(rows, seed)["codec profile"].is_telling


def test_a_method_is_compared_with_the_reals_of_its_own_place() -> None:
    # 30 clips and 30 photographs of either class: neither method differs from its own reals.
    rows = files(([-1] * 30 + [90] * 30, [-1] * 30 + [90] * 30))
    is_clip = rows["jpeg_quality"] == -1
    rows["source"] = np.where(is_clip, "clips", "photographs")
    rows["raw_frames"] = np.where(is_clip, 300, 1)
    rows.loc[rows["label"] == 1, "method"] = np.where(is_clip[rows["label"] == 1], "swap", "gan")
    assert format_bias(rows, seed=0).methods == {}
    # without reals of its own, a method is compared with all of them
    alone = rows[(rows["label"] == 1) | ~is_clip]
    assert format_bias(alone, seed=0).methods == {"swap": ["JPEG quality", "frames"]}


def test_a_method_that_is_given_away_is_named_however_many_tests_there_are() -> None:
    # 14 methods with 9 properties each: with 9,999 labelings alone, 126 times the smallest p-value of 0.0001
    # would not be below 0.01.
    rng = np.random.default_rng(0)
    rows = files(([75] * 100, [75] * 14 * 20))
    rows.loc[rows["label"] == 1, "method"] = [f"m{number % 14}" for number in range(14 * 20)]
    noise = {
        "raw_profile": ["a", "b"],
        "raw_transfer": ["a", "b"],
        "raw_primaries": ["a", "b"],
        "raw_pixel_aspect": ["1:1", "4:3"],
        "raw_frames": [1, 2],
        "jpeg_quality": [75, 80],
        "chroma_sampling": ["4:2:0", "4:4:4"],
        "raw_width": [600, 640],
    }
    for column, values in noise.items():
        rows[column] = rng.choice(values, len(rows))
    rows.loc[rows["method"] == "m3", "raw_format"] = "PNG"
    rows["raw_frame_rate"] = rng.choice([25.0, 30.0], len(rows))
    assert format_bias(rows, seed=0).methods == {"m3": ["format"]}


def test_files_of_one_group_count_once() -> None:
    # 12 clips of either class, each with 40 files of a quality drawn for the clip: chance, and few clips.
    alarms = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        real, fake = (np.repeat(rng.choice([75, 85, 95], 12), 40).tolist() for _ in range(2))
        rows = files((real, fake))
        rows["group"] = [f"s/{number // 40}" for number in range(len(rows))]
        found = format_bias(rows, seed)
        assert (found.real, found.fake) == (12, 12)
        alarms += found.is_biased
    # As for independent files; with each file counted, 19 of 20 such sets were called biased.
    assert alarms <= 1


def test_an_original_and_its_edit_are_a_pair_that_tells_nothing() -> None:
    # 30 groups of one real and three fakes that kept its quality: more fakes of each quality, equal shares.
    qualities = [75 + number % 3 for number in range(30)]
    rows = files((qualities, qualities * 3))
    rows["group"] = [f"s/{number % 30}" for number in range(len(rows))]
    found = compare_properties(rows, seed=0)["JPEG quality"]
    assert (found.distance, found.p_value, found.is_telling) == (0.0, 1.0, False)


def test_few_groups_are_not_tested_but_a_format_of_their_own_is_named() -> None:
    rows = files(([75] * 60, [-1] * 60))
    rows["group"] = [f"s/{number // 20}" for number in range(len(rows))]
    rows.loc[rows["label"] == 1, ["raw_format", "chroma_sampling"]] = ["PNG", ""]
    found = format_bias(rows, seed=0)
    assert (found.real, found.fake, found.auc, found.p_value) == (3, 3, None, None)
    assert found.is_biased
    assert found.methods == {"a": ["format", "JPEG quality", "chroma sampling"]}
    # of 6 clips, C(6, 3) = 20 labelings: 2 are as clear
    assert found.properties["format"].p_value == pytest.approx(2 / 20, abs=0.02)
    rows.loc[rows.index[-1], ["raw_format", "jpeg_quality", "chroma_sampling"]] = ["JPEG", 75, "4:2:0"]
    assert not format_bias(rows, seed=0).is_biased


@pytest.mark.parametrize("seed", range(5))
def test_the_classifiers_fits_are_those_of_categorical_naive_bayes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = np.stack([rng.integers(0, kinds, 60) for kinds in (2, 3, 16)], axis=1)
    labelings = np.stack([rng.permutation(np.arange(60) < 25).astype(int) for _ in range(4)])
    found = naive_bayes_aucs(features, labelings)
    model = CategoricalNB(alpha=ALPHA, fit_prior=False, min_categories=features.max(axis=0) + 1)
    for labels, auc in zip(labelings, found, strict=True):
        log = model.fit(features, labels).predict_log_proba(features)
        assert auc == pytest.approx(roc_auc_score(labels, (log[:, 1] - log[:, 0]).round(9)), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_held_out_aucs_are_those_of_categorical_naive_bayes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = np.stack([rng.integers(0, kinds, 64) for kinds in (2, 3, 16)], axis=1)
    labels = rng.permutation(np.arange(64) < 23).astype(int)
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=2, random_state=seed).split(features, labels)
    expected = list(folds)
    held_out = np.array([np.isin(np.arange(64), test) for _, test in expected])
    model = CategoricalNB(alpha=ALPHA, fit_prior=False, min_categories=features.max(axis=0) + 1)
    found = naive_bayes_aucs(features, np.broadcast_to(labels, held_out.shape), ~held_out, held_out)
    for (train, test), auc in zip(expected, found, strict=True):
        log = model.fit(features[train], labels[train]).predict_log_proba(features[test])
        assert auc == pytest.approx(roc_auc_score(labels[test], (log[:, 1] - log[:, 0]).round(9)), abs=1e-12)


def test_the_auc_of_a_fit_is_the_share_of_pairs_in_order() -> None:
    # Bins a a a b | b b a with fakes after the bar: b is likelier fake. Of 4 · 3 pairs a fake in b beats the
    # 3 reals in a and ties with the one in b: 2 · 3.5; the fake in a ties with 3 and loses to 1: 1.5.
    features = np.array([[0], [0], [0], [1], [1], [1], [0]])
    found = naive_bayes_aucs(features, np.array([[0, 0, 0, 0, 1, 1, 1]]))
    assert found[0] == pytest.approx((2 * 3.5 + 1.5) / 12)

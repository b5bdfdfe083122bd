import numpy as np
import pandas as pd
import pytest

from fakeforensics.splits.format_bias import _areas, format_bias


def files(qualities: tuple[list[int], list[int]], **values: object) -> pd.DataFrame:
    """One file for each JPEG quality, of real and of fake files."""
    rows = [
        {
            "label": label,
            "raw_format": "JPEG",
            "raw_width": 600,
            "raw_height": 600,
            "jpeg_quality": quality,
            "chroma_sampling": "4:2:0",
        }
        | values
        for label, some in enumerate(qualities)
        for quality in some
    ]
    return pd.DataFrame(rows)


def test_an_eighth_of_the_fakes_coded_differently_is_caught() -> None:
    # What a public set of expert composites has: 120 real files of quality 95, 14 of 120 fakes of another.
    found = format_bias(files(([95] * 120, [95] * 106 + [87] * 8 + [99] * 5 + [90])), seed=0)
    assert found.is_biased
    # The odd 14 are known as fakes (but the one of its kind), the others tie: 0.5 + 0.5 * 14 / 120 = 0.558.
    assert found.auc == pytest.approx(0.558, abs=0.01)
    assert found.p_value is not None
    assert found.p_value < 0.01
    assert found.telling[0].startswith("JPEG quality: real 95 (100%), fake 95 (88%)")


@pytest.mark.parametrize("seed", range(3))
def test_it_is_caught_as_well_where_some_files_were_rejected(seed: int) -> None:
    assert format_bias(files(([95] * 109, [95] * 106 + [87] * 7 + [99] * 5 + [90])), seed).is_biased


def test_the_same_mixture_on_both_sides_is_no_bias() -> None:
    found = format_bias(files(([95] * 100 + [75] * 20, [95] * 101 + [75] * 19)), seed=0)
    assert not found.is_biased
    assert found.telling == ()


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
    for seed in range(20):
        qualities = rng.choice([75, 85, 95], size=(2, 40)).tolist()
        alarms += format_bias(files((qualities[0], qualities[1])), seed).is_biased
    # At 1 % each, 3 or more of 20 have a chance of 0.1 %.
    assert alarms <= 2


def test_the_same_seed_gives_the_same_answer() -> None:
    rows = files(([95] * 40, [95] * 36 + [87] * 4))
    assert format_bias(rows, seed=3) == format_bias(rows, seed=3)


def test_the_area_counts_ties_half_and_folds_apart() -> None:
    # Fold 0, fake and real: 0.9 > 0.1, 0.9 > 0.5, 0.5 > 0.1, 0.5 = 0.5: (3 + 0.5) / 4. Fold 1: 0.2 < 0.3.
    scores = np.array([0.1, 0.5, 0.9, 0.5, 0.3, 0.2])
    areas = _areas(scores, np.array([0, 0, 1, 1, 0, 1]), np.array([0, 0, 0, 0, 1, 1]))
    assert areas.tolist() == [0.875, 0.0]

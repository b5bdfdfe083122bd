from typing import Any

import numpy as np
import pandas as pd
import pytest

from fakeforensics.splits.audit import audit, format_bias
from fakeforensics.splits.manifest import build_manifests
from fakeforensics.splits.protocol import Protocol
from tests.unit.splits.conftest import index, row


@pytest.fixture(scope="module")
def findings() -> dict[str, Any]:
    """Of 12 images per class and split, all black: the test set's fakes are PNG, everything else is JPEG."""
    rows = index(
        [
            row(
                "d",
                f"{split}/{method}/{n}",
                method=method,
                own_split=split,
                raw_format="JPEG",
                jpeg_quality=75,
            )
            for split in ("train", "val", "test")
            for method in ("real", "a")
            for n in range(12)
        ]
    )
    is_odd = (rows["own_split"] == "test") & (rows["label"] == 1)
    rows.loc[is_odd, "raw_format"] = "PNG"
    rows.loc[is_odd, "jpeg_quality"] = -1
    plan = {"title": "t", "train": [{"source": "d"}], "test": {"seen": [{"source": "d"}]}}
    manifests = build_manifests("p", Protocol.model_validate(plan), lambda source: rows, seed=0)
    manifests.train["sha256"] = "same"
    return audit(manifests, lambda row: np.zeros((8, 8, 3), dtype=np.uint8), most_images=1000, seed=0)


def test_the_biased_set_is_warned_of_and_the_others_not(findings: dict[str, Any]) -> None:
    assert findings["format_bias"]["seen"]["is_biased"]
    assert not findings["format_bias"]["train"]["is_biased"]
    first, second = findings["warnings"]
    assert "seen: the file format alone tells real from fake (AUC 1.00" in first
    assert "1728 pairs of near-duplicates" in second


def test_formats_are_counted_by_class(findings: dict[str, Any]) -> None:
    formats = findings["formats"]
    assert formats["d/faces/a"]["format"] == {"JPEG": 24, "PNG": 12}
    assert formats["d/faces/real"] == {
        "files": 36,
        "label": 0,
        "format": {"JPEG": 36},
        "size": {"128x128": 36},
        "jpeg_quality": {"75": 36},
        "chroma_sampling": {"": 36},
    }


def test_near_duplicates_are_counted_and_shown(findings: dict[str, Any]) -> None:
    # All black: each of 72 images is a duplicate of all in the other two splits of 24: 3 * 24 * 24 pairs.
    near = findings["copies"]["near_across_splits"]
    assert (near["checked"], near["of"], near["pairs"], len(near["examples"])) == (72, 72, 1728, 20)
    # All differ in 0 bits, so the first by key are shown.
    assert near["examples"][1] == {"one": "d/train/a/0", "other": "d/test/a/1", "bits": 0}


def test_repeated_bytes_within_a_split_are_counted(findings: dict[str, Any]) -> None:
    assert findings["copies"]["identical_within_split"] == {"train": 23, "val": 0, "test": 0}


def files(qualities: tuple[list[int], list[int]], **values: object) -> pd.DataFrame:
    """One file per JPEG quality, for real and for fake files."""
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


@pytest.mark.parametrize("seed", range(2))
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
    for seed in range(10):
        qualities = rng.choice([75, 85, 95], size=(2, 40)).tolist()
        alarms += format_bias(files((qualities[0], qualities[1])), seed).is_biased
    # At 1 % each, 2 or more of 10 have a chance of 0.4 %.
    assert alarms <= 1


def test_the_same_seed_gives_the_same_answer() -> None:
    rows = files(([95] * 40, [95] * 36 + [87] * 4))
    assert format_bias(rows, seed=3) == format_bias(rows, seed=3)

from typing import Any

import numpy as np
import pytest

from fakeforensics.splits.audit import audit
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
    return audit(manifests, lambda rows: np.zeros((len(rows), 32), dtype=np.uint8), most_images=1000, seed=0)


def test_the_biased_set_is_warned_of_and_the_others_not(findings: dict[str, Any]) -> None:
    assert findings["format_bias"]["seen"]["is_biased"]
    assert not findings["format_bias"]["train"]["is_biased"]
    first, second = findings["warnings"]
    assert "seen: the coding of the files alone tells real from fake (AUC 1.00" in first
    assert "format: real JPEG (100%), fake PNG (100%)" in first
    assert findings["format_bias"]["seen"]["methods"] == {"a": ["format", "JPEG quality"]}
    assert "1728 pairs of near-duplicates" in second


def test_formats_are_counted_by_class(findings: dict[str, Any]) -> None:
    formats = findings["formats"]
    assert formats["d/faces/a"]["format"] == {"JPEG": 24, "PNG": 12}
    assert formats["d/faces/real"] == {
        "files": 36,
        "label": 0,
        "format": {"JPEG": 36},
        "size": {"128x128": 36},
        "JPEG quality": {"75": 36},
        "chroma sampling": {"": 36},
        "codec profile": {"": 36},
        "pixel aspect": {"1:1": 36},
        "transfer function": {"": 36},
        "color primaries": {"": 36},
        "frame rate": {"0.0": 36},
        "frames": {"1": 36},
    }


def test_near_duplicates_are_counted_and_shown(findings: dict[str, Any]) -> None:
    # All black: each of 72 images is a duplicate of all in the other two splits of 24: 3 * 24 * 24 pairs.
    near = findings["copies"]["near_across_splits"]
    assert (near["checked"], near["of"], near["pairs"], len(near["examples"])) == (72, 72, 1728, 20)
    # All differ in 0 bits, so the first by key are shown.
    assert near["examples"][1] == {"one": "d/train/a/0", "other": "d/test/a/1", "bits": 0}


def test_repeated_bytes_within_a_split_are_counted(findings: dict[str, Any]) -> None:
    assert findings["copies"]["identical_within_split"] == {"train": 23, "val": 0, "test": 0}


def test_few_clips_with_a_format_of_their_own_are_warned_of() -> None:
    # 2 clips of 6 frames, each a file, in every class and split: too few to test.
    rows = index(
        [
            row("d", f"{split}/{method}/{n}", method=method, own_split=split, raw_format=form)
            | {"group": f"d/{split}/{method}/{n // 6}"}
            for split in ("train", "val", "test")
            for method, form in (("real", "JPEG"), ("a", "PNG"))
            for n in range(12)
        ]
    )
    plan = {"title": "t", "train": [{"source": "d"}], "test": {"seen": [{"source": "d"}]}}
    manifests = build_manifests("p", Protocol.model_validate(plan), lambda source: rows, seed=0)
    found = audit(manifests, lambda rows: np.zeros((len(rows), 32), dtype=np.uint8), most_images=0, seed=0)
    train, seen = found["warnings"]
    assert train.startswith("train: ")
    assert "(2 real and 2 fake groups, too few to test): format: real JPEG (100%), fake PNG (100%)" in seen

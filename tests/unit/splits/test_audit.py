from typing import Any

import numpy as np
import pytest

from fakeforensics.splits.audit import audit
from fakeforensics.splits.manifest import Manifests, build_manifests
from fakeforensics.splits.protocol import Protocol
from tests.unit.splits.conftest import index, row


@pytest.fixture
def manifests() -> Manifests:
    """12 images of each class and split; the fakes of the test set are PNG, everything else is JPEG."""
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
    return build_manifests("p", Protocol.model_validate(plan), lambda source: rows, seed=0)


def black(one: dict[str, Any]) -> np.ndarray:
    return np.zeros((8, 8, 3), dtype=np.uint8)


def test_the_biased_set_is_warned_of_and_the_others_not(manifests: Manifests) -> None:
    found = audit(manifests, black, most_images=0, seed=0)
    assert found["format_bias"]["seen"]["is_biased"]
    assert not found["format_bias"]["train"]["is_biased"]
    assert len(found["warnings"]) == 1
    assert "seen: the file format alone tells real from fake (AUC 1.00" in found["warnings"][0]


def test_formats_are_counted_by_class(manifests: Manifests) -> None:
    formats = audit(manifests, black, most_images=0, seed=0)["formats"]
    assert formats["d/faces/a"]["format"] == {"JPEG": 24, "PNG": 12}
    assert formats["d/faces/real"] == {
        "files": 36,
        "label": 0,
        "format": {"JPEG": 36},
        "size": {"128x128": 36},
        "jpeg_quality": {"75": 36},
        "chroma_sampling": {"": 36},
    }


def test_near_duplicates_are_counted_and_shown(manifests: Manifests) -> None:
    # All black: each of 72 images is a duplicate of all in the other two splits of 24: 3 * 24 * 24 pairs.
    copies = audit(manifests, black, most_images=1000, seed=0)["copies"]["near_across_splits"]
    assert (copies["checked"], copies["pairs"], len(copies["examples"])) == (72, 1728, 20)


def test_repeated_bytes_within_a_split_are_counted(manifests: Manifests) -> None:
    manifests.train["sha256"] = "same"
    copies = audit(manifests, black, most_images=0, seed=0)["copies"]
    assert copies == {"identical_within_split": {"train": 23, "val": 0, "test": 0}}

"""Files without an image: counted where they would have been, and deciding nothing."""

from typing import Any

import pandas as pd

from fakeforensics.splits.counts import count, table
from fakeforensics.splits.manifest import build_manifests
from fakeforensics.splits.protocol import Protocol
from fakeforensics.splits.undetected import DROPPED_UNDETECTED
from tests.unit.splits.conftest import Rows


def lost(
    path: str, method: str = "real", video: str = "", own_split: str = "", group: str = ""
) -> dict[str, Any]:
    return {
        "source": "d",
        "path": path,
        "method": method,
        "domain": "faces",
        "label": int(method != "real"),
        "group": group or f"d/{path}",
        "own_split": own_split,
        "video": video,
    }


def counted(rows: pd.DataFrame, *files: dict[str, Any], **test: Any) -> dict[str, Any]:
    plan = Protocol.model_validate(
        {"title": "t", "train": [{"source": "d"}], "test": {"d": [{"source": "d"} | test]}}
    )
    undetected = pd.DataFrame(files)
    return count(build_manifests("p", plan, lambda _: rows, 0, lambda _: undetected))


def own_splits(stills: Rows) -> pd.DataFrame:
    parts = [stills("d", {"real": 3, "a": 3}, own_split=s, prefix=f"{s}/") for s in ("train", "val", "test")]
    return pd.concat(parts, ignore_index=True)


def test_prescribed_test_files_are_counted_by_class_and_kind(stills: Rows) -> None:
    found = counted(
        own_splits(stills),
        lost("x.mp4", "a", video="d/x", own_split="test"),
        lost("y.png", own_split="test"),
        lost("z.png", own_split="train"),
    )
    counts = {"real_videos": 0, "fake_videos": 1, "real_stills": 1, "fake_stills": 0}
    assert found["undetected"] == {"d": counts}
    assert "test d: no image of 1 fake videos, 1 real stills" in table(found)


def test_a_selection_passes_by_what_it_does_not_name(stills: Rows) -> None:
    file = lost("x.png", "b", own_split="test")
    assert counted(own_splits(stills), file, methods=["real", "a"])["undetected"] == {}
    assert counted(own_splits(stills), file)["undetected"]["d"]["fake_stills"] == 1


def test_without_a_prescribed_split_the_group_decides(stills: Rows) -> None:
    rows = stills("d", {"real": 12, "a": 12})
    made = build_manifests(
        "p",
        Protocol.model_validate({"title": "t", "train": [{"source": "d"}], "test": {"d": [{"source": "d"}]}}),
        lambda _: rows,
        0,
    )
    group = made.test["group"].iloc[0]
    found = counted(rows, lost("edit.png", "a", group=group), lost("alone.png"))
    assert found["undetected"]["d"]["fake_stills"] == 1
    assert found["dropped"] == {"d": {DROPPED_UNDETECTED: 1}}
    # They have no part in the cut.
    assert found["test"] == count(made)["test"]

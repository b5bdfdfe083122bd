"""Counts of images, and of files without one where they would have been."""

from typing import Any

import pandas as pd

from fakeforensics.images.index import UNDETECTED_COLUMNS
from fakeforensics.splits.counts import count, table
from fakeforensics.splits.manifest import DROPPED_UNDETECTED, build_manifests
from fakeforensics.splits.protocol import Protocol
from tests.unit.splits.conftest import Rows, index, row


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
    undetected = pd.DataFrame(files, columns=["source", *UNDETECTED_COLUMNS])
    return count(build_manifests("p", plan, lambda _: rows, 0, lambda _: undetected))


def own_splits(stills: Rows) -> pd.DataFrame:
    parts = [stills("d", {"real": 3, "a": 3}, own_split=s, prefix=f"{s}/") for s in ("train", "val", "test")]
    return pd.concat(parts, ignore_index=True)


def test_official_test_files_are_counted_by_class_and_kind(stills: Rows) -> None:
    found = counted(
        own_splits(stills),
        lost("x.mp4", "a", video="d/x", own_split="test"),
        lost("y.png", own_split="test"),
        lost("z.png", own_split="train"),
    )
    counts = {"real_videos": 0, "fake_videos": 1, "real_stills": 1, "fake_stills": 0}
    assert found["undetected"] == {"d": counts}
    assert "test d: files without a face: 1 fake video, 1 real still" in table(found)


def test_a_selection_passes_by_what_it_does_not_name(stills: Rows) -> None:
    file = lost("x.png", "b", own_split="test")
    assert counted(own_splits(stills), file, methods=["real", "a"])["undetected"] == {}
    assert counted(own_splits(stills), file)["undetected"]["d"]["fake_stills"] == 1


def test_without_an_official_split_the_group_decides(stills: Rows) -> None:
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
    # They do not change the splits.
    assert found["test"] == count(made)["test"]


def test_images_are_counted_by_class_set_and_method(stills: Rows) -> None:
    counts = counted(own_splits(stills))
    # 3 real and 3 fake stills in each split, each a group of its own
    numbers = {"real": 3, "fake": 3, "groups": 6, "methods": {"faces/a": 3, "faces/real": 3}}
    assert counts["train"] == counts["val"] == counts["test"]["d"] == numbers
    assert counts["identity_overlap"] == counts["dropped"] == counts["subsampled"] == {}
    assert "test d" in table(counts)


def test_identity_overlap_with_the_official_test_videos_is_counted() -> None:
    shown = [("train", 1, "real"), ("train", 1, "a"), ("val", 2, "real"), ("val", 2, "a")]
    shown += [("test", 1, "real"), ("test", 3, "a")]
    rows = index(
        [
            row("d", f"{split}{n}{method}", method=method, own_split=split, identities=f"d/id{n}")
            for split, n, method in shown
        ]
    )
    overlap = counted(rows)["identity_overlap"]
    assert overlap == {"d": {"train": 1, "val": 1, "test": 2, "train_test": 1, "val_test": 0}}


def test_what_a_cut_by_video_lets_through_is_counted() -> None:
    # Ten persons; of person 0 the clip is tested, and of person 1 a swap made from it with the face of 2.
    people = range(10)
    clips = [
        row("d", f"r{n}", group=f"g{n}", identities=f"d/id{n}", own_split="" if n else "test") for n in people
    ]
    clips += [
        row(
            "d",
            f"f{n}_{face}",
            method="swap",
            group=f"g{n}",
            identities=f"d/id{n};d/id{face}",
            own_split="test" if (n, face) == (1, 2) else "",
        )
        for n in people
        for face in people
        if face != n
    ]
    plan = {
        "title": "t",
        "train": [{"source": "d"}],
        "test": {"d": [{"source": "d"}]},
        "holdout": {"by": "video", "val": 0.25},
    }
    made = count(build_manifests("p", Protocol.model_validate(plan), lambda _: index(clips), 0))
    # Both tests have relatives: 9 swaps of clip 0; clip 1 and the 8 other swaps made from it.
    leaks = {"test": 2, "test_related": 2, "real_relatives": 1, "fake_relatives": 9 + 8}
    assert made["leaks"]["d"] == {"persons_train_val": 10} | leaks
    assert "2 of 2 test files have a relative in training or validation" in table(made)
    plan["holdout"] = {"val": 0.25}
    strict = count(build_manifests("p", Protocol.model_validate(plan), lambda _: index(clips), 0))
    assert "leaks" not in strict


def test_what_decided_is_counted_and_doubts_are_said(stills: Rows) -> None:
    plan = Protocol.model_validate(
        {"title": "t", "train": [{"source": "d"}], "test": {"d": [{"source": "d"}]}}
    )
    manifests = build_manifests("p", plan, lambda _: own_splits(stills), 0)
    decided = {"d": {"split": {"outermost split folder": 18}, "doubts": {"of fakes only": 3}}}
    assert count(manifests, decided)["decided"] == decided
    assert "warning: d: of fakes only, 3 files" in table(count(manifests, decided))
    assert "warning" not in table(count(manifests))

"""Counts the images of each class in a protocol's manifests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from fakeforensics.splits.manifest import Manifests
from fakeforensics.splits.protocol import Frames
from fakeforensics.splits.rows import among, joined, stacked
from fakeforensics.wording import counted

SPLITS = ("train", "val", "test")


def count(manifests: Manifests, decided: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The content of counts.json.

    Args:
        manifests: The protocol's manifests.
        decided: Source → the decisions of its adapter, from `images.index.read_decisions`.

    Returns:
        `train` and `val`, and `test` by test set: numbers of `real` and `fake` images and of `groups`, and
        under `methods` the number of images by "<domain>/<method>".
        `dropped`: rows that were left out, by source and reason.
        `subsampled`: images before a limit was applied, by "<source>/<domain>/<method>/<split>".
        `identity_overlap`: by source, the numbers of identities in each split, and of identities in the test
        videos that training and validation show as well.
        `undetected`: by test set, the real and fake videos and stills that gave no image, if any.
        `decided`: by source, how many files each rule of its adapter decided, and each doubt is about.
        `frames_per_video`, if the protocol asks for frames of videos: by class, or by split and class, the
        number that was `asked` for and the `most` that a video has.
        `leaks`, with `holdout.by: video`: see `_leaks`.
    """
    tests = manifests.test
    counts = {
        "train": _classes(manifests.train),
        "val": _classes(manifests.val),
        "test": {name: _classes(tests[tests["test_set"] == name]) for name in manifests.test_sets},
        "dropped": manifests.dropped,
        "subsampled": manifests.subsampled,
        "identity_overlap": _overlap(_together(manifests, ["source", "split", "identities"])),
        "undetected": manifests.undetected,
        "decided": decided or {},
    }
    if manifests.frames_asked is not None:
        counts["frames_per_video"] = _frames(manifests, manifests.frames_asked)
    if manifests.holdout.by == "video":
        columns = ["source", "split", "raw_path", "own_split", "group", "label", "identities"]
        counts["leaks"] = _leaks(_together(manifests, columns))
    return counts


def table(counts: dict[str, Any]) -> str:
    """The counts as lines of text for the terminal."""
    sets = {"train": counts["train"], "val": counts["val"]}
    sets |= {f"test {name}": numbers for name, numbers in counts["test"].items()}
    width = max(map(len, sets))
    lines = [f"{'':{width}}  {'real':>8} {'fake':>8}  methods"]
    for name, numbers in sets.items():
        methods = ", ".join(f"{method} {n}" for method, n in numbers["methods"].items())
        lines.append(f"{name:{width}}  {numbers['real']:>8} {numbers['fake']:>8}  {methods}")
    for source, reasons in counts["dropped"].items():
        lines += [f"left out of {source}: {n} ({reason})" for reason, n in reasons.items()]
    lines += [
        f"warning: {source}: {doubt}, {counted(n, 'file')}"
        for source, rules in counts["decided"].items()
        for doubt, n in rules.get("doubts", {}).items()
    ]
    lines += [f"sub-sampled {kind}: from {n}" for kind, n in counts["subsampled"].items()]
    lines += [
        f"{source}: {numbers['train_test']} of {numbers['test']} persons in test videos are trained on too"
        for source, numbers in counts["identity_overlap"].items()
    ]
    lines += [
        f"{source}: {leaks['test_related']} of {leaks['test']} test files have a relative in training or "
        f"validation, which share {leaks['persons_train_val']} persons (holdout.by: video)"
        for source, leaks in counts.get("leaks", {}).items()
        if leaks["test_related"] or leaks["persons_train_val"]
    ]
    lines += [
        f"test {name}: files without a face: "
        + ", ".join(counted(n, kind.replace("_", " ").removesuffix("s")) for kind, n in numbers.items() if n)
        for name, numbers in counts["undetected"].items()
    ]
    lines += [
        f"{name} videos give at most {frames['most']} frames where the protocol asks for {frames['asked']}: "
        "raise faces.frames_per_video in params.yaml if they are longer"
        for name, frames in counts.get("frames_per_video", {}).items()
        if 0 < frames["most"] < frames["asked"]
    ]
    return "\n".join(lines)


def _classes(rows: pd.DataFrame) -> dict[str, Any]:
    methods = joined(rows, ["domain", "method"]).value_counts().sort_index()
    return {
        "real": int((rows["label"] == 0).sum()),
        "fake": int((rows["label"] == 1).sum()),
        "groups": int(rows["group"].nunique()),
        "methods": {str(method): int(n) for method, n in methods.items()},
    }


def _together(manifests: Manifests, columns: list[str]) -> pd.DataFrame:
    parts = (manifests.train, manifests.val, manifests.test)
    return stacked(parts, columns)


def _frames(manifests: Manifests, asked: Frames) -> dict[str, dict[str, int]]:
    columns = ["key", "split", "label", "frame", "video"]
    rows = _together(manifests, columns).drop_duplicates("key")
    moving = rows[rows["frame"] >= 0]
    found = {}
    for label, name in enumerate(("real", "fake")):
        of_class = moving[moving["label"] == label]
        by_split = {split: asked.in_split(split).of(label) for split in SPLITS}
        parts = {name: (by_split["train"], of_class)}
        if len({*by_split.values()}) > 1:
            parts = {
                f"{split} {name}": (wanted, of_class[of_class["split"] == split])
                for split, wanted in by_split.items()
            }
        for part, (wanted, some) in parts.items():
            found[part] = {"asked": wanted, "most": max(some["video"].value_counts(), default=0)}
    return found


def _leaks(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    """By source, the persons and groups that `holdout.by: video` leaves in several splits.

    A relative of a file is its original, or another fake made from the same original.

    Returns:
        By source: `persons_train_val`, the persons in both training and validation. `test`, the test files
        with an official split. `test_related`, the test files with a relative in training or validation.
        `real_relatives` and `fake_relatives`, the real and fake files of training and validation that are
        relatives of a test file.
    """
    rows = rows.drop_duplicates(["split", "source", "raw_path"])
    result = {}
    for source, some in rows.groupby("source"):
        tested = some[some["own_split"] == "test"]
        drawn = some[(some["own_split"] == "") & (some["split"] != "test")]
        relatives = drawn[among(drawn["group"], tested["group"])]
        persons = [_persons(drawn[drawn["split"] == split]) for split in ("train", "val")]
        if drawn.empty:
            continue
        result[str(source)] = {
            "persons_train_val": len(persons[0] & persons[1]),
            "test": len(tested),
            "test_related": int(among(tested["group"], drawn["group"]).sum()),
            "real_relatives": int((relatives["label"] == 0).sum()),
            "fake_relatives": int((relatives["label"] == 1).sum()),
        }
    return result


def _persons(rows: pd.DataFrame) -> set[str]:
    return {name for several in rows["identities"].unique() if several for name in several.split(";")}


def _overlap(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    result = {}
    for source, some in rows[rows["identities"] != ""].groupby("source"):
        shown = {split: _persons(part) for split, part in some.groupby("split")}
        train, val, test = (shown.get(split, set()) for split in ("train", "val", "test"))
        both = {"train_test": train & test, "val_test": val & test}
        sets = {"train": train, "val": val, "test": test} | both
        result[str(source)] = {name: len(identities) for name, identities in sets.items()}
    return result

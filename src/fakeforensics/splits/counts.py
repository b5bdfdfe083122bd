"""Counts the images of each class in a protocol's manifests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from fakeforensics.splits.manifest import Manifests
from fakeforensics.splits.protocol import PerClass


def count(manifests: Manifests, decided: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The content of counts.json.

    Args:
        manifests: The protocol's manifests.
        decided: By source, from `images.index.read_decisions`.

    Returns:
        `train` and `val`, and `test` by set: real, fake, groups, and images by "<domain>/<method>". Then
        `dropped` rows by source and reason, `subsampled` (images before a limit was applied), and
        `identity_overlap`: by source, the number of identities in each split, and of those that the test
        videos share with training and with validation. `undetected`: by test set the real and fake videos and
        stills that gave no image, where there are any. Where the protocol asks for frames of videos,
        `frames_per_video`: by class how many were `asked`, and the `most` that a video has. `decided`: by
        source how many files each rule of its adapter decided (split, group, label), and each doubt.
    """
    tests = manifests.test
    counts = {
        "train": _classes(manifests.train),
        "val": _classes(manifests.val),
        "test": {name: _classes(tests[tests["test_set"] == name]) for name in manifests.test_sets},
        "dropped": manifests.dropped,
        "subsampled": manifests.subsampled,
        "identity_overlap": _overlap(pd.concat([manifests.train, manifests.val, tests])),
        "undetected": manifests.undetected,
        "decided": decided or {},
    }
    if manifests.frames_asked is not None:
        counts["frames_per_video"] = _frames(manifests, manifests.frames_asked)
    return counts


def table(counts: dict[str, Any]) -> str:
    """Counts as lines for people."""
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
        f"warning: {source}: {doubt}, {n} files"
        for source, rules in counts["decided"].items()
        for doubt, n in rules.get("doubts", {}).items()
    ]
    lines += [f"sub-sampled {kind}: from {n}" for kind, n in counts["subsampled"].items()]
    lines += [
        f"{source}: {numbers['train_test']} of {numbers['test']} persons in test videos are trained on too"
        for source, numbers in counts["identity_overlap"].items()
    ]
    lines += [
        f"test {name}: no image of "
        + ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in numbers.items() if n)
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
    methods = (rows["domain"] + "/" + rows["method"]).value_counts().sort_index()
    return {
        "real": int((rows["label"] == 0).sum()),
        "fake": int((rows["label"] == 1).sum()),
        "groups": int(rows["group"].nunique()),
        "methods": {str(method): int(n) for method, n in methods.items()},
    }


def _frames(manifests: Manifests, asked: PerClass) -> dict[str, dict[str, int]]:
    rows = pd.concat([manifests.train, manifests.val, manifests.test]).drop_duplicates("key")
    moving = rows[rows["frame"] >= 0]
    return {
        name: {
            "asked": wanted,
            "most": max(moving.loc[moving["label"] == label, "video"].value_counts(), default=0),
        }
        for label, (name, wanted) in enumerate((("real", asked.real), ("fake", asked.fake)))
    }


def _overlap(rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    result = {}
    for source, some in rows[rows["identities"] != ""].groupby("source"):
        shown = {
            split: {name for joined in part["identities"].unique() for name in joined.split(";")}
            for split, part in some.groupby("split")
        }
        train, val, test = (shown.get(split, set()) for split in ("train", "val", "test"))
        both = {"train_test": train & test, "val_test": val & test}
        sets = {"train": train, "val": val, "test": test} | both
        result[str(source)] = {name: len(identities) for name, identities in sets.items()}
    return result

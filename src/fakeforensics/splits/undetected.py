"""Files that gave no image: of which test sets they would have been."""

from __future__ import annotations

import pandas as pd

from fakeforensics.splits.protocol import Protocol
from fakeforensics.splits.select import matches

DROPPED_UNDETECTED = "a file without an image, of a group without any"


def assign_splits(files: pd.DataFrame, index: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Say in which split the files without an image would be.

    That is the split that the data set prescribes, else the one into which the rest of the group was cut. A
    file without either is in none, and takes no part in the cut: what is found in pictures decides nothing.

    Args:
        files: A source's files without an image, from `storage.schema.read_undetected`.
        index: The source's index.
        rows: The same with `split` ("" if left out), by key.

    Returns:
        The files with `split`: "train", "val", "test" or "".
    """
    if files.empty:
        return files.assign(split="")
    cut = rows.loc[rows["own_split"] == "", ["key", "split"]].merge(index[["key", "group"]], on="key")
    by_group = dict(zip(cut["group"], cut["split"], strict=True))
    split = [
        prescribed or by_group.get(group, "")
        for prescribed, group in zip(files["own_split"], files["group"], strict=True)
    ]
    return files.assign(split=split)


def count_undetected(protocol: Protocol, files: pd.DataFrame) -> dict[str, dict[str, int]]:
    """How many files without an image each test set would hold; a protocol's limits are not applied to them.

    Args:
        protocol: What to test on.
        files: Of all its sources, with `split`.

    Returns:
        By test set: real_videos, fake_videos, real_stills, fake_stills. Sets that lack nothing are left out.
    """
    found = {}
    for name, selections in protocol.test.items():
        chosen = pd.concat(
            [
                usable[matches(usable, selection)]
                for selection in selections
                for usable in (files if selection.splits == "all" else files[files["split"] == "test"],)
            ]
        ).drop_duplicates(["source", "path"])
        if chosen.empty:
            continue
        kind = chosen["video"].ne("").map({True: "videos", False: "stills"})
        name_of = chosen["label"].map({0: "real", 1: "fake"}) + "_" + kind
        counts = name_of.value_counts()
        found[name] = {
            f"{label}_{kind}": int(counts.get(f"{label}_{kind}", 0))
            for kind in ("videos", "stills")
            for label in ("real", "fake")
        }
    return found

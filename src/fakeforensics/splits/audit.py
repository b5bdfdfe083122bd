"""The audit of a protocol's images: their formats by class, format bias, and copies across splits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakeforensics.splits.duplicates import find_near_duplicates
from fakeforensics.splits.format_bias import format_bias
from fakeforensics.splits.manifest import Manifests


def audit(
    manifests: Manifests, read: Callable[[dict[str, Any]], NDArray[np.uint8]], most_images: int, seed: int
) -> dict[str, Any]:
    """The content of audit.json.

    Args:
        manifests: The protocol's manifests.
        read: Gives the pixels of a row, UInt8["height width 3"].
        most_images: The most images to compare for near copies; 0 leaves the comparison out.
        seed: Seed of folds, permutations and samples.

    Returns:
        `warnings` in words; `format_bias` for the training images and each test set; `formats`: for each
        "<source>/<domain>/<method>" the number of files by format, size, JPEG quality and chroma sampling;
        `copies`: files that repeat another's bytes within a split (none are allowed across), and near copies
        across splits.
    """
    sets = {"train": manifests.train} | {
        name: manifests.test[manifests.test["test_set"] == name] for name in manifests.test_sets
    }
    biases = {name: format_bias(_files(rows), seed) for name, rows in sets.items() if _has_both(rows)}
    everything = pd.concat([manifests.train, manifests.val, manifests.test], ignore_index=True)
    warnings = [
        f"{name}: the file format alone tells real from fake (AUC {bias.auc:.2f}, p = {bias.p_value}): "
        + "; ".join(bias.telling or ("a combination of properties",))
        for name, bias in biases.items()
        if bias.is_biased
    ]
    copies: dict[str, Any] = {"identical_within_split": _identical(everything)}
    if most_images:
        near = find_near_duplicates(everything, read, most_images, seed)
        copies["near_across_splits"] = {
            "checked": near.checked,
            "of": near.of,
            "pairs": near.pairs,
            "examples": [{"one": one, "other": other, "bits": bits} for one, other, bits in near.examples],
        }
        if near.pairs:
            one, other, _ = near.examples[0]
            warnings.append(
                f"{near.pairs} pairs of near-duplicates in different splits, for example {one} and {other}"
            )
    return {
        "warnings": warnings,
        "format_bias": {name: bias.to_json() for name, bias in biases.items()},
        "formats": _formats(_files(everything)),
        "copies": copies,
    }


def _has_both(rows: pd.DataFrame) -> bool:
    return bool(rows["label"].nunique() == 2)


def _files(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a raw file."""
    return rows.drop_duplicates(["source", "raw_path"])


def _formats(files: pd.DataFrame) -> dict[str, dict[str, Any]]:
    size = files["raw_width"].astype(str) + "x" + files["raw_height"].astype(str)
    named = files.assign(size=size, kind=files["source"] + "/" + files["domain"] + "/" + files["method"])
    result: dict[str, dict[str, Any]] = {}
    for kind, some in named.groupby("kind"):
        result[str(kind)] = {"files": len(some), "label": int(some["label"].iloc[0])} | {
            title: _most_frequent(some[column])
            for title, column in (
                ("format", "raw_format"),
                ("size", "size"),
                ("jpeg_quality", "jpeg_quality"),
                ("chroma_sampling", "chroma_sampling"),
            )
        }
    return result


def _most_frequent(values: pd.Series[Any]) -> dict[str, int]:
    counts = values.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    shown = {str(value): int(n) for value, n in counts.head(8).items()}
    rest = int(counts.iloc[8:].sum())
    return shown | ({"others": rest} if rest else {})


def _identical(rows: pd.DataFrame) -> dict[str, int]:
    """How many images of each split have the bytes of another one of it."""
    once = rows.drop_duplicates(["split", "key"])
    repeated = once[once.duplicated(["split", "sha256"])]
    return {split: int((repeated["split"] == split).sum()) for split in ("train", "val", "test")}

"""The audit of a protocol's images: their coding by class, format bias, and duplicates across splits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakeforensics.splits.duplicates import find_near_duplicates
from fakeforensics.splits.manifest import Manifests
from fakeforensics.splits.properties import PROPERTIES, FormatBias, format_bias


def audit(
    manifests: Manifests, read: Callable[[dict[str, Any]], NDArray[np.uint8]], most_images: int, seed: int
) -> dict[str, Any]:
    """The content of audit.json.

    Args:
        manifests: The protocol's manifests.
        read: Gives the pixels of a row, UInt8["height width 3"].
        most_images: The most images to compare for near-duplicates; 0 skips the comparison.
        seed: Seed of folds, permutations and samples.

    Returns:
        `warnings` in words; `format_bias` for the training images and each test set; `formats`: for each
        "<source>/<domain>/<method>" the number of files by each property of their coding;
        `copies`: files that repeat another's bytes within a split (none are allowed across splits), and
        near-duplicates across splits.
    """
    sets = {"train": manifests.train} | {
        name: manifests.test[manifests.test["test_set"] == name] for name in manifests.test_sets
    }
    both = {name: rows for name, rows in sets.items() if rows["label"].nunique() == 2}
    biases = {name: format_bias(_files(rows), seed) for name, rows in both.items()}
    everything = pd.concat([manifests.train, manifests.val, manifests.test], ignore_index=True)
    warnings = [text for name, bias in biases.items() for text in _warnings(name, bias)]
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
        "format_bias": {name: asdict(bias) | {"telling": bias.telling} for name, bias in biases.items()},
        "formats": _formats(_files(everything)),
        "copies": copies,
    }


def _files(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per raw file."""
    return rows.drop_duplicates(["source", "raw_path"])


def _warnings(name: str, bias: FormatBias) -> list[str]:
    """The properties that predict the label, for all fakes together and for single methods."""
    texts = []
    if bias.is_biased:
        few = f"{bias.real} real and {bias.fake} fake groups, too few to test"
        how = few if bias.auc is None else f"AUC {bias.auc:.2f}, p = {bias.p_value}"
        told = "; ".join(bias.telling or ("a combination of properties",))
        texts.append(f"{name}: the coding of the files alone tells real from fake ({how}): {told}")
    together = {name for name, test in bias.properties.items() if test.is_telling}
    alone = {
        method: rest
        for method, names in bias.methods.items()
        if (rest := [n for n in names if n not in together])
    }
    texts += [
        f"{name}: the coding of the files alone tells the method {method} from real: {', '.join(names)}"
        for method, names in alone.items()
    ]
    return texts


def _formats(files: pd.DataFrame) -> dict[str, dict[str, Any]]:
    kind = files["source"] + "/" + files["domain"] + "/" + files["method"]
    values = {name: read(files) for name, read in PROPERTIES.items()}
    return {
        str(name): {"files": len(some), "label": int(some["label"].iloc[0])}
        | {title: _most_frequent(column.loc[some.index]) for title, column in values.items()}
        for name, some in files.groupby(kind)
    }


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

"""The audit of a protocol's images: their coding by class, format bias, and duplicates.

Format bias means that properties of the files, such as the JPEG quality, differ between real and fake.
"""

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
from fakeforensics.splits.rows import first_places, group_numbers, joined, numbered, stacked


def audit(
    manifests: Manifests, hashes_of: Callable[[pd.DataFrame], NDArray[np.uint8]], most_images: int, seed: int
) -> dict[str, Any]:
    """The content of audit.json.

    Args:
        manifests: The protocol's manifests.
        hashes_of: Gives the difference hashes of rows, UInt8["rows 32"].
        most_images: The most images to compare for near-duplicates; 0 skips the comparison.
        seed: Seed of folds, permutations and samples.

    Returns:
        `warnings`: findings in words. `format_bias`: by training images and test set with both classes, the
        fields of `FormatBias`. `formats`: for each "<source>/<domain>/<method>", the number of files by each
        value of each property. `copies`: the number of images with the bytes of another image of their split
        (across splits there are none), and near-duplicates across splits.
    """
    sets = {"train": manifests.train} | {
        name: manifests.test[manifests.test["test_set"] == name] for name in manifests.test_sets
    }
    both = {name: rows for name, rows in sets.items() if rows["label"].nunique() == 2}
    biases = {name: format_bias(_files(rows), seed) for name, rows in both.items()}
    parts = (manifests.train, manifests.val, manifests.test)
    columns = [str(name) for name in manifests.train if name != "group"]
    everything = stacked(parts, columns)
    warnings = [text for name, bias in biases.items() for text in _warnings(name, bias)]
    copies: dict[str, Any] = {"identical_within_split": _identical(everything)}
    if most_images:
        near = find_near_duplicates(everything, hashes_of, most_images, seed)
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
    return rows.iloc[first_places(group_numbers(rows, ["source", "raw_path"]))]


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
    kind, names = numbered(joined(files, ["source", "domain", "method"]))
    first = np.unique(kind, return_index=True)[1]
    labels, sizes = files["label"].to_numpy()[first], np.bincount(kind)
    formats: dict[str, dict[str, Any]] = {
        name: {"files": int(size), "label": int(label)}
        for name, size, label in zip(names, sizes, labels, strict=True)
    }
    for title, read in PROPERTIES.items():
        codes, values = numbered(read(files))
        table = np.bincount(kind.astype(np.int64) * len(values) + codes, minlength=len(names) * len(values))
        for name, counts in zip(names, table.reshape(len(names), -1), strict=True):
            formats[name][title] = _most_frequent(values.tolist(), counts)
    return formats


def _most_frequent(values: list[Any], counts: NDArray[np.integer[Any]]) -> dict[str, int]:
    """The counts of the eight most frequent values, and of all others together.

    Args:
        values: All values, ascending.
        counts: How often each of them occurs.
    """
    order = [place for place in np.argsort(-counts, kind="stable").tolist() if counts[place]]
    shown = {str(values[place]): int(counts[place]) for place in order[:8]}
    rest = int(counts[order[8:]].sum())
    return shown | ({"others": rest} if rest else {})


def _identical(rows: pd.DataFrame) -> dict[str, int]:
    """By split, the number of images that have the bytes of an earlier image of the split."""
    once = rows.iloc[first_places(group_numbers(rows, ["split", "key"]))]
    repeated = once[pd.Series(group_numbers(once, ["split", "sha256"])).duplicated().to_numpy()]
    return {split: int((repeated["split"] == split).sum()) for split in ("train", "val", "test")}

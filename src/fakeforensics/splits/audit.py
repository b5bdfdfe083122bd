"""The audit of a protocol's images: their formats by class, format bias, and duplicates across splits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakeforensics.splits.duplicates import find_near_duplicates
from fakeforensics.splits.manifest import Manifests

FOLDS = 5
REPEATS = 2
PERMUTATIONS = 499
MOST_BINS = 16
ENOUGH = 10  # permutations that are fitted as well as the truth; then the test stops
SIGNIFICANT = 0.01
MOST_FILES = 500  # of each class
FEWEST_FILES = 10  # of each class
_NAMELESS: dict[Any, str] = {"": "none", -1: "none"}  # how the index writes that a file has no such property


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
        "<source>/<domain>/<method>" the number of files by format, size, JPEG quality and chroma sampling;
        `copies`: files that repeat another's bytes within a split (none are allowed across splits), and
        near-duplicates across splits.
    """
    sets = {"train": manifests.train} | {
        name: manifests.test[manifests.test["test_set"] == name] for name in manifests.test_sets
    }
    both = {name: rows for name, rows in sets.items() if rows["label"].nunique() == 2}
    biases = {name: format_bias(_files(rows), seed) for name, rows in both.items()}
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
        "format_bias": {name: asdict(bias) for name, bias in biases.items()},
        "formats": _formats(_files(everything)),
        "copies": copies,
    }


def _files(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per raw file."""
    return rows.drop_duplicates(["source", "raw_path"])


def _formats(files: pd.DataFrame) -> dict[str, dict[str, Any]]:
    size = files["raw_width"].astype(str) + "x" + files["raw_height"].astype(str)
    kind = files["source"] + "/" + files["domain"] + "/" + files["method"]
    named = files.assign(size=size, format=files["raw_format"])
    properties = ("format", "size", "jpeg_quality", "chroma_sampling")
    return {
        str(name): {"files": len(some), "label": int(some["label"].iloc[0])}
        | {title: _most_frequent(some[title]) for title in properties}
        for name, some in named.groupby(kind)
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


@dataclass(frozen=True)
class FormatBias:
    """How well a classifier that sees the file format alone tells real from fake.

    Args:
        real: Number of real files used.
        fake: Number of fake files used.
        auc: Area under its ROC curve, cross-validated; 0.5 is chance. None if there are too few files.
        p_value: Share of random labelings that it fits as well; None likewise.
        is_biased: Whether the p value is below 0.01.
        telling: The properties whose values differ most between real and fake, in words.
    """

    real: int
    fake: int
    auc: float | None
    p_value: float | None
    is_biased: bool
    telling: tuple[str, ...]


def format_bias(files: pd.DataFrame, seed: int) -> FormatBias:
    """Test whether format, size, JPEG quality and chroma sampling tell real files from fakes.

    If they do, a detector may learn the format instead of the forgery. A naive Bayes classifier is fitted to
    the labels and to permutations of them; the test stops early where enough permutations were fitted as well
    (Besag and Clifford 1991, Sequential Monte Carlo p-values), so that the usual case, no bias, is quick.

    Args:
        files: One row per raw file, with label and the index's raw_format, raw_width, raw_height,
            jpeg_quality and chroma_sampling.
        seed: Seed of folds, permutations, and of the sub-sample of very many files.
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
    from sklearn.naive_bayes import CategoricalNB

    some = _sample(files, seed)
    labels = some["label"].to_numpy()
    real, fake = int((labels == 0).sum()), int((labels == 1).sum())
    if min(real, fake) < FEWEST_FILES:
        return FormatBias(real, fake, None, None, False, ())
    features = _features(some)
    if features.shape[1] == 0:
        return FormatBias(real, fake, 0.5, 1.0, False, ())
    # A fold may lack values that another one has. The prior is the same for all files and ranks none.
    model = CategoricalNB(alpha=0.5, fit_prior=False, min_categories=features.max(axis=0) + 1)
    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=seed)
    auc = float(cross_val_score(model, features, labels, cv=folds, scoring="roc_auc").mean())

    # Overfitting raises the AUC of true and permuted labels alike, so that the test needs no held-out files.
    def fitted_auc(target: NDArray[np.integer[Any]]) -> float:
        probability = model.fit(features, target).predict_proba(features)[:, 1]
        return float(roc_auc_score(target, probability))

    rng = np.random.default_rng(seed)
    reached = fitted_auc(labels)
    as_good = done = 0
    while done < PERMUTATIONS and as_good < ENOUGH:
        as_good += fitted_auc(rng.permutation(labels)) >= reached
        done += 1
    p_value = as_good / done if as_good == ENOUGH else (as_good + 1) / (done + 1)
    is_biased = p_value < SIGNIFICANT
    telling = _differences(some) if is_biased else ()
    return FormatBias(real, fake, round(auc, 4), round(p_value, 4), is_biased, telling)


def _sample(files: pd.DataFrame, seed: int) -> pd.DataFrame:
    parts = [part.sample(min(len(part), MOST_FILES), random_state=seed) for _, part in files.groupby("label")]
    return pd.concat(parts)


def _features(files: pd.DataFrame) -> NDArray[np.intp]:
    """Int["files features"]: bins of format, chroma, quality, width, height and ratio, of those that vary."""
    ratio = files["raw_width"] / files["raw_height"].clip(lower=1)
    columns = [files["raw_format"], files["chroma_sampling"], files["jpeg_quality"]]
    columns += [files["raw_width"], files["raw_height"], ratio]
    varying = [_bins(column) for column in columns if column.nunique() > 1]
    # A property that only repeats another one, as the height of squares does, would count double.
    return np.unique(np.array(varying, dtype=np.intp).reshape(-1, len(files)), axis=0).T


def _bins(values: pd.Series[Any]) -> NDArray[np.intp]:
    if values.nunique() > MOST_BINS:
        values = pd.qcut(values.rank(method="average"), MOST_BINS, labels=False, duplicates="drop")
    return np.asarray(pd.factorize(values, sort=True)[0])


def _differences(files: pd.DataFrame) -> tuple[str, ...]:
    """Properties by how differently their values are distributed (total variation), those above 5 %."""
    found = []
    for name, values in (
        ("format", files["raw_format"]),
        ("size", files["raw_width"].astype(str) + "x" + files["raw_height"].astype(str)),
        ("JPEG quality", files["jpeg_quality"]),
        ("chroma sampling", files["chroma_sampling"]),
    ):
        shares = pd.crosstab(values, files["label"], normalize="columns")
        distance = float((shares[0] - shares[1]).abs().sum() / 2)
        if distance > 0.05:
            sides = [f"{side} {_top(shares[label])}" for label, side in enumerate(("real", "fake"))]
            found.append((distance, f"{name}: {', '.join(sides)}"))
    return tuple(text for _, text in sorted(found, reverse=True))


def _top(shares: pd.Series[float]) -> str:
    largest = shares[shares > 0].sort_values(ascending=False, kind="stable").head(3)
    return " / ".join(f"{_NAMELESS.get(value, value)} ({share:.0%})" for value, share in largest.items())

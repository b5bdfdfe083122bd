"""Does a file's format alone tell real from fake? Then a detector may learn it in place of the forgery."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

FOLDS = 5
REPEATS = 5
PERMUTATIONS = 499
MOST_BINS = 16
ENOUGH = 10  # permutations that do as well as the truth; then the answer is clear and the test stops
SIGNIFICANT = 0.01
MOST_FILES = 500  # of each class
FEWEST_FILES = 10  # of each class
_NAMELESS: dict[Any, str] = {"": "none", -1: "none"}  # how the index writes that a file has no such property


@dataclass(frozen=True)
class FormatBias:
    """What a classifier that sees the format alone achieves.

    Args:
        real: Real files looked at.
        fake: Fake files looked at.
        auc: Area under its ROC curve on files it was not fitted on; 0.5 is chance. None if there are too few
            files.
        p_value: Share of random labellings on which it does as well; None likewise.
        is_biased: Whether the p value is below 0.01.
        telling: The properties whose values differ most between real and fake, in words.
    """

    real: int
    fake: int
    auc: float | None
    p_value: float | None
    is_biased: bool
    telling: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As in audit.json."""
        return asdict(self) | {"telling": list(self.telling)}


def format_bias(files: pd.DataFrame, seed: int) -> FormatBias:
    """Test whether format, size, JPEG quality and chroma sampling tell real files from fakes.

    A naive Bayes classifier is cross-validated, and again on permuted labels; the test stops early where
    enough permutations did as well (Besag and Clifford 1991, Sequential Monte Carlo p-values), so that the
    usual case, no bias, is quick.

    Args:
        files: One row a raw file, with label and the index's raw_format, raw_width, raw_height, jpeg_quality
            and chroma_sampling.
        seed: Seed of folds, permutations, and of the sub-sample of very many files.
    """
    some = _sample(files, seed)
    labels = some["label"].to_numpy()
    real, fake = int((labels == 0).sum()), int((labels == 1).sum())
    if min(real, fake) < FEWEST_FILES:
        return FormatBias(real, fake, None, None, False, ())
    features = _features(some)
    if features.shape[1] == 0:
        return FormatBias(real, fake, 0.5, 1.0, False, ())
    rng = np.random.default_rng(seed)
    auc = _cross_validated_auc(features, labels, rng)
    as_good = done = 0
    while done < PERMUTATIONS and as_good < ENOUGH:
        as_good += _cross_validated_auc(features, rng.permutation(labels), rng) >= auc
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


def _cross_validated_auc(
    features: NDArray[np.intp], labels: NDArray[np.integer[Any]], rng: np.random.Generator
) -> float:
    """The mean area over the folds of several divisions: scores of different folds do not compare."""
    areas = []
    for _ in range(REPEATS):
        # Dealing the shuffled files of each class out in turn stratifies the folds.
        order = rng.permutation(len(labels))
        order = order[np.argsort(labels[order], kind="stable")]
        fold = np.empty(len(labels), dtype=int)
        fold[order] = np.arange(len(labels)) % FOLDS
        areas.append(_areas(_held_out_scores(features, labels, fold), labels, fold).mean())
    return float(np.mean(areas))


def _held_out_scores(
    features: NDArray[np.intp], labels: NDArray[np.integer[Any]], fold: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Naive Bayes: the sum over properties of the log ratio of a value's shares among fakes and reals.

    Shares are counted (plus a half) in all folds but the file's own.
    """
    scores = np.zeros(len(labels))
    for column in features.T:
        size = int(column.max()) + 1
        cells = np.bincount((fold * 2 + labels) * size + column, minlength=FOLDS * 2 * size)
        counts = cells.reshape(FOLDS, 2, size)
        others = counts.sum(axis=0) - counts + 0.5
        shares = np.log(others / others.sum(axis=2, keepdims=True))
        scores += (shares[:, 1] - shares[:, 0])[fold, column]
    return scores


def _areas(
    scores: NDArray[np.float64], labels: NDArray[np.integer[Any]], fold: NDArray[np.intp]
) -> NDArray[np.float64]:
    """For each fold, the probability that a fake scores above a real file, ties counting half."""
    # Equal sums may differ in the last bit, which must not break a tie.
    ranks = rankdata(np.round(scores, 9) + fold * 1e6)
    sizes = np.bincount(fold)
    fakes = np.bincount(fold, weights=labels)
    starts = np.cumsum(sizes) - sizes
    sums = np.bincount(fold, weights=np.where(labels == 1, ranks - starts[fold], 0))
    return np.asarray((sums - fakes * (fakes + 1) / 2) / (fakes * (sizes - fakes)))


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

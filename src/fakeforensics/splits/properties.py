"""What raw files state about their coding, and whether that alone tells real from fake."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakeforensics.splits.rows import group_numbers, joined, numbered, stacked, text

Named = TypeVar("Named", bound=Hashable)

FOLDS = 5
REPEATS = 2
PERMUTATIONS = 499  # of the labels, for the classifier
DRAWS = 9_999  # of the labels, for each property
DRAWS_PER_TEST = 200  # at least, as Holm's correction multiplies the smallest p-value by the number of tests
MOST_BINS = 16
ENOUGH = 10  # permutations that are fitted as well as the truth; then the test stops
SIGNIFICANT = 0.01
ALPHA = 0.5  # added to each count of the naive Bayes classifier
_AT_ONCE = 32  # labelings that are fitted together
MOST_FILES = 500  # of each class
FEWEST_FILES = 10  # of each class, and of groups in each
_DIGITS = 9  # kept of a classifier's log odds, whose last bits differ between processors
_NAMELESS: dict[Any, str] = {
    "": "none",
    -1: "none",
    0.0: "none",
}  # how the index writes that a file has no such property

# Each property of a raw file by name; further code asks nothing else of the index's raw columns.
PROPERTIES: dict[str, Callable[[pd.DataFrame], pd.Series[Any]]] = {
    "format": lambda files: files["raw_format"],
    "codec profile": lambda files: files["raw_profile"],
    "size": lambda files: joined(files, ["raw_width", "raw_height"], "x"),
    "pixel aspect": lambda files: files["raw_pixel_aspect"],
    "JPEG quality": lambda files: files["jpeg_quality"],
    "chroma sampling": lambda files: files["chroma_sampling"],
    "transfer function": lambda files: files["raw_transfer"],
    "color primaries": lambda files: files["raw_primaries"],
    "frame rate": lambda files: files["raw_frame_rate"].round(2),
    "frames": lambda files: files["raw_frames"],
}


@dataclass(frozen=True)
class PropertyTest:
    """Whether one property has other values in real files than in fake ones.

    Args:
        distance: Total variation between the two distributions of values, 0 … 1.
        p_value: Share of random labelings with a chi-square statistic as large; not corrected.
        is_telling: Whether that is below 0.01 after Holm's correction for the properties tested with it; with
            too few groups for that, whether all real files have one value and all fakes another.
        values: The most frequent values of real and of fake files, in words.
    """

    distance: float
    p_value: float
    is_telling: bool
    values: str


@dataclass(frozen=True)
class FormatBias:
    """How well real and fake files are told apart by what they state about their coding.

    Args:
        real: Number of real files used, one of each group.
        fake: Number of fake files used, likewise.
        auc: Area under the ROC curve of a classifier that sees all properties, cross-validated; 0.5 is
            chance. None if there are too few groups.
        p_value: Share of random labelings that the classifier fits as well; None likewise.
        is_biased: Whether that is below 0.01, or a property is telling.
        properties: The test of each property that is not the same in all files.
        methods: For each forgery method that is told from the real files, the properties that tell it.
    """

    real: int
    fake: int
    auc: float | None
    p_value: float | None
    is_biased: bool
    properties: dict[str, PropertyTest]
    methods: dict[str, list[str]]

    @property
    def telling(self) -> list[str]:
        """The telling properties with their values in words, the most different first."""
        found = [
            (test.distance, name, test.values) for name, test in self.properties.items() if test.is_telling
        ]
        return [f"{name}: {values}" for _, name, values in sorted(found, reverse=True)]


def format_bias(files: pd.DataFrame, seed: int) -> FormatBias:
    """Test whether what files state about their coding tells real ones from fakes.

    If it does, a detector may learn the coding instead of the forgery. Each property is tested alone by a
    permutation test on its table of counts, for all fakes together and for each method, with Holm's
    correction among them. A naive Bayes classifier sees all properties; it is fitted to the labels and to
    permutations of them, and stops early where enough permutations were fitted as well (Besag and Clifford
    1991, Sequential Monte Carlo p-values). Of the files of one class in a group, which often share their
    coding, one drawn at random is tested: files that depend on each other would make chance look certain.

    Args:
        files: One row per raw file: label, group, method, source, domain and the index's columns of the raw
            file.
        seed: Seed of folds, permutations, and of the files drawn.
    """
    some = _independent(files, seed)
    real, fake = _counts(some)
    if min(_counts(files)) < FEWEST_FILES:
        return FormatBias(real, fake, None, None, False, {}, {})
    properties = compare_properties(files, seed, some)
    is_told = any(test.is_telling for test in properties.values())
    methods = telling_methods(files, seed)
    if min(real, fake) < FEWEST_FILES:
        return FormatBias(real, fake, None, None, is_told, properties, methods)
    auc, p_value = _classify(some, some["label"].to_numpy(), seed)
    is_biased = p_value < SIGNIFICANT or is_told
    return FormatBias(real, fake, auc, p_value, is_biased, properties, methods)


def compare_properties(
    files: pd.DataFrame, seed: int, some: pd.DataFrame | None = None
) -> dict[str, PropertyTest]:
    """Test each property that is not the same in all files.

    Args:
        files: As for `format_bias`, with both labels.
        seed: Seed of the random labelings, and of the files drawn.
        some: The files drawn, if that was done before.
    """
    values = _varying(files)
    some = _independent(files, seed) if some is None else some
    p_values = _p_values(some, values, np.random.default_rng(seed), DRAWS)
    telling = holm(p_values) if _has_enough_groups(files) else _constant_apart(files, values)
    return {
        name: PropertyTest(*_describe(values[name], files["label"], p_value, name in telling))
        for name, p_value in p_values.items()
    }


def _varying(files: pd.DataFrame) -> dict[str, pd.Series[Any]]:
    """The values of each property that is not the same in all files, by the property's name."""
    every = {name: read(files) for name, read in PROPERTIES.items()}
    return {name: values for name, values in every.items() if values.nunique() > 1}


def _p_values(
    some: pd.DataFrame, values: dict[str, pd.Series[Any]], rng: np.random.Generator, draws: int
) -> dict[str, float]:
    labels = some["label"].to_numpy()
    return {
        name: permutation_p_value(_bins(column.loc[some.index]), labels, rng, draws)
        for name, column in values.items()
    }


def _constant_apart(files: pd.DataFrame, values: dict[str, pd.Series[Any]]) -> set[str]:
    """The properties of which all real files have one value and all fakes another: told without any test."""
    return {name for name, column in values.items() if column.groupby(files["label"]).nunique().max() == 1}


def permutation_p_value(
    bins: NDArray[np.intp], labels: NDArray[np.integer[Any]], rng: np.random.Generator, draws: int = DRAWS
) -> float:
    """The share of random labelings whose chi-square statistic is at least as large as that of the labels.

    With both margins fixed, the fakes in each bin are a draw without replacement, so that no permutation need
    be written out.

    Args:
        bins: The bin of each file, from 0.
        labels: 0 real, 1 fake.
        rng: Draws the labelings.
        draws: Their number.
    """
    totals = np.bincount(bins)
    fakes = np.bincount(bins[labels == 1], minlength=len(totals))
    drawn = rng.multivariate_hypergeometric(totals, int(fakes.sum()), size=draws, method="marginals")
    # The statistic grows with this sum, as everything else in it is fixed.
    reached = (fakes**2 / totals).sum()
    as_large = ((drawn**2 / totals).sum(axis=1) >= reached * (1 - 1e-9)).sum()
    return float((as_large + 1) / (draws + 1))


def holm(p_values: Mapping[Named, float]) -> set[Named]:
    """The names whose p-values are below 0.01 by Holm's step-down correction.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    accepted = set()
    for rank, (name, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p_value * (len(p_values) - rank) >= SIGNIFICANT:
            break
        accepted.add(name)
    return accepted


def telling_methods(files: pd.DataFrame, seed: int) -> dict[str, list[str]]:
    """The properties that tell each method from real files, corrected for all methods together.

    A method is compared with the real files of its own sources and domains, if there are any: a set that
    joins videos of one source with photographs of another tells nothing by that.
    """
    reals = files[files["label"] == 0]
    place = pd.Series(group_numbers(files, ["source", "domain"]), index=files.index)
    found: dict[str, set[str]] = {}
    tested: dict[str, tuple[pd.DataFrame, dict[str, pd.Series[Any]]]] = {}
    for method, fakes in files[files["label"] == 1].groupby("method", sort=True):
        own = reals[place[reals.index].isin(place[fakes.index].unique()).to_numpy()]
        both = stacked([reals if own.empty else own, fakes])
        if min(_counts(both)) < FEWEST_FILES:
            continue
        values = _varying(both)
        if _has_enough_groups(both):
            tested[str(method)] = _independent(both, seed), values
        else:
            found[str(method)] = _constant_apart(both, values)
    draws = max(DRAWS, DRAWS_PER_TEST * sum(len(values) for _, values in tested.values()))
    rng = np.random.default_rng(seed)
    p_values = {
        (method, name): p_value
        for method, (some, values) in tested.items()
        for name, p_value in _p_values(some, values, rng, draws).items()
    }
    for method, name in holm(p_values):
        found.setdefault(method, set()).add(name)
    ordered = {method: [name for name in PROPERTIES if name in found[method]] for method in sorted(found)}
    return {method: names for method, names in ordered.items() if names}


def _classify(files: pd.DataFrame, labels: NDArray[np.integer[Any]], seed: int) -> tuple[float, float]:
    """The cross-validated AUC of a classifier that sees all properties, and its p-value."""
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import RepeatedStratifiedKFold
    from sklearn.naive_bayes import CategoricalNB

    features = _features(files)
    if features.shape[1] == 0:
        return 0.5, 1.0
    # A fold may lack values that another one has. The prior is the same for all files and ranks none.
    model = CategoricalNB(alpha=ALPHA, fit_prior=False, min_categories=features.max(axis=0) + 1)

    def auc(train: NDArray[np.intp], test: NDArray[np.intp], target: NDArray[np.integer[Any]]) -> float:
        log = model.fit(features[train], target[train]).predict_log_proba(features[test])
        return float(roc_auc_score(target[test], (log[:, 1] - log[:, 0]).round(_DIGITS)))

    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=seed)
    held_out = [auc(train, test, labels) for train, test in folds.split(features, labels)]
    # Overfitting raises the AUC of true and permuted labels alike, so that the test needs no held-out files.
    rng = np.random.default_rng(seed)
    reached = fitted_aucs(features, labels[np.newaxis])[0]
    as_good = done = 0
    while done < PERMUTATIONS and as_good < ENOUGH:
        count = min(_AT_ONCE, PERMUTATIONS - done)
        permuted = np.stack([rng.permutation(labels) for _ in range(count)])
        for auc_permuted in fitted_aucs(features, permuted):
            as_good += int(auc_permuted >= reached)
            done += 1
            if as_good == ENOUGH:
                break
    p_value = as_good / done if as_good == ENOUGH else (as_good + 1) / (done + 1)
    return round(float(np.mean(held_out)), 4), round(p_value, 4)


def fitted_aucs(
    features: NDArray[np.intp], labels: NDArray[np.integer[Any]], alpha: float = ALPHA
) -> NDArray[np.float64]:
    """The AUC of a naive Bayes classifier on the files that it was fitted to, for many labelings at once.

    Fitting scikit-learn's CategoricalNB to each of 499 labelings takes most of the time of an audit.

    Args:
        features: Int["files features"]: the bin of each property, from 0.
        labels: Int["labelings files"]: 0 real, 1 fake, in each labeling as many.
        alpha: Added to each count of a bin, as in CategoricalNB.

    Returns:
        Float["labelings"].
    """
    from scipy.stats import rankdata

    log_odds = np.zeros(labels.shape)
    fakes = labels.sum(axis=1, keepdims=True)
    reals = labels.shape[1] - fakes
    for column in features.T:
        is_in = np.eye(column.max() + 1)[column]
        fake = labels @ is_in + alpha
        real = is_in.sum(axis=0) + 2 * alpha - fake
        size = alpha * is_in.shape[1]
        log_odds += (np.log(fake / (fakes + size)) - np.log(real / (reals + size)))[:, column]
    ranks = rankdata(log_odds.round(_DIGITS), axis=1)
    above = (ranks * labels).sum(axis=1) - (fakes * (fakes + 1) / 2)[:, 0]
    aucs: NDArray[np.float64] = above / (fakes * reals)[:, 0]
    return aucs


def _independent(files: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One file of each group and class, and not too many of a class, in random order."""
    kinds = files[["label"]].reset_index(drop=True).assign(kind=group_numbers(files, ["group", "label"]))
    some = kinds.sample(frac=1.0, random_state=seed).drop_duplicates("kind")
    return files.iloc[some.groupby("label").head(MOST_FILES).index]


def _counts(files: pd.DataFrame) -> tuple[int, int]:
    fake = int((files["label"] == 1).sum())
    return len(files) - fake, fake


def _has_enough_groups(files: pd.DataFrame) -> bool:
    first = np.unique(group_numbers(files, ["group", "label"]), return_index=True)[1]
    return min(_counts(files[["label"]].iloc[first])) >= FEWEST_FILES


def _features(files: pd.DataFrame) -> NDArray[np.intp]:
    """Int["files features"]: bins of the properties that vary; of the size also each side and their ratio."""
    columns = [read(files) for read in PROPERTIES.values()]
    ratio = files["raw_width"] / files["raw_height"].clip(lower=1)
    columns += [files["raw_width"], files["raw_height"], ratio]
    varying = [_bins(column) for column in columns if column.nunique() > 1]
    # A property that only repeats another one, as the height of squares does, would count double.
    return np.unique(np.array(varying, dtype=np.intp).reshape(-1, len(files)), axis=0).T


def _bins(values: pd.Series[Any]) -> NDArray[np.intp]:
    """The bin of each value: its own, or one of 16 quantiles if there are more (of sizes: of their areas)."""
    if values.nunique() > MOST_BINS:
        if not pd.api.types.is_numeric_dtype(values):
            sides = text(values).str.extract(r"^(\d+)x(\d+)$").astype(float)
            values = (sides[0] * sides[1]) if sides.notna().all(axis=None) else _frequent(text(values))
        if values.nunique() > MOST_BINS:
            values = pd.qcut(values.rank(method="average"), MOST_BINS, labels=False, duplicates="drop")
    return np.asarray(pd.factorize(text(values), sort=True)[0])


def _frequent(values: pd.Series[Any]) -> pd.Series[Any]:
    """The most frequent values, and one more for all others."""
    kept = values.value_counts().sort_index().sort_values(ascending=False, kind="stable").index
    return values.where(values.isin(kept[: MOST_BINS - 1]), "others")


def _describe(
    values: pd.Series[Any], labels: pd.Series[Any], p_value: float, is_telling: bool
) -> tuple[float, float, bool, str]:
    codes, names = numbered(values)
    counts = np.bincount(codes.astype(np.int64) * 2 + labels.to_numpy(), minlength=2 * len(names))
    counts = counts.reshape(-1, 2)
    shares = pd.DataFrame(counts / counts.sum(axis=0), index=names)[counts.any(axis=1)]
    distance = float((shares[0] - shares[1]).abs().sum() / 2)
    sides = [f"{side} {_top(shares[label])}" for label, side in enumerate(("real", "fake"))]
    return round(distance, 4), round(p_value, 4), is_telling, ", ".join(sides)


def _top(shares: pd.Series[float]) -> str:
    largest = shares[shares > 0].sort_values(ascending=False, kind="stable").head(3)
    return " / ".join(f"{_NAMELESS.get(value, value)} ({share:.0%})" for value, share in largest.items())

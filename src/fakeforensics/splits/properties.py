"""The coding properties of raw files, such as the JPEG quality, and whether they separate real from fake.

A property is called telling if it separates real from fake files beyond chance. A random labeling is a random
permutation of the files' labels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakeforensics.splits.rows import first_places, group_numbers, joined, numbered, text

Named = TypeVar("Named", bound=Hashable)

FOLDS = 5
REPEATS = 2
PERMUTATIONS = 499  # random labelings for the classifier
DRAWS = 9_999  # random labelings for each property
DRAWS_PER_TEST = 200  # Holm's correction multiplies a p-value by the number of tests, so more need more draws
MOST_BINS = 16  # bins of a property's values
ENOUGH = 10  # the test stops after so many random labelings that are fitted as well as the true labels
SIGNIFICANT = 0.01  # level of all tests
ALPHA = 0.5  # added to each count of the naive Bayes classifier
_AT_ONCE = 32  # labelings that are fitted together
MOST_FILES = 500  # the most files of each class that are tested
FEWEST_FILES = 10  # the fewest files, and the fewest groups, of each class for a test
_DIGITS = 9  # log odds are rounded to these, because their last bits differ between processors
_NAMELESS: dict[Any, str] = {
    "": "none",
    -1: "none",
    0.0: "none",
}  # how the index writes that a file has no such property

# Property → its value for each raw file, from the columns of the index.
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
    """Whether the values of one property differ between real and fake files.

    Args:
        distance: Total variation distance between the two distributions of values, in [0, 1].
        p_value: Share of random labelings with a chi-square statistic at least as large, without correction.
        is_telling: Whether the p-value is below 0.01 after Holm's correction for the properties tested with
            it. If there are too few groups for a test, whether all real files have one value and all fakes
            another.
        values: The most frequent values of real and of fake files, in words.
    """

    distance: float
    p_value: float
    is_telling: bool
    values: str


@dataclass(frozen=True)
class FormatBias:
    """How well the coding properties separate real from fake files.

    Args:
        real: Number of real files used, one per group.
        fake: Number of fake files used, one per group.
        auc: Cross-validated area under the ROC curve of a classifier that sees all properties; 0.5 is chance.
            None if there are too few groups.
        p_value: Share of random labelings that the classifier fits at least as well as the true labels; None
            if there are too few groups.
        is_biased: Whether the p-value is below 0.01, or a property is telling.
        properties: The test of each property that is not the same in all files.
        methods: Forgery method → the properties that separate it from the real files; only methods with such
            properties.
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
        """The telling properties with their values in words, the largest distance first."""
        found = [
            (test.distance, name, test.values) for name, test in self.properties.items() if test.is_telling
        ]
        return [f"{name}: {values}" for _, name, values in sorted(found, reverse=True)]


def format_bias(files: pd.DataFrame, seed: int) -> FormatBias:
    """Test whether the coding properties separate real from fake files.

    If they do, a detector may learn the coding instead of the forgery. Each property is tested by a
    permutation test on its table of counts, for all fakes together and for each method, with Holm's
    correction. A naive Bayes classifier sees all properties. It is fitted to the true labels and to random
    labelings, until `ENOUGH` of these are fitted at least as well. The tests use one random file per group
    and class. Files of one group often share their coding, and dependent files would make a chance difference
    look significant.

    Args:
        files: One row per raw file with label, group, method, source, domain and the index's columns of the
            raw file.
        seed: Seed of the folds, of the random labelings and of the drawn files.

    Source:
        Besag and Clifford, Sequential Monte Carlo p-values, Biometrika 78, 1991.
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
        seed: Seed of the random labelings and of the drawn files.
        some: The drawn files; None draws them.

    Returns:
        The result of each test by the property's name.
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
    """The properties for which all real files have one value and all fakes another, so no test is needed.

    `values` holds only properties that are not the same in all files.
    """
    return {name for name, column in values.items() if column.groupby(files["label"]).nunique().max() == 1}


def permutation_p_value(
    bins: NDArray[np.intp], labels: NDArray[np.integer[Any]], rng: np.random.Generator, draws: int = DRAWS
) -> float:
    """The share of random labelings whose chi-square statistic is at least as large as that of the labels.

    The number of fakes in each bin is drawn from a multivariate hypergeometric distribution, which is the
    same as counting them under a random permutation.

    Args:
        bins: The bin of each file, from 0.
        labels: 0 real, 1 fake.
        rng: Draws the labelings.
        draws: Number of random labelings.
    """
    totals = np.bincount(bins)
    fakes = np.bincount(bins[labels == 1], minlength=len(totals))
    drawn = rng.multivariate_hypergeometric(totals, int(fakes.sum()), size=draws, method="marginals")
    # The chi-square statistic grows with this sum; all its other terms are fixed.
    reached = (fakes**2 / totals).sum()
    as_large = ((drawn**2 / totals).sum(axis=1) >= reached * (1 - 1e-9)).sum()
    return float((as_large + 1) / (draws + 1))


def holm(p_values: Mapping[Named, float]) -> set[Named]:
    """The names whose p-values are below 0.01 after Holm's step-down correction.

    Source:
        Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6,
        1979.
    """
    accepted = set()
    for rank, (name, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p_value * (len(p_values) - rank) >= SIGNIFICANT:
            break
        accepted.add(name)
    return accepted


def telling_methods(files: pd.DataFrame, seed: int) -> dict[str, list[str]]:
    """The properties that separate each method from real files, with one correction for all methods.

    A method is compared with the real files of its own sources and domains, if there are any. Videos of one
    source and photographs of another differ in their coding anyway.

    Args:
        files: As for `format_bias`.
        seed: Seed of the random labelings and of the drawn files.

    Returns:
        Method → its telling properties; only methods that have some.
    """
    place = group_numbers(files, ["source", "domain"])
    is_real = (files["label"] == 0).to_numpy()
    every = _varying(files)
    found: dict[str, set[str]] = {}
    tested: dict[str, tuple[pd.DataFrame, dict[str, pd.Series[Any]]]] = {}
    methods = files.loc[~is_real, "method"]
    for method, places in methods.groupby(methods, sort=True).indices.items():
        fakes = np.flatnonzero(~is_real)[places]
        own = np.flatnonzero(is_real & np.isin(place, np.unique(place[fakes])))
        chosen = np.concatenate([own if len(own) else np.flatnonzero(is_real), fakes])
        both = files[["label", "group"]].iloc[chosen].reset_index(drop=True)
        if min(_counts(both)) < FEWEST_FILES:
            continue
        parts = {name: values.iloc[chosen].reset_index(drop=True) for name, values in every.items()}
        values = {name: part for name, part in parts.items() if part.nunique() > 1}
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
    from sklearn.model_selection import RepeatedStratifiedKFold

    features = _features(files)
    if features.shape[1] == 0:
        return 0.5, 1.0
    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=seed)
    held_out = np.zeros((FOLDS * REPEATS, len(labels)), dtype=bool)
    for fold, (_, tested) in enumerate(folds.split(features, labels)):
        held_out[fold, tested] = True
    aucs = naive_bayes_aucs(features, np.broadcast_to(labels, held_out.shape), ~held_out, held_out)
    # Overfitting raises the AUC of true and of permuted labels alike, so the test needs no held-out files.
    rng = np.random.default_rng(seed)
    reached = naive_bayes_aucs(features, labels[np.newaxis])[0]
    as_good = done = 0
    while done < PERMUTATIONS and as_good < ENOUGH:
        count = min(_AT_ONCE, PERMUTATIONS - done)
        permuted = np.stack([rng.permutation(labels) for _ in range(count)])
        for auc_permuted in naive_bayes_aucs(features, permuted):
            as_good += int(auc_permuted >= reached)
            done += 1
            if as_good == ENOUGH:
                break
    p_value = as_good / done if as_good == ENOUGH else (as_good + 1) / (done + 1)
    return round(float(np.mean(aucs)), 4), round(p_value, 4)


def naive_bayes_aucs(
    features: NDArray[np.intp],
    labels: NDArray[np.integer[Any]],
    is_fitted: NDArray[np.bool_] | bool = True,
    is_tested: NDArray[np.bool_] | bool = True,
    alpha: float = ALPHA,
) -> NDArray[np.float64]:
    """The AUC of many naive Bayes classifiers, computed together.

    This replaces scikit-learn's CategoricalNB with equal priors, whose single fits would take most of an
    audit's time.

    Args:
        features: Int["files features"]: the bin of each property, from 0. A fit may lack a bin that another
            fit has.
        labels: Int["fits files"]: 0 real, 1 fake.
        is_fitted: Bool["fits files"]: the files that the classifier is fitted to.
        is_tested: Bool["fits files"]: the files that the AUC is about.
        alpha: Added to each count of a bin.

    Returns:
        Float["fits"].
    """
    log_odds = np.zeros(labels.shape)
    fitted = (labels == np.array([0, 1])[:, np.newaxis, np.newaxis]) & is_fitted
    for column in features.T:
        counts = fitted.astype(float) @ np.eye(column.max() + 1)[column] + alpha
        real, fake = np.log(counts / counts.sum(axis=2, keepdims=True))
        log_odds += (fake - real)[:, column]
    scores = np.where(is_tested, log_odds.round(_DIGITS), np.nan)
    ranks = pd.DataFrame(scores.T).rank().to_numpy().T
    is_fake = (labels == 1) & is_tested
    fakes, tested = is_fake.sum(axis=1), np.broadcast_to(is_tested, labels.shape).sum(axis=1)
    above = np.where(is_fake, ranks, 0).sum(axis=1) - fakes * (fakes + 1) / 2
    aucs: NDArray[np.float64] = above / (fakes * (tested - fakes))
    return aucs


def _independent(files: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One random file per group and class, at most `MOST_FILES` of a class, in random order."""
    kinds = files[["label"]].reset_index(drop=True).assign(kind=group_numbers(files, ["group", "label"]))
    some = kinds.sample(frac=1.0, random_state=seed).drop_duplicates("kind")
    return files.iloc[some.groupby("label").head(MOST_FILES).index]


def _counts(files: pd.DataFrame) -> tuple[int, int]:
    fake = int((files["label"] == 1).sum())
    return len(files) - fake, fake


def _has_enough_groups(files: pd.DataFrame) -> bool:
    first = first_places(group_numbers(files, ["group", "label"]))
    return min(_counts(files[["label"]].iloc[first])) >= FEWEST_FILES


def _features(files: pd.DataFrame) -> NDArray[np.intp]:
    """The bins of the properties that vary, and of width, height and their ratio: Int["files features"]."""
    columns = [read(files) for read in PROPERTIES.values()]
    ratio = files["raw_width"] / files["raw_height"].clip(lower=1)
    columns += [files["raw_width"], files["raw_height"], ratio]
    varying = [_bins(column) for column in columns if column.nunique() > 1]
    # A property that repeats another one, such as the height of squares, would count twice.
    return np.unique(np.array(varying, dtype=np.intp).reshape(-1, len(files)), axis=0).T


def _bins(values: pd.Series[Any]) -> NDArray[np.intp]:
    """The bin of each value. More than 16 distinct values are binned by quantiles, sizes by their area."""
    if values.nunique() > MOST_BINS:
        if not pd.api.types.is_numeric_dtype(values):
            sides = [re.fullmatch(r"(\d+)x(\d+)", value) for value in text(values)]
            areas = [int(side[1]) * int(side[2]) for side in sides if side]
            values = pd.Series(areas) if len(areas) == len(sides) else _frequent(text(values))
        if values.nunique() > MOST_BINS:
            values = pd.qcut(values.rank(method="average"), MOST_BINS, labels=False, duplicates="drop")
    return np.asarray(pd.factorize(text(values), sort=True)[0])


def _frequent(values: pd.Series[Any]) -> pd.Series[Any]:
    """Keep the most frequent values, and replace all others by one value."""
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

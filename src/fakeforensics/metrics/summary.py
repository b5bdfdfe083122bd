"""The metrics of a run: a summary, details with intervals, and curves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from fakeforensics.errors import UserError
from fakeforensics.files import atomic_directory
from fakeforensics.metrics.bootstrap import group_names, interval, is_moved, replicate, resample_groups
from fakeforensics.metrics.files import read_counts
from fakeforensics.metrics.operating import sweep, threshold_fields, validation_threshold
from fakeforensics.metrics.ranking import Ranking, average_precision, rank
from fakeforensics.metrics.registry import Measure, measures
from fakeforensics.metrics.spec import Scores
from fakeforensics.metrics.table import by_test_set, has_both_classes, video_level

DIGITS = 6
POINTS = 200  # the most points of a curve
RATES = ("recall", "precision", "fpr", "tpr")
Bounds = dict[str, dict[str, dict[str, list[float]]]]
Curve = Float[np.ndarray, " points"]


def measure_run(
    table: pd.DataFrame,
    validation: pd.DataFrame | None,
    scores: Scores,
    unseen: tuple[str, ...],
    seed: int,
    replicates: int,
    undetected: Mapping[str, Mapping[str, int]] | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The metrics of a run.

    Args:
        table: The score table of the test images, with the test sets in the protocol's order.
        validation: The score table of the validation images; without it there are no `details`.
        scores: The scores that the tables hold.
        unseen: The test sets that `mean_unseen` averages.
        seed: Seed of the bootstrap.
        replicates: Number of draws.
        undetected: Videos without a detected face, by test set and class; from `read_undetected_videos`.

    Returns:
        The content of two files. `metrics/<protocol>/<detector>.json` is short enough for DVC's tables: the
        metrics of `summarize`, and `validation`, by which lambda is chosen. `<detector>.details.json` holds
        `<metric>_interval`, the `details` by frame and by video, the test sets of `fakes_alone`, and
        `moved_intervals`, the intervals that `interval` moved to their estimates, if any.

    Raises:
        UserError: If validation has no reals or a score is not finite.
    """
    metrics: dict[str, Any] = summarize(table, validation, scores, unseen)
    if validation is not None and (validated := validation_summary(validation, scores)):
        metrics["validation"] = validated
    measured = [one for one in measures("interval", scores, validation) if "summary" in one.metric.where]
    bounds, moved = _intervals(measured, table, unseen, seed, replicates)
    alone = [one for one in measured if one.metric.fakes_alone]
    keys = {one.key for one in alone}
    more: dict[str, Any] = {f"{key}_interval": found for key, found in bounds.items() if key not in keys}
    if validation is not None:
        more["details"] = details(table, validation, scores, seed, replicates, undetected)
    if rows := [row for one in alone for row in _fakes_alone(one, table, bounds)]:
        more["fakes_alone"] = rows
    if moved:
        more["moved_intervals"] = [one._asdict() for one in moved]
    return metrics, more


def summarize(
    table: pd.DataFrame, validation: pd.DataFrame | None, scores: Scores, unseen: tuple[str, ...]
) -> dict[str, dict[str, dict[str, float]]]:
    """Metrics of every test set and score, and their means over all and over unseen test sets.

    Returns:
        Metric → score → test set on which the metric is defined → value with six digits.

    Raises:
        UserError: If a score is not finite.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for measure in measures("summary", scores, validation):
        if values := measure.metric.with_means(measure.values(table), unseen):
            found.setdefault(measure.key, {})[measure.score.name] = {
                name: round(float(value), DIGITS) for name, value in values.items()
            }
    return found


def validation_summary(validation: pd.DataFrame, scores: Scores) -> dict[str, Any]:
    """The figures by which lambda is chosen on validation. Unlike losses, they compare between lambdas.

    Returns:
        `ap` by score, and `log_loss`, the mean binary cross-entropy in nats of the first score whose scale is
        `logit`, if there is one; six digits. Empty if validation lacks a class.
    """
    if not has_both_classes(validation):
        return {}
    labels = validation["label"].to_numpy()
    precision = {
        score.name: average_precision(validation[score.column].to_numpy(), labels) for score in scores
    }
    found: dict[str, Any] = {"ap": {name: round(value, DIGITS) for name, value in precision.items()}}
    if logits := [score for score in scores if score.scale == "logit"]:
        values = validation[logits[0].column].to_numpy(dtype=np.float64)
        losses = np.logaddexp(0.0, np.where(labels == 1, -values, values))
        found["log_loss"] = round(float(np.mean(losses)), DIGITS)
    return found


def intervals(
    measured: Sequence[Measure],
    table: pd.DataFrame,
    unseen: tuple[str, ...],
    seed: int,
    replicates: int,
) -> Bounds:
    """95% intervals of metrics and of their means, from joint bootstrap draws of groups.

    Every interval contains its estimate.

    Args:
        measured: The metrics.
        table: The rows of a score table with an index from 0 and the test sets in the protocol's order.
        unseen: The test sets that `mean_unseen` averages.
        seed: Seed of the bootstrap.
        replicates: Number of draws.

    Returns:
        Metric → score → test set on which the metric is defined → lower and upper bound.
    """
    return _intervals(measured, table, unseen, seed, replicates)[0]


class _Moved(NamedTuple):
    """An interval that `interval` moved to its estimate."""

    metric: str
    score: str
    test_set: str


def _intervals(
    measured: Sequence[Measure],
    table: pd.DataFrame,
    unseen: tuple[str, ...],
    seed: int,
    replicates: int,
) -> tuple[Bounds, list[_Moved]]:
    resampling = resample_groups(table, seed)
    statistics = [one.statistics(table, resampling) for one in measured]
    flat = [statistic for by_set in statistics for statistic in by_set.values()]
    drawn = iter(replicate(resampling, flat, replicates).T if flat else ())
    found: Bounds = {}
    moved = []
    for measure, by_set in zip(measured, statistics, strict=True):
        if by_set:
            values = measure.metric.with_means({name: next(drawn) for name in by_set}, unseen)
            estimates = measure.metric.with_means(measure.values(table), unseen)
            found.setdefault(measure.key, {})[measure.score.name] = {
                name: [round(bound, DIGITS) for bound in interval(value, estimates[name])]
                for name, value in values.items()
            }
            moved += [
                _Moved(measure.key, measure.score.name, name)
                for name, value in values.items()
                if is_moved(value, estimates[name])
            ]
    return found, moved


def details(
    table: pd.DataFrame,
    validation: pd.DataFrame,
    scores: Scores,
    seed: int,
    replicates: int,
    undetected: Mapping[str, Mapping[str, int]] | None = None,
) -> list[dict[str, Any]]:
    """Measure every test set with both classes by frame, and those with videos by video as well.

    A video's score is the mean over its frames with a detected face. A frame without a face has no score and
    is ignored. A video without any face is called real, because no score is above the threshold. The values
    `with_undetected` count such a video with a score below all others. All other values ignore it.

    Args:
        table: The score table of the test images, with the test sets in the protocol's order.
        validation: The score table of the validation images. `accuracy` is measured at the threshold with the
            highest accuracy on them: on their videos for the video level, or on their frames if they do not
            have videos of both classes.
        scores: The scores that the tables hold.
        seed: Seed of the bootstrap.
        replicates: Number of draws.
        undetected: By test set, the numbers of `real_videos` and `fake_videos` that gave no image.

    Returns:
        One row per level, score and test set: the numbers of images (or videos), reals, fakes and groups, the
        metrics, 95% intervals, and the threshold. `moved_intervals` names the metrics whose intervals
        `interval` moved to their estimates, if any. At video level also the numbers of undetected reals and
        fakes, and the metrics with these.

    Raises:
        UserError: If validation has no reals or a score is not finite.
    """
    rows = []
    by_video = video_level(validation, scores)
    of_videos = (by_video, "video") if has_both_classes(by_video) else (validation, "frame")
    levels = {"frame": (table, validation, "frame"), "video": (video_level(table, scores), *of_videos)}
    for level, (images, chosen_on, chosen_by) in levels.items():
        kept = images.groupby("test_set", sort=False).filter(has_both_classes).reset_index(drop=True)
        if kept.empty:
            continue
        measured = [one for one in measures("details", scores, chosen_on) if not one.metric.fakes_alone]
        bounds, moved = _intervals(
            [one for one in measured if "interval" in one.metric.where], kept, (), seed, replicates
        )
        for score in scores:
            here = [one for one in measured if one.score == score]
            threshold = validation_threshold(chosen_on, score.column)
            for name, images_here in by_test_set(kept):
                values, labels = images_here[score.column].to_numpy(), images_here["label"].to_numpy()
                row = {"level": level, "score": score.name, "test_set": name, "count": len(labels)}
                row |= {"reals": int((labels == 0).sum()), "fakes": int((labels == 1).sum())}
                row |= {"groups": len(pd.unique(group_names(images_here)))}
                row |= _measure(here, values, labels)
                row |= {f"{key}_interval": found[score.name][name] for key, found in bounds.items()}
                if here_moved := [one.metric for one in moved if one[1:] == (score.name, name)]:
                    row |= {"moved_intervals": here_moved}
                row |= {"threshold": threshold, "threshold_chosen_by": chosen_by}
                if level == "video":
                    row |= _with_undetected(here, values, labels, threshold, (undetected or {}).get(name, {}))
                rows.append(row)
    return rows


def _measure(measured: Sequence[Measure], scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    return {one.metric.name: round(one.value(scores, labels), DIGITS) for one in measured}


def _with_undetected(
    measured: Sequence[Measure],
    scores: np.ndarray,
    labels: np.ndarray,
    threshold: float,
    missing: Mapping[str, int],
) -> dict[str, Any]:
    """The metrics if videos without a face count as well, with a score below all others (called real)."""
    reals, fakes = (missing.get(f"{name}_videos", 0) for name in ("real", "fake"))
    lowest = np.nextafter(min(float(scores.min()), threshold), -np.inf)
    everything = np.append(scores, np.full(reals + fakes, lowest))
    truth = np.concatenate([labels, np.zeros(reals, labels.dtype), np.ones(fakes, labels.dtype)])
    return {
        "undetected": {"reals": reals, "fakes": fakes},
        "with_undetected": _measure(measured, everything, truth),
    }


def _fakes_alone(measure: Measure, table: pd.DataFrame, bounds: Bounds) -> list[dict[str, Any]]:
    """One row per test set without reals."""
    name, score = measure.metric.name, measure.score
    sizes = table["test_set"].value_counts()
    rows = []
    for test_set, value in measure.values(table).items():
        row = {"score": score.name, "test_set": test_set, "fakes": int(sizes[test_set])}
        row |= {name: round(value, DIGITS), f"{name}_interval": bounds[measure.key][score.name][test_set]}
        if measure.cut is not None:
            row |= threshold_fields(score, measure.cut.threshold) | {"threshold_chosen": measure.cut.chosen}
        rows.append(row)
    return rows


def read_undetected_videos(path: Path) -> dict[str, dict[str, int]]:
    """The numbers of files that gave no image, from the `counts.json` of the manifests.

    Returns:
        Test set → `real_videos`, `fake_videos`, `real_stills` or `fake_stills` → number of files.

    Raises:
        UserError: If the file is missing or damaged, or does not count undetected files.
    """
    counts = read_counts(path)
    if "undetected" not in counts:
        problem = f"{path}: no count of undetected files"
        raise UserError(problem, found=", ".join(counts), fix="run the splits stage again")
    undetected: dict[str, dict[str, int]] = counts["undetected"]
    return undetected


def write_curves(table: pd.DataFrame, scores: Scores, folder: Path) -> None:
    """Write `pr/<test set>.csv` and `roc/<test set>.csv`, each with the curves of all scores.

    Rates have six digits; thresholds are exact, since users apply them. Sets of fakes alone have no curves.
    Both folders are always written.

    Args:
        table: A score table.
        scores: The scores that it holds.
        folder: The folder for `pr` and `roc`.
    """
    curves: dict[str, Callable[[Ranking], pd.DataFrame]] = {"pr": pr_curve, "roc": roc_curve}
    for name, curve in curves.items():
        with atomic_directory(folder / name) as directory:
            for test_set, rows in by_test_set(table):
                if has_both_classes(rows):
                    labels = rows["label"].to_numpy()
                    rankings = {one.name: rank(rows[one.column].to_numpy(), labels) for one in scores}
                    parts = [curve(ranking).assign(score=score) for score, ranking in rankings.items()]
                    points = pd.concat(parts).round(dict.fromkeys(RATES, DIGITS))
                    points.to_csv(directory / f"{file_name(test_set)}.csv", index=False)


def file_name(name: str) -> str:
    """A file name, without a suffix, for a name that users chose.

    A name of at most 200 letters, digits and `_.+-` that begins with a letter or digit stays unchanged. Any
    other name loses its special characters and gets a hash that makes it unique, such as
    `FF++_c23~52a1c8b0d1f0e6a7`.
    """
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,199}", name):
        return name
    plain = re.sub(r"[^A-Za-z0-9_+-]+", "_", name).strip("_+-")[:40]
    return f"{plain}~{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def pr_curve(ranking: Ranking, points: int = POINTS) -> pd.DataFrame:
    """The precision-recall curve, a point for each distinct score, thinned by `thin`.

    Returns:
        At most `points` rows with the columns recall (ascending), precision and threshold.
    """
    counts = sweep(ranking)
    tp, fp = counts.tp[1:], counts.fp[1:]
    recall, precision = tp / counts.fakes, tp / (tp + fp)
    kept = thin(recall, precision, points)
    return pd.DataFrame(
        {"recall": recall[kept], "precision": precision[kept], "threshold": counts.thresholds[1:][kept]}
    )


def roc_curve(ranking: Ranking, points: int = POINTS) -> pd.DataFrame:
    """The ROC curve, a point for each distinct operating point, thinned by `thin`.

    Returns:
        At most `points` rows with the columns fpr and tpr (both ascending) and threshold.
    """
    counts = sweep(ranking)
    fpr, tpr = counts.fp / counts.reals, counts.tp / counts.fakes
    kept = thin(fpr, tpr, points)
    return pd.DataFrame({"fpr": fpr[kept], "tpr": tpr[kept], "threshold": counts.thresholds[kept]})


def thin(x: Curve, y: Curve, points: int) -> Int[np.ndarray, " kept"]:
    """Choose at most `points` points, spread evenly along the length of a curve, with both ends.

    Steep parts keep as many points as flat ones of the same length. Every n-th point would not achieve that.

    Args:
        x: Ascending.
        y: The values at x.
        points: The most points to choose, at least 2.

    Returns:
        The positions of the chosen points, ascending.
    """
    if x.size <= points:
        return np.arange(x.size)
    length = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    wanted = np.searchsorted(length, np.linspace(0.0, length[-1], points - 1))
    # Rounding of the cumulative sum may miss the last point.
    return np.unique(np.append(wanted, x.size - 1).clip(0, x.size - 1))

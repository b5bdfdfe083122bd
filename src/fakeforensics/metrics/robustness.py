"""Metrics of each test set under image corruptions, and their loss against the clean images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fakeforensics.files import atomic_path, write_json_tables
from fakeforensics.metrics.compare import Model, Run, compared, differences
from fakeforensics.metrics.registry import METRICS, Measure, Metric, measures
from fakeforensics.metrics.spec import Scores

CLEAN = "clean"
MEANS = ("mean", "mean_unseen")
DIGITS = 4


def robustness_table(
    clean: pd.DataFrame,
    corrupted: dict[str, pd.DataFrame],
    validation: pd.DataFrame,
    scores: Scores,
    unseen: tuple[str, ...],
    seed: int,
    replicates: int,
) -> pd.DataFrame:
    """Metrics of each test set under each corruption.

    Args:
        clean: The score table of all test images, with the test sets in the protocol's order.
        corrupted: Corruption → score table of some or all of the test images, the same ones for every
            corruption, with the test sets in the protocol's order. The loss is measured on these images.
        validation: Score table of the clean validation images. The threshold with the highest accuracy on
            them is used under every corruption, because users do not change theirs either.
        scores: The scores that the tables hold.
        unseen: The test sets that `mean_unseen` averages.
        seed: Seed of the bootstrap.
        replicates: Number of draws.

    Returns:
        One row per score, corruption and test set, with `clean` among the corruptions and `mean` and
        `mean_unseen` among the test sets. Each metric has a column with its value and one with its loss,
        `<metric>_lost`. Metrics that are compared between detectors also have the bounds of the loss's 95%
        interval, from the same draws of groups for clean and corrupted images. Values are fractions, or NaN
        where a metric is not defined.

    Raises:
        UserError: If validation has no reals, or the tables are not about the same images.
    """
    tables = {CLEAN: clean} | corrupted
    if corrupted:
        image = ["test_set", "key"]
        asked = next(iter(corrupted.values()))[image]
        tables[CLEAN] = clean.merge(asked, on=image)
    rows = []
    measured = measures("robustness", scores, validation)
    for score in scores:
        here = [one for one in measured if one.score == score]
        losses = {one: _losses(one, tables, validation, unseen, seed, replicates) for one in here}
        for corruption, table in tables.items():
            sets = [*dict.fromkeys(table["test_set"])]
            for test_set in [*sets, *MEANS[: 1 + any(name in unseen for name in sets)]]:
                row: dict[str, Any] = {"score": score.name, "corruption": corruption, "test_set": test_set}
                for one, found in losses.items():
                    row |= found.get((corruption, test_set), dict.fromkeys(_columns(one.metric), np.nan))
                rows.append(row)
    return pd.DataFrame(rows)


def _columns(metric: Metric) -> list[str]:
    bounds = ("_lost", "_lost_low", "_lost_high") if metric in compared() else ("_lost",)
    return [metric.name, *(f"{metric.name}{bound}" for bound in bounds)]


def _losses(
    measure: Measure,
    tables: dict[str, pd.DataFrame],
    validation: pd.DataFrame,
    unseen: tuple[str, ...],
    seed: int,
    replicates: int,
) -> dict[tuple[str, str], dict[str, float]]:
    """The columns of one metric by corruption and test set: its value and its loss."""
    metric = measure.metric
    columns = _columns(metric)
    if metric in compared():
        models = {
            name: Model(name, [Run(table, validation)], measure.score) for name, table in tables.items()
        }
        pairs = [(models[CLEAN], model) for model in models.values()]
        wanted = (f"{metric.name}_second", "difference", "low", "high")
        return {
            (row["second"], row["test_set"]): dict(zip(columns, (row[name] for name in wanted), strict=True))
            for row in differences(metric, pairs, unseen, seed, replicates)
        }
    values = {name: metric.with_means(measure.values(table), unseen) for name, table in tables.items()}
    sign = 1 if metric.higher_is_better else -1
    return {
        (corruption, name): dict(
            zip(columns, (float(value), sign * float(values[CLEAN][name] - value)), strict=True)
        )
        for corruption, by_set in values.items()
        for name, value in by_set.items()
    }


def write_robustness(
    rows: pd.DataFrame, scores: Scores, *, metrics: Path, details: Path, picture: Path
) -> None:
    """Write the rows of `robustness_table`.

    Args:
        rows: The rows.
        scores: The scores that they are about.
        metrics: JSON file for `robustness_metrics`.
        details: CSV file for all rows.
        picture: PNG file for the tables of colors.
    """
    write_json_tables(metrics, robustness_metrics(rows))
    with atomic_path(details) as temporary:
        rows.round(6).to_csv(temporary, index=False)
    draw_robustness(rows, scores, picture)


def robustness_metrics(rows: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """The content of `metrics/<protocol>/<detector>.robustness.json`, which DVC compares between commits.

    Returns:
        By metric, such as `ap` and `accuracy`, one row per score and corruption with the values `by_set`. By
        `<metric>_lost`, for metrics that are compared between detectors, the same for the means alone: the
        loss and both ends of its interval. Values are fractions with four digits; test sets on which a metric
        is not defined are absent.
    """
    metrics = [metric for metric in METRICS if "robustness" in metric.where]
    lost = rows[rows["test_set"].isin(MEANS) & (rows["corruption"] != CLEAN)]
    tables = {metric.name: _by_set(rows, [metric.name]) for metric in metrics}
    for metric in metrics:
        if metric in compared():
            tables[f"{metric.name}_lost"] = _by_set(lost, _columns(metric)[1:])
    return {name: table for name, table in tables.items() if table}


def _by_set(rows: pd.DataFrame, columns: list[str]) -> list[dict[str, Any]]:
    known = rows[rows[columns[0]].notna()]
    table = []
    for (score, corruption), some in known.groupby(["score", "corruption"], sort=False):
        values = some[columns].round(DIGITS).to_numpy().tolist()
        by_set = {
            str(name): value[0] if len(value) == 1 else value
            for name, value in zip(some["test_set"], values, strict=True)
        }
        table.append({"score": str(score), "corruption": str(corruption), "by_set": by_set})
    return table


def draw_robustness(rows: pd.DataFrame, scores: Scores, path: Path) -> None:
    """Draw a table of colors for each score and each metric that is defined on a test set.

    Args:
        rows: The rows of `robustness_table`.
        scores: The scores that they are about.
        path: The PNG file to write.
    """
    import matplotlib as mpl

    mpl.use("Agg")  # a server has no screen
    import matplotlib.pyplot as plt

    metrics = [metric for metric in METRICS if "robustness" in metric.where]
    sets, corruptions = (list(rows[name].unique()) for name in ("test_set", "corruption"))
    drawn = [metric for metric in metrics if rows[metric.name].notna().any()]
    size = (1.5 + 0.62 * len(corruptions) * len(drawn), (1.1 + 0.32 * len(sets)) * len(scores))
    figure, axes = plt.subplots(len(scores), len(drawn), figsize=size, squeeze=False, layout="constrained")
    for line, score in zip(axes, scores, strict=True):
        for axis, metric in zip(line, drawn, strict=True):
            mine = rows[rows["score"] == score.name]
            wide = mine.pivot(index="test_set", columns="corruption", values=metric.name)
            _draw_table(axis, wide.loc[sets, corruptions])
            axis.set_title(f"{score.label}: {metric.title or metric.label}, %", fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _draw_table(axis: Any, wide: pd.DataFrame) -> None:
    values = wide.to_numpy()
    axis.imshow(values, cmap="viridis", vmin=0.4, vmax=1, aspect="auto")
    for (line, column), value in np.ndenumerate(values):
        text = "–" if np.isnan(value) else f"{100 * value:.1f}"
        color = "white" if value < 0.7 else "black"
        axis.text(column, line, text, ha="center", va="center", fontsize=7, color=color)
    names = [name.replace("_", " ") for name in wide.columns]
    axis.set_xticks(range(len(names)), names, fontsize=7, rotation=40, ha="right")
    axis.set_yticks(range(len(wide)), [name.replace("_", " ") for name in wide.index], fontsize=8)

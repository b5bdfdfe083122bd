"""The score table: the file between evaluation, thresholds and reporting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from fakeforensics.errors import UserError

IDENTITY = ("key", "test_set", "method", "domain", "source", "label", "group", "video", "frame")
SCORES = ("score_sl", "logit", "score_cd")
VALIDATION = "validation"
INSTANCES = "instances"  # in the pilot study: how many instances the model that gave the score has seen
_SMALLEST = 1e-12  # a distance of 0 has no logarithm
ALL = "all"  # stands for the number of instances where there is but one model

# What each score is ranked and cut by: sigmoids saturate into ties, so S_SL goes by its logit.
RANKED_BY = {"sl": "logit", "cd": "score_cd", "score": "score"}


def score_columns(table: pd.DataFrame) -> dict[str, str]:
    """The scores that a table holds: `sl` (S_SL, equation 3.6) and `cd` (S_CD, 3.3), or a stranger's `score`.

    Returns:
        For each score, the column to rank and to cut by.
    """
    return {name: column for name, column in RANKED_BY.items() if column in table.columns}


def log_distance(distance: np.ndarray) -> np.ndarray:
    """S_CD on the scale on which thresholds are chosen: distances are skewed, their logarithms are not."""
    logarithm: np.ndarray = np.log(np.maximum(distance.astype(np.float64), _SMALLEST))
    return logarithm


def read_scores(path: Path) -> pd.DataFrame:
    """Read a score table.

    Raises:
        UserError: If it is missing, not parquet, or lacks a column.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such score table", fix="run the evaluate stage first")
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: not a parquet file", found=str(error), fix="run the evaluate stage again"
        ) from None
    missing = [column for column in IDENTITY if column not in table.columns]
    if missing or not score_columns(table):
        raise UserError(
            f"{path}: not a score table",
            expected=f"{', '.join(IDENTITY)} and some of {', '.join(SCORES)}",
            found=", ".join(table.columns),
        )
    return table


def by_test_set(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each test set, in order of first appearance."""
    for name, rows in table.groupby("test_set", sort=False):
        yield str(name), rows


def in_order(table: pd.DataFrame, test_sets: tuple[str, ...]) -> pd.DataFrame:
    """The table with its test sets in the protocol's order.

    Raises:
        UserError: If the table holds another test set, or one of these is empty.
    """
    found = set(table["test_set"].unique())
    if found != set(test_sets):
        raise UserError(
            "the scores are not those of the protocol's test sets",
            expected=", ".join(test_sets),
            found=", ".join(sorted(found)) or "no score at all",
            fix="run the splits and evaluate stages again; a test set without images must leave the protocol",
        )
    place = {name: position for position, name in enumerate(test_sets)}
    return table.iloc[np.argsort(table["test_set"].map(place).to_numpy(), kind="stable")].reset_index(
        drop=True
    )


def of_one_model(table: pd.DataFrame) -> pd.DataFrame:
    """The scores of one model: in the pilot study, of the one that saw most instances."""
    if INSTANCES not in table:
        return table
    one: pd.DataFrame = table[table[INSTANCES] == table[INSTANCES].max()]
    return one.reset_index(drop=True)


def by_instances(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The scores of each model, by the number of instances that it has seen, ascending; else of `all`."""
    if INSTANCES not in table:
        return {ALL: table}
    return {str(number): rows.reset_index(drop=True) for number, rows in table.groupby(INSTANCES)}


def has_both_classes(rows: pd.DataFrame) -> bool:
    """Whether a set holds reals and fakes; a fake-only set, as in chapter 3, has no ranking to measure."""
    return rows["label"].nunique() == 2


def video_level(table: pd.DataFrame) -> pd.DataFrame:
    """One row a video, with the mean of its frames' scores (of logits, for S_SL).

    Stills are left out: a test set without videos has no rows. A frame without a found face has no score and
    does not count; a video without any has no row: `evaluation.details` says how it is counted.

    Raises:
        UserError: If the frames of one video have different labels.
    """
    frames = table[table["video"] != ""]
    columns = list(score_columns(table).values())
    grouped = frames.groupby(["test_set", "source", "video"], sort=False)
    if (grouped["label"].nunique() > 1).any():
        raise UserError("the frames of one video have different labels", fix="check the source's layout")
    kept = {name: (name, "first") for name in ("method", "domain", "label", "group")}
    means = {column: (column, "mean") for column in columns}
    videos = grouped.agg(**kept, **means).reset_index()
    return videos.assign(key=videos["source"] + "/" + videos["video"])

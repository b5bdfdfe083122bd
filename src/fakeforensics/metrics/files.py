"""The files of the stages evaluate and robustness."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from fakeforensics.errors import UserError
from fakeforensics.files import atomic_directory, atomic_path, write_json_tables
from fakeforensics.metrics.curves import pr_curve, roc_curve
from fakeforensics.metrics.ranking import rank
from fakeforensics.metrics.robustness_picture import draw_robustness
from fakeforensics.metrics.robustness_table import robustness_metrics
from fakeforensics.metrics.spec import Scores
from fakeforensics.metrics.table import by_test_set, has_both_classes

POINTS = 200


def read_manifest(path: Path) -> pd.DataFrame:
    """Read a manifest.

    Raises:
        UserError: If it is missing or not parquet.
    """
    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such manifest", fix="run the splits stage first") from None
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: not a parquet file", found=str(error), fix="run the splits stage again"
        ) from None


def read_undetected(path: Path) -> dict[str, dict[str, int]]:
    """The files of each test set that gave no image, from `counts.json`.

    Raises:
        UserError: If it is missing, or not what the splits stage writes.
    """
    try:
        counts: dict[str, dict[str, dict[str, int]]] = json.loads(path.read_text(encoding="utf-8"))
        return counts["undetected"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path}: no count of undetected files", found=repr(error), fix="run the splits stage again"
        ) from None


def write_curves(table: pd.DataFrame, scores: Scores, folder: Path) -> None:
    """Write `pr/<test set>.csv` and `roc/<test set>.csv`, the scores below one another in each.

    Sets of fakes alone have no curves; the folders are there in any case.

    Args:
        table: The rows of a score table.
        scores: What the scores are.
        folder: `plots/<protocol>/<detector>`.
    """
    for name, curve in {"pr": pr_curve, "roc": roc_curve}.items():
        with atomic_directory(folder / name) as directory:
            for test_set, rows in by_test_set(table):
                if not has_both_classes(rows):
                    continue
                labels = rows["label"].to_numpy()
                parts = [
                    curve(rank(rows[score.column].to_numpy(), labels, test_set), POINTS).assign(
                        score=score.name
                    )
                    for score in scores
                ]
                pd.concat(parts).round(6).to_csv(directory / f"{test_set}.csv", index=False)


def write_robustness(
    rows: pd.DataFrame, scores: Scores, *, metrics: Path, details: Path, picture: Path
) -> None:
    """Write what corruptions cost.

    Args:
        rows: From `robustness_table`.
        scores: What the scores are.
        metrics: The JSON: AP and accuracy, and what the means lose.
        details: CSV of all rows, with the intervals of each set.
        picture: A PNG.
    """
    write_json_tables(metrics, robustness_metrics(rows))
    with atomic_path(details) as temporary:
        rows.round(6).to_csv(temporary, index=False)
    draw_robustness(rows, scores, picture)

"""The pipeline's own score tables, read as a stranger's: runs with several seeds are compared that way."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from fakeforensics.errors import UserError
from fakeforensics.scores.table import log_distance, of_one_model, read_scores, score_columns

KEPT = ("key", "test_set", "label", "group", "video")


def read_own(path: Path, score: str | None) -> pd.DataFrame:
    """A score table with the columns of a stranger's file, as text.

    The validation scores are taken from the file beside it, `<name>.val.parquet`, if there is one. S_CD is
    given by its logarithm, on which the pipeline's own rules work: thresholds are logarithms, too.

    Args:
        path: `data/scores/<protocol>/<objective>.parquet`.
        score: `sl` or `cd`, where the table has both; else its own is meant.

    Raises:
        UserError: If a file is no score table, or it is not clear which score is meant.
    """
    beside = path.with_suffix(".val.parquet")
    parts = {"test": read_scores(path)} | ({"val": read_scores(beside)} if beside.is_file() else {})
    columns = score_columns(parts["test"])
    if len(columns) == 1:
        (score,) = columns
    if score not in columns:
        raise UserError(
            f"{path}: which score?",
            expected=" or ".join(columns),
            found=score or "none named",
            fix=f"add --score {next(iter(columns))}",
        )
    tables = [
        of_one_model(table)[[*KEPT, columns[score]]]
        .rename(columns={columns[score]: "score"})
        .assign(split=split)
        for split, table in parts.items()
    ]
    own = pd.concat(tables, ignore_index=True)
    if score == "cd":
        own["score"] = log_distance(own["score"].to_numpy())
    return own.astype(str)

"""Score files of anybody's detector: CSV with score, label and test_set, and optionally group and split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fakeforensics.errors import UserError
from fakeforensics.metrics.table import of_one_model, read_scores

NEEDED = ("score", "label", "test_set")
OPTIONAL = ("group", "split", "key", "video")
SPLITS = {"test": "test", "": "test", "val": "val", "validation": "val"}
LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "real": 0, "fake": 1}
FEW = 10  # groups of a class below which an interval is too narrow
SATURATED = 0.01  # share of scores that are exactly 0 or 1 from which on a remark is due


def read_stranger(
    path: Path, score: str | None = None
) -> tuple[pd.DataFrame, pd.DataFrame | None, list[str]]:
    """Read a score file.

    Columns: `score` (a finite number; higher is faker), `label` (0 or real, 1 or fake), `test_set`; and if
    there are any, `group` (rows of a group are resampled together: a video, a photograph with its edits),
    `split` (`test` or `val`; test by default), `key` (names an image, so that one that is in several sets is
    known to be one), `video`. Other columns are passed over.

    Args:
        path: CSV, or one of the pipeline's own tables, `data/scores/<protocol>/<detector>.parquet`.
        score: The name of a score, for a table of the pipeline that has several. A table with one score gives
            that one, whatever is asked for.

    Returns:
        The test scores, sets in order of appearance; the validation scores or None; and remarks for the
        reader.

    Raises:
        UserError: If the file is missing, is no CSV, lacks a column or a row's value, or has no test rows.
    """
    raw = _read_own(path, score) if path.suffix == ".parquet" else _read_csv(path)
    if missing := [name for name in NEEDED if name not in raw]:
        raise UserError(
            f"{path}: the column {missing[0]} is missing",
            expected=", ".join(NEEDED) + "; optionally " + ", ".join(OPTIONAL),
            found=", ".join(map(str, raw.columns)) or "no column at all",
        )
    values = pd.to_numeric(raw["score"], errors="coerce").to_numpy(dtype=np.float64)
    _refuse(path, raw, "score", ~np.isfinite(values), "a finite number")
    label = raw["label"].str.strip().str.lower().map(LABELS)
    _refuse(path, raw, "label", label.isna().to_numpy(), "0 for real or 1 for fake")
    split = raw["split"].str.strip().str.lower() if "split" in raw else pd.Series("test", index=raw.index)
    _refuse(path, raw, "split", ~split.isin(list(SPLITS)).to_numpy(), "test or val")
    split = split.map(SPLITS)
    is_test = (split == "test").to_numpy()
    _refuse(path, raw, "test_set", is_test & (raw["test_set"] == "").to_numpy(), "a name")
    table = pd.DataFrame(
        {
            "key": raw["key"] if "key" in raw else [f"row {number + 2}" for number in range(len(raw))],
            "test_set": raw["test_set"],
            "method": "",
            "domain": "",
            "source": "",
            "label": label.astype(np.int8),
            "group": raw.get("group", ""),
            "video": raw.get("video", ""),
            "frame": -1,
            "score": values,
        }
    )
    test = table[is_test].reset_index(drop=True)
    if test.empty:
        raise UserError(f"{path}: there is no row with split test", expected="at least one test set")
    twice = test.duplicated(["test_set", "key"])
    if twice.any():
        row = test[twice].iloc[0]
        raise UserError(f"{path}: the key {row['key']!r} is twice in the test set {row['test_set']!r}")
    validation = table[~is_test].assign(test_set="validation").reset_index(drop=True)
    return test, (None if validation.empty else validation), _remarks(raw, test, validation)


def _read_own(path: Path, name: str | None) -> pd.DataFrame:
    """A score table of the pipeline with the columns of a CSV file, as text.

    The validation scores come from `<name>.val.parquet` in the same folder, if that file exists. Scores are
    given on their working scale, on which the pipeline chooses thresholds, so that thresholds are on it too.
    """
    beside = path.with_suffix(".val.parquet")
    parts = {"test": read_scores(path)} | ({"val": read_scores(beside)} if beside.is_file() else {})
    scores = parts["test"].scores
    chosen = scores if len(scores) == 1 else tuple(score for score in scores if score.name == name)
    if not chosen:
        raise UserError(
            f"{path}: which score?",
            expected=" or ".join(score.name for score in scores),
            found=name or "none named",
            fix=f"add --score {scores[0].name}",
        )
    tables = []
    for split, (rows, of_split) in parts.items():
        if chosen[0] not in of_split:
            raise UserError(
                f"{beside}: lacks the score {chosen[0].name} of {path.name}",
                fix="run the evaluate stage again",
            )
        values = of_one_model(rows)
        kept = values[["key", "test_set", "label", "group", "video"]]
        tables.append(kept.assign(score=chosen[0].to_working(values[chosen[0].column]), split=split))
    return pd.concat(tables, ignore_index=True).astype(str)


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not text in UTF-8", expected="a CSV file", found=error.reason) from None
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        raise UserError(f"{path}: not a CSV file", found=str(error)) from None


def _refuse(path: Path, raw: pd.DataFrame, column: str, bad: np.ndarray, expected: str) -> None:
    if bad.any():
        first = int(np.argmax(bad))
        raise UserError(
            f"{path}, line {first + 2}: {column} is {raw[column].iloc[first]!r}",
            expected=expected,
            found=f"{int(bad.sum())} such rows of {len(bad)}",
        )


def _remarks(raw: pd.DataFrame, test: pd.DataFrame, validation: pd.DataFrame) -> list[str]:
    remarks = []
    if validation.empty:
        remarks.append(
            "no rows with split val: the thresholds shown are oracles, picked with the test labels; nothing "
            "is said about thresholds that could be deployed"
        )
    if "group" not in raw:
        remarks.append("no column group: intervals treat every row as independent of all others")
    ends = float(test["score"].isin([0.0, 1.0]).mean())
    if ends > SATURATED:
        remarks.append(
            f"{ends:.0%} of the scores are exactly 0 or 1: ties cost precision; give logits instead"
        )
    remarks += _about_sets(test)
    return remarks


def _about_sets(test: pd.DataFrame) -> list[str]:
    """What some of the sets cannot tell."""
    unit = test["group"].where(test["group"] != "", test["key"])
    groups = test.assign(unit=unit).groupby(["test_set", "label"], sort=False)["unit"].nunique()
    by_set = test.groupby("test_set", sort=False)
    found = {
        "sets with one class have no metrics": by_set["label"].nunique() == 1,
        "all scores are equal, which tells nothing": by_set["score"].nunique() == 1,
        f"fewer than {FEW} groups of a class make intervals too narrow": groups.groupby("test_set").min()
        < FEW,
    }
    return [
        f"{what}: {', '.join(map(str, is_so.index[is_so]))}" for what, is_so in found.items() if is_so.any()
    ]

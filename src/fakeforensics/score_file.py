"""Reads a file of scores of any detector, and remarks on what the reader should know of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fakeforensics.errors import UserError
from fakeforensics.metrics.bootstrap import group_names
from fakeforensics.metrics.spec import VALIDATION
from fakeforensics.metrics.table import TAKEN, need_one_label, read_scores
from fakeforensics.reading import check_file

NEEDED = ("score", "label", "test_set")
OPTIONAL = ("group", "split", "key", "video")
SPLITS = {"test": "test", "": "test", "val": "val", "validation": "val"}
LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "real": 0, "fake": 1}
OTHER_SEPARATORS = ";\t|"
USE_COMMAS = "separate the fields with commas"
LARGEST = 1e150  # a larger score stands for a missing value, and its square may overflow
FEW = 10  # with fewer groups of a class, an interval is too narrow
SATURATED = 0.01  # with a larger share of scores that are exactly 0 or 1, the report has a remark


def read_score_file(
    path: Path, score: str | None = None
) -> tuple[pd.DataFrame, pd.DataFrame | None, list[str]]:
    """Read a score file.

    Needed columns: `score` (a finite number; higher is more likely fake), `label` (0 or real, 1 or fake) and
    `test_set`. Optional columns: `group` (rows of one group are resampled together: a video, or a photograph
    with its edits), `split` (`test` or `val`; test by default), `key` (identifies an image, also one that is
    in several test sets) and `video`. Other columns are ignored.

    Args:
        path: A CSV file, or a table of the pipeline: `data/scores/<protocol>/<detector>.parquet`.
        score: Name of the score to read, if a table of the pipeline has several; otherwise ignored.

    Returns:
        The test scores, with test sets in order of appearance; the validation scores or None; remarks for
        the reader.

    Raises:
        UserError: If the file is missing, is not CSV, lacks a column or a value, or has no test rows.
    """
    raw = _read_own(path, score) if path.suffix == ".parquet" else _read_csv(path)
    if missing := [name for name in NEEDED if name not in raw]:
        raise UserError(
            f"{path}: the column {missing[0]} is missing",
            expected=", ".join(NEEDED) + "; optionally " + ", ".join(OPTIONAL),
            found=", ".join(map(str, raw.columns)) or "no column at all",
            fix=_how_to_name(missing[0], [str(name) for name in raw.columns]),
        )
    for name in (one for one in NEEDED[1:] + OPTIONAL if one in raw):
        raw[name] = raw[name].str.strip()
        # An unpaired quote merges several lines into one value.
        unprintable = ~raw[name].map(str.isprintable).to_numpy(dtype=bool)
        _refuse(path, raw, name, unprintable, "text in one line, without control characters")
    values = pd.to_numeric(raw["score"], errors="coerce").to_numpy(dtype=np.float64)
    _refuse(path, raw, "score", ~(np.abs(values) < LARGEST), "a finite number with a decimal point")
    label = raw["label"].str.lower().map(LABELS)
    _refuse(path, raw, "label", label.isna().to_numpy(), "0 for real or 1 for fake")
    split = raw["split"].str.lower() if "split" in raw else pd.Series("test", index=raw.index)
    _refuse(path, raw, "split", ~split.isin(list(SPLITS)).to_numpy(), "test or val")
    split = split.map(SPLITS)
    is_test = (split == "test").to_numpy()
    unnamed = is_test & raw["test_set"].str.lower().isin(["", *TAKEN]).to_numpy()
    _refuse(path, raw, "test_set", unnamed, f"a name other than {', '.join(TAKEN)}")
    own = pd.Series([f"row {number + 2}" for number in range(len(raw))])
    table = pd.DataFrame({"test_set": raw["test_set"].where(is_test, VALIDATION)}).assign(
        key=raw["key"].where(raw["key"] != "", own) if "key" in raw else own,
        label=label.astype(np.int8),
        score=values,
        frame=-1,
        **{name: raw.get(name, "") for name in ("group", "video")},
        **dict.fromkeys(("method", "domain", "source"), ""),
    )
    test = table[is_test].reset_index(drop=True)
    if test.empty:
        raise UserError(f"{path}: there is no row with split test", expected="at least one test set")
    twice = test.duplicated(["test_set", "key"])
    if twice.any():
        row = test[twice].iloc[0]
        raise UserError(f"{path}: the key {row['key']!r} appears twice in the test set {row['test_set']!r}")
    for columns in (["key"], ["test_set", "source", "video"]):
        need_one_label(table, *columns, where=f"{path}: ")
    validation = table[~is_test].reset_index(drop=True)
    own_sets = table[~is_test].assign(test_set=raw.loc[~is_test, "test_set"])
    if (again := own_sets[own_sets.duplicated(["test_set", "key"])]).size:
        raise UserError(f"{path}: the key {again['key'].iloc[0]!r} appears twice in the validation rows")
    return test, (None if validation.empty else validation), _remarks(raw, test, validation)


def _how_to_name(missing: str, columns: list[str]) -> str:
    """What to do about a missing column."""
    if len(columns) == 1 and any(mark in columns[0] for mark in OTHER_SEPARATORS):
        return USE_COMMAS
    for name in columns:
        if name.strip().lower() == missing:
            return f"rename the column {name!r} to {missing!r}"
    return f"add the column, or rename the one that holds it to {missing!r}"


def _read_own(path: Path, name: str | None) -> pd.DataFrame:
    """Read a score table of the pipeline into the columns of a CSV file, as text.

    The validation scores come from `<name>.val.parquet` in the same folder, if that file exists. Scores are
    converted to their working scale, on which the pipeline chooses thresholds.
    """
    own = path.with_suffix(".val.parquet")
    parts = {"test": read_scores(path)} | ({"val": read_scores(own)} if own.is_file() else {})
    scores = parts["test"].scores
    chosen = scores if len(scores) == 1 else tuple(score for score in scores if score.name == name)
    if not chosen:
        raise UserError(
            f"{path}: the table has several scores; choose one",
            expected=" or ".join(score.name for score in scores),
            found=name or "no name",
            fix=f"add --score {scores[0].name}",
        )
    tables = []
    for split, (rows, of_split, _) in parts.items():
        if chosen[0] not in of_split:
            problem = f"{own}: lacks the score {chosen[0].name} of {path.name}"
            raise UserError(problem, fix="run the score stage again")
        kept = rows[["key", "test_set", "label", "group", "video"]]
        tables.append(kept.assign(score=chosen[0].to_working(rows[chosen[0].column]), split=split))
    return pd.concat(tables, ignore_index=True).astype(str)


def _read_csv(path: Path) -> pd.DataFrame:
    check_file(path, "name a CSV file; write the output of a pipe to a file first")
    try:
        # The header is read as a row, so that pandas refuses longer rows, such as those with a score 0,91.
        cells = pd.read_csv(path, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not text in UTF-8", expected="a CSV file", found=error.reason) from None
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        expected = "fields separated by commas, and numbers with a decimal point, such as 0.91"
        raise UserError(
            f"{path}: not a CSV file",
            expected=expected,
            found=str(error).strip(),
            fix=USE_COMMAS if isinstance(error, ValueError) and _has_other_separators(path) else None,
        ) from None
    header = list(cells.iloc[0])
    plain = [name.strip().lower() for name in header]
    if twice := [name for name in NEEDED + OPTIONAL if name in header and plain.count(name) > 1]:
        raise UserError(f"{path}: the column {twice[0]} appears twice", expected="each column once")
    return cells[1:].set_axis(header, axis=1).reset_index(drop=True)


def _has_other_separators(path: Path) -> bool:
    """Whether the first line of a file is separated by semicolons, tabs or bars."""
    with path.open(encoding="utf-8", errors="replace") as file:
        first = file.readline()
    return "," not in first and any(mark in first for mark in OTHER_SEPARATORS)


def _refuse(path: Path, raw: pd.DataFrame, column: str, bad: np.ndarray, expected: str) -> None:
    if bad.any():
        first = int(np.argmax(bad))
        raise UserError(
            f"{path}, line {first + 2}: {column} is {raw[column].iloc[first]!r}",
            expected=expected,
            found=f"{int(bad.sum())} such rows of {len(bad)}",
        )


def _remarks(raw: pd.DataFrame, test: pd.DataFrame, validation: pd.DataFrame) -> list[str]:
    ends = float(test["score"].isin([0.0, 1.0]).mean())
    is_probability = pd.concat([test["score"], validation["score"]]).between(0, 1).all()
    about_all = {
        "no rows with split val: the thresholds shown are oracles, chosen with the test labels; none of them "
        "could be deployed": validation.empty,
        "no column group: intervals treat every row as independent of all others": "group" not in raw,
        f"{ends:.0%} of the scores are exactly 0 or 1: ties cost precision; use logits instead": ends
        > SATURATED
        and is_probability,
    } | {
        f"validation and test share {rows[column].nunique()} of the column {column} (such as "
        f"{rows[column].iloc[0]!r}; {len(rows)} test rows): thresholds look better than they are": True
        for column in ("key", "group", "video")
        if len(rows := test[test[column].isin({*validation[column]} - {""})])
    }
    groups = test.assign(unit=group_names(test)).groupby(["test_set", "label"], sort=False)["unit"].nunique()
    by_set = test.groupby("test_set", sort=False)
    about_sets = {
        "test sets with one class have no metrics": by_set["label"].nunique() == 1,
        "all scores are equal, so the metrics say nothing": by_set["score"].nunique() == 1,
        f"fewer than {FEW} groups of a class make intervals too narrow": groups.groupby("test_set").min()
        < FEW,
    }
    return [remark for remark, is_so in about_all.items() if is_so] + [
        f"{remark}: {', '.join(map(str, is_so.index[is_so]))}"
        for remark, is_so in about_sets.items()
        if is_so.any()
    ]

"""The score table, the file between scoring and all that is computed from scores; a protocol's test sets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, field_validator

from fakeforensics.errors import UserError
from fakeforensics.files import write_parquet
from fakeforensics.metrics.spec import IDENTITY, VALIDATION, Scores, ScoreSpec
from fakeforensics.parquet import LABEL, Column, check_columns, read_parquet
from fakeforensics.parsing import parse
from fakeforensics.yaml12 import read_yaml

TAKEN = ("mean", "mean_unseen", VALIDATION)  # no test set's name: tables have other rows of these names
SHOWN = 3  # rows that a message lists
_MACHINE = b"fakeforensics.trained_on"
_SPECS = b"fakeforensics.scores"  # key of the scores' descriptions in the parquet file's metadata
_FIX = "run the score stage first, or again if the file is damaged"
_SCORE = Column("number", finite=True)
_IDENTITY_RULES = dict.fromkeys(IDENTITY, Column("text")) | {
    **dict.fromkeys(("key", "test_set"), Column("text", filled=True)),
    "label": LABEL,
    "frame": Column("integer", least=-1),
}


class ScoreTable(NamedTuple):
    """A score table as it is stored.

    Attributes:
        rows: One row per (test_set, image): the columns `IDENTITY` and those of the scores.
        scores: What the scores are, in the detector's order.
        trained_on: The machine on which the detector was trained, in words.
    """

    rows: pd.DataFrame
    scores: Scores
    trained_on: str = ""


def write_scores(path: Path, table: ScoreTable) -> None:
    """Write a score table atomically; the descriptions of the scores go into the file's metadata."""
    specs = json.dumps([score.model_dump(mode="json") for score in table.scores])
    write_parquet(path, table.rows, {_SPECS: specs.encode(), _MACHINE: table.trained_on.encode()})


def read_scores(path: Path) -> ScoreTable:
    """Read a score table.

    Raises:
        UserError: If it is missing or damaged, lacks a column or the descriptions of its scores, or holds a
            score that is not finite, an image twice in a test set, or one with two labels.
    """
    path = Path(path)
    stored = read_parquet(path, "a score table", _IDENTITY_RULES, _FIX, once=[["test_set", "key"]])
    metadata = stored.schema.metadata or {}
    scores = _parse_specs(path, metadata.get(_SPECS, b"[]"))
    columns = [name for score in scores for name in (score.column, score.probability_column) if name]
    check_columns(stored, path, "a score table", dict.fromkeys(columns, _SCORE), _FIX)
    rows = stored.to_pandas()
    need_one_label(rows, "key", where=f"{path}: ")
    return ScoreTable(rows, scores, metadata.get(_MACHINE, b"").decode())


def _parse_specs(path: Path, specs: bytes) -> Scores:
    try:
        values = json.loads(specs)
        if not isinstance(values, list) or not values:
            raise ValueError("no description of a score")
    except ValueError as error:
        raise UserError(
            f"{path}: the descriptions of its scores are damaged", found=str(error), fix=_FIX
        ) from None
    return tuple(parse(ScoreSpec, value, f"{path}: scores") for value in values)


def by_test_set(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each test set, in order of first appearance."""
    for name, rows in table.groupby("test_set", sort=False):
        yield str(name), rows


def in_order(table: pd.DataFrame, test_sets: tuple[str, ...]) -> pd.DataFrame:
    """The table with its test sets in the protocol's order.

    Raises:
        UserError: If the table holds another test set, one of these is empty, or one holds reals alone.
    """
    found = set(table["test_set"].unique())
    if found != set(test_sets):
        raise UserError(
            "the scores are not those of the protocol's test sets",
            expected=", ".join(test_sets),
            found=", ".join(sorted(found)) or "no score at all",
            fix="run the splits and score stages again; a test set without images must leave the protocol",
        )
    if reals := [name for name, rows in by_test_set(table) if not rows["label"].any()]:
        problem = f"{reals[0]}: the test set holds reals alone"
        raise UserError(problem, expected="fakes, with or without reals")
    place = {name: position for position, name in enumerate(test_sets)}
    order = np.argsort(table["test_set"].map(place).to_numpy(), kind="stable")
    return table.iloc[order].reset_index(drop=True)


def need_every_row(
    path: Path, tested: pd.DataFrame, validation: pd.DataFrame, counts: Mapping[str, Any]
) -> None:
    """Refuse scores that are not those of all images of the manifests.

    Args:
        path: The table of the test scores, for the message.
        tested: Its rows.
        validation: The rows of the validation scores.
        counts: The `counts.json` of the manifests.

    Raises:
        UserError: Naming each set whose numbers of reals and fakes differ.
    """
    rows = {name: rows["label"] for name, rows in by_test_set(tested)} | {VALIDATION: validation["label"]}
    expected = counts["test"] | {VALIDATION: counts["val"]}
    differing = []
    for name, wanted in expected.items():
        labels = rows.get(name, pd.Series(dtype="int8"))
        found = {"real": int((labels == 0).sum()), "fake": int((labels == 1).sum())}
        if any(found[kind] != wanted[kind] for kind in found):
            numbers = (f"{one['real']} reals and {one['fake']} fakes" for one in (found, wanted))
            differing.append(f"{name}: " + ", where the manifest has ".join(numbers))
    if differing:
        problem = f"{path}: not the scores of all images of the protocol"
        raise UserError(problem, found="\n".join(differing), fix="run the splits and score stages again")


def need_same_rows(path: Path, corrupted: pd.DataFrame, asked: pd.DataFrame) -> None:
    """Refuse scores under a corruption, read from `path`, that are not those of the manifest's images."""
    columns = ["test_set", "key", "label"]
    if not corrupted[columns].reset_index(drop=True).equals(asked[columns].reset_index(drop=True)):
        problem = f"{path}: not the scores of the images that the protocol corrupts"
        raise UserError(problem, found=f"{len(corrupted)} rows, {len(asked)} in the manifest", fix=_FIX)


def has_both_classes(rows: pd.DataFrame) -> bool:
    """Whether a set holds reals and fakes; a fake-only set, as in chapter 3, has no ranking to measure."""
    return rows["label"].nunique() == 2


def need_one_label(table: pd.DataFrame, *columns: str, where: str = "") -> None:
    """Refuse rows that are of one image, or of one video, and have two labels.

    The last of the columns names it; an empty name is none. The others say within what the name stands.

    Raises:
        UserError: Naming the first such image or video, and its rows.
    """
    named = table[table[columns[-1]] != ""]
    labels = named.groupby([*columns], sort=False)["label"]
    mixed = named[labels.transform("min") != labels.transform("max")]
    if mixed.empty:
        return
    first = mixed.iloc[0]
    rows = mixed[(mixed[[*columns]] == first[[*columns]]).all(axis=1)]
    found = []
    for label, keys in (rows["key"] + " in " + rows["test_set"]).groupby(rows["label"]):
        shown = [*keys[:SHOWN], *["…"][: len(keys) - SHOWN]]
        found.append(f"label {label} in {len(keys)} rows ({', '.join(shown)})")
    raise UserError(
        f"{where}the {columns[-1]} {first[columns[-1]]!r} has two labels",
        expected="0 for real or 1 for fake, the same in all of its rows",
        found="; ".join(found),
        fix="correct the labels, or name different ones differently",
    )


def video_level(table: pd.DataFrame, scores: Scores) -> pd.DataFrame:
    """One row per video, with the mean of its frames' scores (of logits, for a score of that scale).

    Stills are left out: a test set without videos has no rows. A frame without a found face has no score and
    does not count; a video without any has no row: `summary.details` says how it is counted.

    Raises:
        UserError: If the frames of one video have different labels.
    """
    need_one_label(table, "test_set", "source", "video")
    frames = table[table["video"] != ""]
    grouped = frames.groupby(["test_set", "source", "video"], sort=False)
    kept = {name: (name, "first") for name in ("method", "domain", "label", "group")}
    means = {score.column: (score.column, "mean") for score in scores}
    videos = grouped.agg(**kept, **means).reset_index()
    return videos.assign(key=videos["source"] + "/" + videos["video"])


class TestSets(BaseModel):
    """The part of a protocol file that concerns testing; the rest is read by the splits stage.

    Args:
        test: Test sets by name, in the order of the tables.
        unseen: Those whose forgery method or image domain was not trained on.
    """

    __test__ = False  # not a test case, whatever pytest makes of the name

    model_config = ConfigDict(frozen=True, extra="ignore")

    test: dict[str, Any]
    unseen: tuple[str, ...] = ()

    @field_validator("test")
    @classmethod
    def _names_are_free(cls, test: dict[str, Any]) -> dict[str, Any]:
        if taken := [name for name in test if name in TAKEN]:
            raise ValueError(f"no test set can be called {taken[0]!r}: tables have another row of that name")
        return test

    @property
    def names(self) -> tuple[str, ...]:
        """The test sets' names in the protocol's order."""
        return tuple(self.test)


def read_test_sets(protocol: str, folder: Path = Path("protocols")) -> TestSets:
    """Read the test sets of `protocols/<protocol>.yaml`.

    Raises:
        UserError: If there is no such file, or it names no test sets.
    """
    path = folder / f"{protocol}.yaml"
    return parse(TestSets, read_yaml(path), str(path))

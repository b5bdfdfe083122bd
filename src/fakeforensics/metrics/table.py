"""Score tables, from which everything after scoring is computed, and the test sets of a protocol."""

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

TAKEN = ("mean", "mean_unseen", VALIDATION)  # names of other rows, which no test set may have
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
        rows: One row per (test_set, image) with the columns `IDENTITY` and the columns of the scores.
        scores: The descriptions of the scores, in the detector's order.
        trained_on: The machine on which the detector was trained, in words; empty if unknown.
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
            score that is not finite, an image twice in a test set, or an image with two labels.
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
    """The rows of a score table, sorted by the protocol's order of test sets, with an index from 0.

    Args:
        table: A score table.
        test_sets: The names of the protocol's test sets, in order.

    Raises:
        UserError: If the table holds another test set, lacks one, or has a test set of reals alone.
    """
    found = set(table["test_set"].unique())
    if found != set(test_sets):
        raise UserError(
            "the test sets of the scores are not those of the protocol",
            expected=", ".join(test_sets),
            found=", ".join(sorted(found)) or "no score at all",
            fix="run the splits and score stages again; remove a test set without images from the protocol",
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
    """Reject score tables that do not cover all images of the manifests.

    Args:
        path: The score table of the test images, for the message.
        tested: The rows of that table.
        validation: The rows of the score table of the validation images.
        counts: The content of the manifests' `counts.json`.

    Raises:
        UserError: If the number of reals or fakes of a set differs. The message names each such set.
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
    """Reject scores of corrupted images, read from `path`, that do not match the rows of the manifest.

    Args:
        path: The score table, for the message.
        corrupted: The rows of that table.
        asked: The rows of the manifest of the images to corrupt, in the same order.

    Raises:
        UserError: If test sets, keys or labels differ.
    """
    columns = ["test_set", "key", "label"]
    if not corrupted[columns].reset_index(drop=True).equals(asked[columns].reset_index(drop=True)):
        problem = f"{path}: not the scores of the images that the protocol corrupts"
        raise UserError(problem, found=f"{len(corrupted)} rows, {len(asked)} in the manifest", fix=_FIX)


def has_both_classes(rows: pd.DataFrame) -> bool:
    """Whether rows hold both reals and fakes. Most metrics are undefined for one class alone."""
    return rows["label"].nunique() == 2


def need_one_label(table: pd.DataFrame, *columns: str, where: str = "") -> None:
    """Reject an image or a video whose rows have different labels.

    Args:
        table: Rows with the columns label, key and test_set.
        columns: The last column names the image or video; rows in which it is empty are not checked. The
            columns before it say within what the name is unique, such as a source.
        where: Beginning of the message.

    Raises:
        UserError: If there is such an image or video. The message shows its rows.
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
        fix="correct the labels, or give different images different names",
    )


def video_level(table: pd.DataFrame, scores: Scores) -> pd.DataFrame:
    """One row per video, with the mean of its frames' scores; a logit is averaged before its sigmoid.

    Stills are left out, so a test set without videos has no rows. A frame without a detected face has no
    score and does not count. A video without any detected face has no row; see `summary.details`.

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

    __test__ = False  # keeps pytest from collecting a class whose name begins with Test

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

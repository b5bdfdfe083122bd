"""Writes a package's records of the images that the detector learned from and of its errors by method."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pandas as pd

from fakeforensics.errors import UserError
from fakeforensics.files import write_json, write_json_tables
from fakeforensics.images.manifest import read_manifest
from fakeforensics.inference.package import Package
from fakeforensics.inference.training_data import TRAINING, describe_training
from fakeforensics.metrics.spec import find_score
from fakeforensics.metrics.table import read_scores
from fakeforensics.models.card import REFERENCE
from fakeforensics.thresholds.errors import CLEAN, ERRORS, error_rates


def describe_background(
    package: Package, manifests: Path, scores: Path, corrupted: Mapping[str, Path]
) -> None:
    """Write `training.json` and, if there is a decision policy, `errors.json` into a package's folder.

    Args:
        package: The package, with its card and policy.
        manifests: The folder of the protocol's manifests.
        scores: File of the table of test scores.
        corrupted: Files of the tables of the corrupted test images' scores, by corruption.

    Raises:
        UserError: If a file is missing or damaged, or the manifest lacks images that the card counts.
    """
    rows = _seen_rows(package, manifests)
    files = {name: manifests / name for name in ("train.parquet", "val.parquet")}
    training = describe_training(rows, files)
    write_json(package.directory / TRAINING, training.model_dump(mode="json"))
    if package.decision is None:
        return
    seen: dict[Literal["real", "fake"], set[str]] | None = None
    if package.detector.sees != "elsewhere":
        seen = {"real": {*training.reals}, "fake": {*package.training_images()} - {"real", REFERENCE}}
    tables = {name: read_scores(path).rows for name, path in ({CLEAN: scores} | dict(corrupted)).items()}
    score = find_score(package.scores, package.decision.score)
    rates = error_rates(tables, package.decision, score, seen)
    listed = {"score": score.name, "threshold": package.decision.threshold}
    write_json_tables(
        package.directory / ERRORS, listed | {"rows": [row.model_dump(mode="json") for row in rates]}
    )


def _seen_rows(package: Package, manifests: Path) -> pd.DataFrame:
    """The rows of the training manifest whose source and method the detector's card counts.

    A reference set is left out, because it shows other things than the images to judge.
    """
    train = read_manifest(manifests / "train.parquet")
    counted = {
        (source, method)
        for source, methods in package.card.counts.get("train", {}).items()
        for method in methods
        if method != REFERENCE
    }
    pairs = pd.Series([*zip(train["source"], train["method"], strict=True)], index=train.index, dtype=object)
    if missing := counted - {*pairs}:
        raise UserError(
            f"{manifests / 'train.parquet'}: not the images that {package.name} was trained on",
            expected=", ".join(f"{method} of {source}" for source, method in sorted(missing)),
            fix="run `dvc repro`",
        )
    return train[pairs.isin(counted)].drop_duplicates("key")

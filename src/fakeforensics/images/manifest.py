"""Reads a protocol's manifests: the index rows of its training, validation and test images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fakeforensics.errors import UserError
from fakeforensics.images.index import INDEX_RULES, check_in_place
from fakeforensics.parquet import Column, read_parquet

if TYPE_CHECKING:
    import pandas as pd

_NEEDED = ("key", "source", "shard", "offset", "size", "sha256", "method", "label", "box")
_CHECKED = ("key", "label", "split", "test_set", "shard", "raw_path")
MANIFEST_RULES: dict[str, Column] = {
    name: rule._replace(needed=name in _NEEDED) for name, rule in INDEX_RULES.items()
} | {
    "split": Column("text", allowed=("train", "val", "test")),
    "test_set": Column("text"),
    "reference_class": Column("integer", least=0, needed=False),
}


def read_manifest(path: Path, only: Sequence[str] | None = None) -> pd.DataFrame:
    """Read `train`, `val`, `test`, `corrupted` or `reference.parquet` of a protocol.

    Args:
        path: The file.
        only: The columns to read in addition to those that are checked, if the file has them; None reads all.

    Returns:
        The columns of an index, `split`, and `test_set`: the test set of the row, or "". A reference set also
        has `reference_class`.

    Raises:
        UserError: If the file is missing or damaged, or holds rows of another split than its name says, an
            image with two labels, an image twice in a test set, or a training or validation fake twice.
    """
    fix = "run the splits stage first, or again if the file is damaged"
    columns = None if only is None else [*dict.fromkeys((*_CHECKED, *only))]
    table = read_parquet(path, "a manifest", MANIFEST_RULES, fix, only=columns)
    rows: pd.DataFrame = table.to_pandas()
    check_in_place(rows, path, "a manifest", fix)
    splits = {"reference": {"train", "val"}, "corrupted": {"test"}}.get(path.stem, {path.stem})
    tested = rows[rows["test_set"] != ""]
    problems = {
        f"rows of another split: {', '.join(sorted({*rows['split']} - splits))}": {*rows["split"]} <= splits,
        "an image with two labels": not (rows.groupby("key")["label"].nunique() > 1).any(),
        "an image twice in a test set": not tested.duplicated(["test_set", "key"]).any(),
        # `reals: repeated` repeats real images only; a reference set may hold an image twice.
        "a fake twice": path.stem == "reference"
        or not rows[(rows["test_set"] == "") & (rows["label"] == 1)].duplicated("key").any(),
    }
    if found := [problem for problem, is_well in problems.items() if not is_well]:
        raise UserError(f"{path}: not a manifest with valid content", found="\n".join(found), fix=fix)
    return rows

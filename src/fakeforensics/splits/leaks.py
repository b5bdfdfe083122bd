"""What a manifest must never contain; each check names the rows."""

from __future__ import annotations

import pandas as pd

from fakeforensics.errors import UserError

SHOWN = 5


def check_leaks(name: str, rows: pd.DataFrame) -> None:
    """Make sure that nothing is on both sides of a split.

    Args:
        name: The protocol's name.
        rows: All rows of the three manifests with `split`.

    Raises:
        UserError: If a group or identical bytes are in two splits, if the same bytes carry both labels, or if
            training and validation share a person; naming the rows.
    """
    rows = rows.drop_duplicates(["split", "key"])
    for column, what in (
        ("group", "the same group"),
        ("raw_sha256", "files with the same bytes"),
        ("sha256", "images with the same bytes"),
    ):
        _refuse(name, rows, column, "split", f"{what} in two splits")
    for column in ("raw_sha256", "sha256"):
        _refuse(name, rows, column, "label", "the same bytes labelled both real (0) and fake (1)")
    people = rows[(rows["identities"] != "") & (rows["split"] != "test")]
    people = people.assign(identity=people["identities"].str.split(";")).explode(
        "identity", ignore_index=True
    )
    _refuse(name, people, "identity", "split", "the same person in training and validation")


def _refuse(name: str, rows: pd.DataFrame, column: str, by: str, what: str) -> None:
    sides = rows[[column, by]].drop_duplicates()
    crossing = sides.loc[sides.duplicated(column), column].drop_duplicates()
    if crossing.empty:
        return
    shown = rows[rows[column].isin(crossing.head(SHOWN))].sort_values([column, by, "key"], kind="stable")
    # One example a side tells more than all frames of one clip.
    shown = shown.drop_duplicates([column, by])
    lines = [f"{row[by]}: {row['source']}, {row['raw_path']}" for _, row in shown.iterrows()]
    raise UserError(
        f"protocol {name!r}: {what}, {len(crossing)} time{'s' * (len(crossing) > 1)}",
        found="\n".join(lines),
        fix="remove or move one side in the source's folder, or correct what its layout options say",
    )

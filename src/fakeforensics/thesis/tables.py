"""The results that the thesis prints, which the report shows next to ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from fakeforensics.errors import UserError
from fakeforensics.reporting.reference import (
    ApReference,
    Key,
    PublishedThreshold,
    Reference,
    ThresholdReference,
)

OWNER = "the thesis"
# The columns of the printed tables: (detector, score).
COLUMNS: dict[str, Key] = {
    "bce": ("bce", "sl"),
    "sad": ("sad", "cd"),
    "joint_sl": ("joint", "sl"),
    "joint_cd": ("joint", "cd"),
}
_CITATION = (
    "The thesis is Liou, Generalized Fake Image Forensics via Semi-Supervised Anomaly Detection, National "
    "Taiwan University, 2020."
)
_MEANS = {"average": "mean", "average_unseen": "mean_unseen"}  # rows of the printed tables that are averages
_THRESHOLDS, _ITS_PROTOCOL = "table_4_10", "table_4_3"
_THRESHOLD_NOTE = (
    "Table 4.10 names neither its model nor its criterion, and its accuracies do not fit the models of table "
    "4.3. Of the four criteria F1 fits its rows best: recall is at least precision in 11 of 13, as at the "
    "highest F1 (docs/decisions/008-thresholds.md). Compare how far the thresholds are spread, not their "
    "values."
)


@dataclass(frozen=True)
class PilotTable:
    """One of the tables 3.1 to 3.6: accuracy on test sets that hold only fakes, by number of seen instances.

    Args:
        number: The table's number, such as `3.1`.
        train: The generators whose instances are in the training set, joined by "+".
        key: The score that the thesis uses.
        protocols: Number of seen instances → the protocol whose model is tested.
        accuracy: Test set → number of seen instances → printed accuracy in percent.
    """

    number: str
    train: str
    key: Key
    protocols: Mapping[int, str]
    accuracy: Mapping[str, Mapping[int, float]]


def pilot_tables() -> list[PilotTable]:
    """The tables 3.1 to 3.6."""
    return [
        PilotTable(_number(name), table["train"], COLUMNS[table["column"]], table["protocols"], table["test"])
        for name, table in _data().items()
        if name.startswith("table_3_")
    ]


def reference_of(protocol: str, table: str | None) -> Reference | None:
    """What the thesis prints about a protocol.

    Args:
        protocol: The protocol's name; it identifies the protocols of the pilot study.
        table: The protocol's key `reference`, such as `table_4_6`.

    Returns:
        None if the thesis prints nothing about it.

    Raises:
        UserError: If the thesis has no such table of results.
    """
    pilots = [one.number for one in pilot_tables() if protocol in one.protocols.values()]
    if table is None and not pilots:
        return None
    known = [name for name in _data() if name.startswith(("table_3_", "table_4_")) and name != _THRESHOLDS]
    if table is not None and table not in known:
        raise UserError(
            f"protocol {protocol!r}: there is no reference table {table!r}",
            expected=", ".join(known),
            fix="set `reference: null`, or name the table that the protocol repeats",
        )
    numbers = pilots or [_number(str(table))]
    printed = f"table{'s' * (len(numbers) > 1)} {' and '.join(numbers)}"
    return Reference(
        owner=OWNER,
        table=f"{printed} of the thesis",
        tag=f"thesis, {printed}",
        citation=_CITATION,
        labels=_data()["labels"],
        ap=_ap(table) if table is not None and "rows" in _data()[table] else None,
        thresholds=_thresholds() if table == _ITS_PROTOCOL else None,
        lambdas=() if pilots else tuple(map(float, _data()["setup"]["lambda_grid"])),
    )


def label(test_set: str) -> str:
    """The name of a test set in the thesis; other test sets keep their name."""
    return str(_data()["labels"].get(test_set, test_set))


def _number(table: str) -> str:
    return table.removeprefix("table_").replace("_", ".")


def _ap(name: str) -> ApReference:
    table = _data()[name]
    keys = [COLUMNS[column] for column in table["columns"]]
    rows = {test_set: dict(zip(keys, values, strict=True)) for test_set, values in table["rows"].items()}
    means = {_MEANS[kind]: rows.pop(kind) for kind in _MEANS if kind in rows}
    return ApReference(rows, means)


def _thresholds() -> ThresholdReference:
    table = _data()[_THRESHOLDS]
    rows = {
        name: PublishedThreshold(**dict(zip(table["columns"], row, strict=True)))
        for name, row in table["rows"].items()
    }
    return ThresholdReference(
        COLUMNS[table["column"]], "table 4.10 of the thesis", table["criterion"], rows, _THRESHOLD_NOTE
    )


@cache
def _data() -> dict[str, Any]:
    text = files("fakeforensics.thesis").joinpath("tables.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data

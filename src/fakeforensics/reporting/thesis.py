"""The thesis's own figures, against which ours are set."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml

from fakeforensics.errors import UserError

AVERAGES = ("average", "average_unseen")


@dataclass(frozen=True)
class ApReference:
    """One of tables 4.3 to 4.9: average precision per test set.

    Args:
        number: The table's number, such as `4.6`.
        title: What it shows.
        rows: Test set → column key → average precision in percent, in the thesis's order.
        averages: `average` or `average_unseen` → column key → percent, where the thesis prints one.
    """

    number: str
    title: str
    rows: MappingProxyType[str, dict[str, float]]
    averages: MappingProxyType[str, dict[str, float]]


@dataclass(frozen=True)
class PilotReference:
    """One of tables 3.1 to 3.6: accuracy on fake-only sets by number of seen instances.

    Args:
        number: The table's number, such as `3.1`.
        train: The generators whose instances were seen.
        column: The key of the column whose detector the thesis trained.
        accuracy: Test set → number of seen instances → accuracy in percent.
    """

    number: str
    train: str
    column: str
    accuracy: MappingProxyType[str, dict[int, float]]


def load_reference(name: str) -> ApReference | PilotReference:
    """A table of the thesis, by the name that a protocol's `reference` gives.

    Args:
        name: Such as `table_4_6`.

    Raises:
        UserError: If the thesis has no such result table.
    """
    tables = {key: value for key, value in _data().items() if key.startswith(("table_3_", "table_4_"))}
    del tables["table_4_10"]  # thresholds: a table of its own kind
    if name not in tables:
        raise UserError(
            f"protocol: there is no reference table {name!r}",
            expected=", ".join(tables),
            fix="set `reference: null`, or name the table that the protocol repeats",
        )
    table = tables[name]
    number = name.removeprefix("table_").replace("_", ".")
    if "columns" not in table:
        return PilotReference(number, table["train"], table["column"], MappingProxyType(table["test"]))
    rows = {set_: dict(zip(table["columns"], values, strict=True)) for set_, values in table["rows"].items()}
    averages = {key: rows.pop(key) for key in AVERAGES if key in rows}
    return ApReference(number, table["title"], MappingProxyType(rows), MappingProxyType(averages))


@dataclass(frozen=True)
class OptimalThreshold:
    """A row of table 4.10, in percent but for the threshold, which is a sigmoid's output."""

    precision: float
    recall: float
    threshold: float
    accuracy: float


def optimal_thresholds() -> dict[str, OptimalThreshold]:
    """Table 4.10: test set → the threshold that is optimal there, and what it gives."""
    return {name: OptimalThreshold(*values) for name, values in _data()["table_4_10"]["rows"].items()}


def thresholds_column() -> str:
    """The key of the column beside which table 4.10 is shown."""
    return str(_data()["table_4_10"]["column"])


def label(test_set: str) -> str:
    """How the thesis prints a test set's name; other sets keep their own."""
    return str(_data()["labels"].get(test_set, test_set))


@cache
def _data() -> dict[str, Any]:
    text = files("fakeforensics.thesis").joinpath("tables.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data

"""Class counts per split, as the manifests hold them."""

from __future__ import annotations

from typing import Any

from fakeforensics.reporting.contents import Block, Cell, Column, Row, Table, Text
from fakeforensics.reporting.project import ProtocolResults

_COLUMNS = (Column("Real"), Column("Fake"), Column("By method", numeric=False))


def count_blocks(results: ProtocolResults) -> list[Block]:
    """The table of class counts, what was dropped and which identities overlap."""
    counts = results.counts
    if counts is None:
        return [Text(f"No counts: `data/manifests/{results.name}/counts.json` is missing.", "warning")]
    rows = [_row("Training", counts["train"]), _row("Validation", counts["val"])]
    rows += [
        _row(f"Test: {results.label(name)}", count, unseen=name in results.protocol.unseen)
        for name, count in counts["test"].items()
    ]
    demo = "Demo data: images" if results.protocol.is_demo else "Images"
    table = Table(f"{demo} per class and split.", "Split", _COLUMNS, tuple(rows))
    return [table, *_remarks("Left out", counts.get("dropped")), *_overlap(counts.get("identity_overlap"))]


def _row(title: str, count: dict[str, Any], unseen: bool = False) -> Row:
    methods = ", ".join(f"{method} {_number(n)}" for method, n in count.get("methods", {}).items())
    return Row(
        title, (Cell(_number(count["real"])), Cell(_number(count["fake"])), Cell(methods)), unseen=unseen
    )


def _remarks(title: str, values: dict[str, Any] | None) -> list[Block]:
    told = {key: value for key, value in (values or {}).items() if value}
    if not told:
        return []
    words = "; ".join(f"{key.replace('_', ' ')}: {_plain(value)}" for key, value in told.items())
    return [Text(f"{title}: {words}.", "note")]


def _overlap(values: dict[str, Any] | None) -> list[Block]:
    return _remarks("Identities found in more than one split", values)


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return _number(value)


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)

"""The settings and versions behind a protocol's models, as their cards record them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fakeforensics.reporting.contents import EMPTY, Block, Cell, Column, Row, Table
from fakeforensics.reporting.project import ProtocolResults

_LONGEST = 64  # characters of a value


def fact_blocks(results: ProtocolResults) -> list[Block]:
    """One table: a row for each fact in any model's `model.json`, a column for each model."""
    cards = {run: dict(flatten(card)) for run, card in results.cards.items()}
    if not cards:
        return []
    names = list(dict.fromkeys(name for card in cards.values() for name in card))
    rows = [Row(name, tuple(Cell(card.get(name, EMPTY)) for card in cards.values())) for name in names]
    demo = "Demo data: what" if results.protocol.is_demo else "What"
    columns = tuple(Column(run, numeric=False) for run in cards)
    paths = [f"models/{results.name}/{run}/model.json" for run in cards]
    caption = f"{demo} each model's card records: {', '.join(f'`{path}`' for path in paths)}."
    return [Table(caption, "Setting", columns, tuple(rows))]


def flatten(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as dotted names with shown values: `train.betas` → `0.9, 0.999`.

    The items of a list of objects are numbered from 1.
    """
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        value = {str(number): item for number, item in enumerate(value, start=1)}
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flatten(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, _shown(value)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        text = ", ".join(_shown(item) for item in value)
    else:
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

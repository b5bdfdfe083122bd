"""Class counts per split, as the manifests hold them."""

from __future__ import annotations

from collections.abc import Iterator
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
    return [table, *(Text(remark, "note") for remark in _remarks(counts))]


def _row(title: str, count: dict[str, Any], unseen: bool = False) -> Row:
    methods = ", ".join(f"{method} {n:,}" for method, n in count.get("methods", {}).items())
    return Row(title, (Cell(f"{count['real']:,}"), Cell(f"{count['fake']:,}"), Cell(methods)), unseen=unseen)


def _remarks(counts: dict[str, Any]) -> Iterator[str]:
    """What was left out, sub-sampled, and which persons cannot be kept apart."""
    for source, reasons in counts.get("dropped", {}).items():
        told = "; ".join(f"{n:,} ({reason})" for reason, n in reasons.items() if n)
        if told:
            yield f"Left out of {source}: {told}."
    for what, n in counts.get("subsampled", {}).items():
        yield f"{what} was sub-sampled from {n:,} images."
    if instances := counts.get("instances"):
        sizes = {(count["real"], count["fake"]) for count in instances.values()}
        each = " or ".join(f"{real:,} real and {fake:,} fake" for real, fake in sorted(sizes))
        yield f"Each of the {len(instances)} models is trained on {each} images of these."
    for source, people in counts.get("identity_overlap", {}).items():
        yield (
            f"{source}: {people['train_test']} of the {people['test']} persons in test videos are trained on "
            f"too, and {people['val_test']} are validated on."
        )

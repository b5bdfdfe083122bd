"""What the audit of a protocol's images found: formats that give fakes away, and copies across splits."""

from __future__ import annotations

from typing import Any

from fakeforensics.reporting.contents import EMPTY, Block, Cell, Column, Row, Table, Text
from fakeforensics.reporting.format_table import format_table
from fakeforensics.reporting.project import ProtocolResults

_BIAS = (Column("Real files"), Column("Fake files"), Column("AUC"), Column("p-value"))
_SPLITS = {"train": "training", "val": "validation", "test": "test"}


def audit_blocks(results: ProtocolResults) -> list[Block]:
    """Warnings first, then format bias, the formats of each class, and copies; nothing without an audit."""
    audit = results.audit()
    if audit is None:
        return []
    demo = "Demo data: " if results.protocol.is_demo else ""
    blocks: list[Block] = [
        *_bias_warnings(results, audit["format_bias"]),
        _bias_table(results, audit["format_bias"], demo),
        format_table(audit["formats"], demo),
        _copies_table(audit["copies"], demo),
    ]
    near = audit["copies"].get("near_across_splits")
    if near and near["pairs"]:
        blocks += [_near_warning(near), _pairs_table(near, demo)]
    return blocks


def _bias_warnings(results: ProtocolResults, biases: dict[str, dict[str, Any]]) -> list[Text]:
    return [
        Text(
            f"The file format alone tells real from fake in {where}: "
            f"`p = {bias['p_value']:g}`, AUC {bias['auc']:.2f}. "
            "A detector may learn it in place of the forgery. "
            + "; ".join(bias["telling"] or ["It takes a combination of properties"])
            + ".",
            "warning",
        )
        for name, bias in biases.items()
        for where in ("the training images" if name == "train" else results.label(name),)
        if bias["is_biased"]
    ]


def _bias_table(results: ProtocolResults, biases: dict[str, dict[str, Any]], demo: str) -> Table:
    rows = [
        Row(
            _set(results, name),
            (
                Cell(f"{bias['real']:,}"),
                Cell(f"{bias['fake']:,}"),
                Cell(EMPTY if bias["auc"] is None else f"{bias['auc']:.2f}"),
                Cell(EMPTY if bias["p_value"] is None else f"{bias['p_value']:g}", alarm=bias["is_biased"]),
            ),
            unseen=name in results.protocol.unseen,
        )
        for name, bias in biases.items()
    ]
    notes = [
        "AUC of a cross-validated classifier that sees format, size, JPEG quality and chroma sampling and "
        "not one pixel; 0.5 is chance. p-value: the share of random labellings on which it does as well; "
        "below 0.01 it stands out."
    ]
    if any(bias["auc"] is None for bias in biases.values()):
        notes.append(f"{EMPTY}: fewer than ten files of a class, too few to test.")
    if one_class := [name for name in results.protocol.test if name not in biases]:
        labels = ", ".join(results.label(name) for name in one_class)
        notes.append(f"Not tested, as there is nothing but fakes: {labels}.")
    return Table(
        f"{demo}{'does' if demo else 'Does'} the file format alone tell real from fake?",
        "Images",
        _BIAS,
        tuple(rows),
        tuple(notes),
    )


def _set(results: ProtocolResults, name: str) -> str:
    return "Training" if name == "train" else results.label(name)


def _copies_table(copies: dict[str, Any], demo: str) -> Table:
    rows = [
        Row(
            f"The same bytes within {title}", (Cell(f"{copies['identical_within_split'][split]:,}"), Cell(""))
        )
        for split, title in _SPLITS.items()
    ]
    rows.append(Row("The same bytes across splits", (Cell("0"), Cell("the splits stage stops at the first"))))
    near = copies.get("near_across_splits")
    found = Cell(EMPTY) if near is None else Cell(f"{near['pairs']:,}", alarm=near["pairs"] > 0)
    how = f"pairs among {near['checked']:,} of {near['of']:,} images" if near else "not looked for"
    rows.append(Row("Near copies across splits", (found, Cell(how))))
    columns = (Column("Images"), Column("Remark", numeric=False))
    return Table(
        f"{demo}{'images' if demo else 'Images'} that repeat another.", "Copies", columns, tuple(rows)
    )


def _near_warning(near: dict[str, Any]) -> Text:
    return Text(
        f"{near['pairs']:,} pairs of images in different splits look alike by a perceptual hash: where they "
        "show the same picture, the test is easier than it claims.",
        "warning",
    )


def _pairs_table(near: dict[str, Any], demo: str) -> Table:
    columns = (Column("looks like", numeric=False), Column("Bits that differ"))
    rows = tuple(
        Row(pair["one"], (Cell(pair["other"]), Cell(str(pair["bits"])))) for pair in near["examples"]
    )
    shown = f", the first {len(rows)}" if len(rows) < near["pairs"] else ""
    return Table(f"{demo}{'near' if demo else 'Near'} copies across splits{shown}.", "Image", columns, rows)

"""Writes a report as Markdown, pictures beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from fakeforensics.images.images import decode
from fakeforensics.reporting.contents import (
    EMPTY,
    Block,
    Cell,
    Chapter,
    Figure,
    Gallery,
    Report,
    Row,
    Section,
    Strip,
    Table,
    Text,
)
from fakeforensics.reporting.drawing import save_png
from fakeforensics.reporting.thumbnails import to_jpeg

UNSEEN_MARK = "†"
PICTURES = "pictures"
_GAP = 4  # pixels between thumbnails


def write_markdown(report: Report, folder: Path) -> Path:
    """Write `report.md` and `pictures/` into a folder; returns the text's path."""
    parts = [f"# {report.title}", report.lead]
    if report.banner:
        parts.append(f"> **{report.banner}**")
    parts += [_chapter(chapter, folder) for chapter in report.chapters]
    path = folder / "report.md"
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def _chapter(chapter: Chapter, folder: Path) -> str:
    tags = "".join(f" · {tag}" for tag in chapter.tags)
    parts = [f"## {_inline(chapter.title)}"]
    if tags:
        parts.append(f"*`{chapter.short}`{tags}*")
    parts += [_section(section, folder) for section in chapter.sections]
    return "\n\n".join(parts)


def _section(section: Section, folder: Path) -> str:
    blocks = [_block(block, folder) for block in section.blocks]
    return "\n\n".join([f"### {_inline(section.title)}", *blocks])


def _block(block: Block, folder: Path) -> str:
    match block:
        case Table():
            return _table(block)
        case Figure():
            return _figure(block, folder)
        case Gallery():
            strips = [_strip(strip, folder) for strip in block.strips]
            return "\n\n".join([_inline(block.caption), *strips])
        case Text():
            start = {"plain": "", "note": "> ", "warning": "> ⚠ "}[block.tone]
            return start + _inline(block.text)


def _table(table: Table) -> str:
    parts = [_inline(table.caption), _grid(table, lambda cell: _value(cell))]
    if table.has_references:
        parts.append("The same table in the thesis, and in parentheses ours minus the thesis's:")
        parts.append(_grid(table, _beside, details=False))
    notes = [_inline(note) for note in table.notes]
    if any(row.unseen for row in table.rows):
        notes.insert(0, f"{UNSEEN_MARK} unseen.")
    return "\n\n".join(parts + notes)


def _grid(table: Table, show: Callable[[Cell], str], details: bool = True) -> str:
    titles = [f"{column.group} {column.title}".strip() for column in table.columns]
    details = details and any(row.detail for row in table.rows)
    head = [table.stub, *titles] + (["Images"] if details else [])
    rule = ["---"] + ["---:" if column.numeric else "---" for column in table.columns]
    rule += ["---"] if details else []
    lines = [head, rule]
    lines += [
        [_label(row), *(show(cell) for cell in row.cells)] + ([_inline(row.detail)] if details else [])
        for row in table.rows
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _label(row: Row) -> str:
    name = _inline(row.label) + (f" {UNSEEN_MARK}" if row.unseen else "")
    return f"**{name}**" if row.summary else name


def _value(cell: Cell) -> str:
    text = _inline(cell.text)
    text = f"⚠ **{text}**" if cell.alarm else f"**{text}**" if cell.best else text
    return f"{text} ({_inline(cell.interval)})" if cell.interval else text


def _beside(cell: Cell) -> str:
    if cell.difference is None:
        return cell.reference or EMPTY
    return f"{cell.reference} ({signed(cell.difference)})"


def signed(difference: float) -> str:
    """A difference in percentage points with its sign; a real minus sign keeps columns aligned."""
    shown = f"{abs(difference):.2f}"
    if float(shown) == 0:
        return "±0.00"
    return ("+" if difference > 0 else "−") + shown


def _figure(figure: Figure, folder: Path) -> str:
    path = folder / PICTURES / f"{figure.name}.png"
    save_png(figure.canvas, path)
    return f"![{_inline(figure.alt)}]({path.relative_to(folder).as_posix()})\n\n{_inline(figure.caption)}"


def _strip(strip: Strip, folder: Path) -> str:
    path = folder / PICTURES / f"{strip.name}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [decode(item.jpeg) for item in strip.thumbnails]
    gap = np.full((images[0].shape[0], _GAP, 3), 255, np.uint8)
    path.write_bytes(to_jpeg(np.hstack([part for image in images for part in (gap, image)][1:])))
    titles = ", ".join(f"{item.title} ({item.score})" for item in strip.thumbnails)
    return (
        f"{_inline(strip.label)}: {strip.wrong} of {len(strip.thumbnails)} wrong. "
        f"From the left, with scores: {_inline(titles)}.\n\n"
        f"![{_inline(strip.label)}]({path.relative_to(folder).as_posix()})"
    )


def _inline(text: str) -> str:
    """Keep names from becoming markup: a bar ends a table's cell, a star begins emphasis."""
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;").replace("\n", " ")

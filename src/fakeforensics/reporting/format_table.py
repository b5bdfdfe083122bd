"""How the files of each class are coded: format, size, JPEG quality and chroma sampling."""

from __future__ import annotations

from typing import Any

from fakeforensics.reporting.contents import EMPTY, Cell, Column, Row, Table

_PROPERTIES = {
    "format": "Format",
    "size": "Size, pixels",
    "jpeg_quality": "JPEG quality",
    "chroma_sampling": "Chroma",
}
_NONE = {"", "-1"}  # how the audit writes that a file has no such property
_OTHERS = "others"
_SHOWN = 3
_APART = 0.05  # share of the files by which a fake class must differ to be set in bold

Formats = dict[str, dict[str, Any]]


def format_table(formats: Formats, demo: str = "") -> Table:
    """A row for each source, domain and method, the real class of a domain first.

    Args:
        formats: `formats` of audit.json.
        demo: What the caption begins with.
    """
    rows = tuple(_row(formats, name) for name in sorted(formats, key=lambda name: _place(formats, name)))
    notes = ["A property without a number is the same in all files of the class."]
    if any(cell.best for row in rows for cell in row.cells):
        notes.append(
            "Bold: more than 5 % of the files differ from the real images of the same source and "
            "domain. Whether that is more than chance, the p-values say."
        )
    columns = (Column("Files"), *(Column(title, numeric=False) for title in _PROPERTIES.values()))
    start = f"{demo}how" if demo else "How"
    return Table(f"{start} the files of each class are coded.", "Class", columns, rows, tuple(notes))


def _place(formats: Formats, name: str) -> tuple[str, int, str]:
    return name.rpartition("/")[0], int(formats[name]["label"]), name


def _row(formats: Formats, name: str) -> Row:
    mine = formats[name]
    real = formats.get(f"{name.rpartition('/')[0]}/real") if mine["label"] else None
    cells = [
        Cell(_shares(mine[key], mine["files"]), best=real is not None and _apart(mine, real, key) > _APART)
        for key in _PROPERTIES
    ]
    return Row(name.replace("/", " / "), (Cell(f"{mine['files']:,}"), *cells))


def _shares(counts: dict[str, int], files: int) -> str:
    """`95 (88 %), 75 (12 %)`; a single value without its share."""
    if len(counts) == 1:
        return _name(next(iter(counts)))
    values = sorted((item for item in counts.items() if item[0] != _OTHERS), key=lambda item: -item[1])
    parts = [f"{_name(value)} ({_percent(n, files)})" for value, n in values[:_SHOWN]]
    rest = files - sum(n for _, n in values[:_SHOWN])
    return ", ".join(parts + ([f"others ({_percent(rest, files)})"] if rest else []))


def _name(value: str) -> str:
    return EMPTY if value in _NONE else value.replace("x", " × ")


def _percent(part: int, files: int) -> str:
    share = 100 * part / files
    return "<1 %" if 0 < share < 1 else f"{share:.0f} %"


def _apart(one: dict[str, Any], other: dict[str, Any], key: str) -> float:
    """Total variation between two classes' values of a property, from 0 to 1."""
    values = {*one[key], *other[key]}
    apart = sum(
        abs(one[key].get(value, 0) / one["files"] - other[key].get(value, 0) / other["files"])
        for value in values
    )
    return float(apart) / 2

"""Writes a report as one HTML file that needs nothing else: no network, no script, no font."""

from __future__ import annotations

import base64
import re
from importlib.resources import files
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from fakeforensics.reporting.contents import Block, Figure, Report, Table
from fakeforensics.reporting.drawing import SUBSCRIPT, to_svg
from fakeforensics.reporting.markdown import signed

_DEEPEST = 10.0  # percentage points at which a difference has its full color
_PALEST, _FULL = 8, 55  # per cent of color


def write_html(report: Report, folder: Path) -> Path:
    """Write `report.html` into a folder; returns its path."""
    environment = Environment(
        loader=PackageLoader("fakeforensics.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "inline": inline,
        "pill": pill,
        "svg": _svg,
        "data_uri": data_uri,
        "column_groups": column_groups,
        "kind": _kind,
    }
    css = files("fakeforensics.reporting").joinpath("templates/report.css").read_text(encoding="utf-8")
    page = environment.get_template("report.html.j2").render(report=report, css=Markup(css))  # noqa: S704
    path = folder / "report.html"
    path.write_text(page.lstrip(), encoding="utf-8")
    return path


def inline(text: str) -> Markup:
    """Escape text; what is in backticks becomes code, and elsewhere `S_XY` gets its subscript."""
    parts = re.split(r"`([^`]+)`", str(escape(text)))  # every second one was in backticks
    html = "".join(
        f"<code>{part}</code>" if place % 2 else SUBSCRIPT.sub(r"\1<sub>\2</sub>", part)
        for place, part in enumerate(parts)
    )
    return Markup(html)  # noqa: S704 (escaped above)


def pill(difference: float) -> Markup:
    """A difference in percentage points, the more colored the larger."""
    weight = _PALEST + (_FULL - _PALEST) * min(abs(difference) / _DEEPEST, 1)
    shown = signed(difference)
    tone = {"+": "better", "−": "worse"}.get(shown[0], "same")
    html = Markup('<span class="difference {}" style="--weight: {:.0f}%">{}</span>')
    return html.format(tone, weight, shown)


def data_uri(jpeg: bytes) -> str:
    """A JPEG as an address that holds it."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def column_groups(table: Table) -> list[tuple[str, int]]:
    """The headings above the headings, each with the number of columns that it spans."""
    return [
        (group, len(list(columns)))
        for group, columns in groupby(table.columns, key=lambda column: column.group)
    ]


def _kind(block: Block) -> str:
    return type(block).__name__


def _svg(figure: Figure) -> Markup:
    svg = to_svg(figure.canvas, prefix=re.sub(r"\W+", "-", figure.name))
    width = 6.6 * figure.canvas.get_figwidth()  # rem: a picture's text is then as large as a note's
    start = Markup('<svg role="img" aria-label="{}" style="--natural: {:.1f}rem" ').format(figure.alt, width)
    return start + Markup(svg.removeprefix("<svg "))  # noqa: S704 (matplotlib escapes what it draws)

"""Renders a page and writes it into a folder, with its pictures as separate files."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.figure import Figure as Canvas

from fakeforensics.files import atomic_directory
from fakeforensics.palette import COLORS, DARK
from fakeforensics.reporting.blocks import SUBSCRIPT, Figure, Report, Table, Thumbnail
from fakeforensics.reporting.figures import STYLE

PAGE, SHEET = "index.html", "thumbnails.jpg"
_DEEPEST = 10.0  # percentage points at which a difference has its full color
_PALEST, _FULL = 8, 55  # share of color for the smallest and the largest difference, in percent
_ACROSS = 8  # thumbnails in a row of the sheet
_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 88)


def write_page(report: Report, folder: Path) -> Path:
    """Write `index.html` and its pictures into a folder, replacing its content.

    A folder that already holds the same bytes is left as it is.

    Args:
        report: The page.
        folder: The folder.

    Returns:
        The path of `index.html`.
    """
    beside = PictureFiles()
    found = {PAGE: render(report, beside).encode(), **beside.files()}
    if _read(folder) != found:
        with atomic_directory(folder) as temporary:
            for name, data in found.items():
                (temporary / name).write_bytes(data)
    return folder / PAGE


def _read(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


@dataclass
class PictureFiles:
    """Collects the pictures of a page while it is rendered, and returns the HTML elements that show them.

    Figures become SVG files. All thumbnails are parts of one JPEG, because DVC needs milliseconds per file.

    Attributes:
        figures: File name → content of an SVG file.
        thumbnails: The thumbnails in the order of the sheet.
    """

    figures: dict[str, bytes] = field(default_factory=dict)
    thumbnails: list[Thumbnail] = field(default_factory=list)

    def figure(self, figure: Figure) -> Markup:
        """An element that shows a figure."""
        name = f"{figure.name}.svg"
        self.figures[name] = to_svg(figure.canvas).encode()
        width, height = figure.canvas.get_size_inches()
        # At 6.6 rem per inch, the text of a picture is as large as the text of a note.
        html = Markup(
            '<img src="{}" alt="{}" width="{:.0f}" height="{:.0f}" style="--natural: {:.1f}rem" '
            'loading="lazy">'
        )
        return html.format(name, figure.alt, 72 * width, 72 * height, 6.6 * width)

    def thumbnail(self, thumbnail: Thumbnail) -> Markup:
        """An element that shows one part of the sheet of thumbnails."""
        row, column = divmod(len(self.thumbnails), _ACROSS)
        self.thumbnails.append(thumbnail)
        side = len(thumbnail.pixels)
        alt = thumbnail.title + (", wrong" if thumbnail.wrong else "")
        html = Markup(
            '<svg class="thumbnail" viewBox="{} {} {} {}" role="img" aria-label="{}"><title>{}</title>'
            '<image href="{}" width="{}"/></svg>'
        )
        return html.format(side * column, side * row, side, side, alt, alt, SHEET, side * _ACROSS)

    def files(self) -> dict[str, bytes]:
        """File name → content."""
        return self.figures | ({SHEET: self._sheet()} if self.thumbnails else {})

    def _sheet(self) -> bytes:
        pixels = [one.pixels for one in self.thumbnails]
        empty = np.full_like(pixels[0], 255)
        pixels += [empty] * (-len(pixels) % _ACROSS)
        rows = [np.hstack(pixels[start : start + _ACROSS]) for start in range(0, len(pixels), _ACROSS)]
        rgb = np.vstack(rows)
        return cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), _QUALITY)[1].tobytes()


@cache
def _environment() -> Environment:
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
        "data_uri": _data_uri,
        "column_groups": column_groups,
        "anchor": lambda title: re.sub(r"\W+", "-", title.lower()).strip("-"),
        "kind": lambda block: type(block).__name__,
    }
    return environment


def render(report: Report, pictures: PictureFiles | None = None) -> str:
    """Render a page as HTML. It loads nothing from the network: no fonts and no scripts.

    Args:
        report: The page.
        pictures: Collects its figures and thumbnails, which are files next to the page; None if it has none.
    """
    templates = files("fakeforensics.reporting").joinpath("templates")
    css, script = (
        templates.joinpath(f"report.{kind}").read_text(encoding="utf-8").strip() for kind in ("css", "js")
    )
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            pictures=pictures or PictureFiles(),
            light=COLORS,
            dark=DARK,
            css=Markup(css),  # noqa: S704
            script=Markup(script) if report.is_sortable else "",  # noqa: S704
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )
    return page.lstrip()


def inline(text: str) -> Markup:
    """Escape text. Words in backticks become code; elsewhere the text after `S_` becomes a subscript."""
    parts = re.split(r"`([^`]+)`", str(escape(text)))  # every second part was in backticks
    html = "".join(
        f"<code>{part}</code>" if place % 2 else SUBSCRIPT.sub(r"\1<sub>\2</sub>", part)
        for place, part in enumerate(parts)
    )
    return Markup(html)  # noqa: S704 (escaped above)


def pill(difference: float) -> Markup:
    """An element that shows a difference in percentage points. A larger difference has more color."""
    weight = _PALEST + (_FULL - _PALEST) * min(abs(difference) / _DEEPEST, 1)
    shown = f"{abs(difference):.2f}"
    sign, tone = ("+", "better") if difference > 0 else ("−", "worse")
    if float(shown) == 0:
        sign, tone = "±", "same"
    html = Markup('<span class="difference {}" style="--weight: {:.0f}%">{}</span>')
    return html.format(tone, weight, sign + shown)


def column_groups(table: Table) -> list[tuple[str, int]]:
    """The headings of the groups of columns, each with the number of columns that it spans."""
    return [
        (group, len(list(columns)))
        for group, columns in groupby(table.columns, key=lambda column: column.group)
    ]


def _data_uri(picture: bytes) -> str:
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64," + base64.b64encode(picture).decode()


def to_svg(figure: Canvas) -> str:
    """A picture as an SVG file, with a style sheet that changes the colors in a browser with a dark theme.

    Programs that do not support such style sheets show the light colors, which the elements have.
    """
    buffer = io.StringIO()
    with rc_context(STYLE):
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = svg.replace("'DejaVu Sans'", "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif")
    end = svg.index(">") + 1
    return f"{svg[:end]}\n<style>@media (prefers-color-scheme: dark) {{{_dark_rules()}}}</style>{svg[end:]}"


@cache
def _dark_rules() -> str:
    changed: Sequence[tuple[str, str]] = [(COLORS[role], color) for role, color in DARK.items()]
    return "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
        for light, dark in changed
        for kind in ("fill", "stroke")
    )

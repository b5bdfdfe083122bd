"""What a report says, apart from how it is written down: Markdown and HTML are made from the same blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

EMPTY = "–"


@dataclass(frozen=True)
class Cell:
    """One value of a table.

    Args:
        text: The value as shown.
        interval: Its 95 % interval as shown, or "".
        reference: The thesis's value as shown, or "".
        difference: Ours minus the thesis's, in percentage points.
        best: Whether it is the best of its row, or otherwise to be seen first.
        alarm: Whether it is a finding that must not be overlooked.
    """

    text: str
    interval: str = ""
    reference: str = ""
    difference: float | None = None
    best: bool = False
    alarm: bool = False


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Args:
        label: What it is about.
        cells: One for each column.
        detail: Small print under the label.
        unseen: Whether it is a test set whose forgery method or domain training never saw.
        summary: Whether it sums up the rows above.
        link: The anchor of the chapter that tells more, or "".
    """

    label: str
    cells: tuple[Cell, ...]
    detail: str = ""
    unseen: bool = False
    summary: bool = False
    link: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        title: Its heading.
        group: A heading that it shares with its neighbours, or "".
        numeric: Whether its values are aligned as numbers.
    """

    title: str
    group: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """A table, its caption above and its notes below."""

    caption: str
    stub: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def has_references(self) -> bool:
        """Whether any value stands beside one of the thesis."""
        return any(cell.reference for row in self.rows for cell in row.cells)


@dataclass(frozen=True)
class Figure:
    """A picture drawn by matplotlib.

    Args:
        name: Its file name without suffix, unique in the report; `/` makes folders.
        caption: What one sees, and what to look for.
        alt: The same in a few words, for those who cannot see it.
        draw: Makes the picture.
    """

    name: str
    caption: str
    alt: str
    draw: Callable[[], Canvas]

    @cached_property
    def canvas(self) -> Canvas:
        """The picture, drawn once for all formats."""
        return self.draw()


@dataclass(frozen=True)
class Thumbnail:
    """A small image.

    Args:
        jpeg: A JPEG file.
        title: What it is.
        score: The detector's score as shown.
        wrong: Whether the detector gets it wrong.
    """

    jpeg: bytes
    title: str
    score: str
    wrong: bool


@dataclass(frozen=True)
class Strip:
    """Thumbnails side by side.

    Args:
        name: A file name without suffix, unique in the report.
        label: What they have in common.
        thumbnails: From the worst on.
    """

    name: str
    label: str
    thumbnails: tuple[Thumbnail, ...]

    @property
    def wrong(self) -> int:
        """How many of the images the detector gets wrong."""
        return sum(item.wrong for item in self.thumbnails)


@dataclass(frozen=True)
class Gallery:
    """Strips of thumbnails under one caption."""

    caption: str
    strips: tuple[Strip, ...]


@dataclass(frozen=True)
class Text:
    """A paragraph; `backticks` set code. A warning stands out."""

    text: str
    tone: Literal["plain", "note", "warning"] = "plain"


Block = Table | Figure | Gallery | Text


@dataclass(frozen=True)
class Section:
    """A titled run of blocks; a folded one starts closed where the format can do that."""

    title: str
    blocks: tuple[Block, ...]
    folded: bool = False


@dataclass(frozen=True)
class Chapter:
    """All about one protocol, or about all of them.

    Args:
        anchor: Its name in links.
        title: Its heading.
        short: Its name in the table of contents.
        tags: Words set beside the heading, such as `demo` or `thesis, table 4.6`.
        sections: What it says.
    """

    anchor: str
    title: str
    short: str
    tags: tuple[str, ...]
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Report:
    """A whole report.

    Args:
        title: Its heading.
        lead: What it is, in a sentence or two.
        banner: A remark that stands above everything, or "".
        chapters: The overview, then one chapter a protocol.
    """

    title: str
    lead: str
    banner: str
    chapters: tuple[Chapter, ...]

"""The parts of a report: plain records that the page's template loops over."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import UInt8

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

EMPTY = "–"
SUBSCRIPT = re.compile(r"\b([A-Za-z])_([A-Za-z0-9]+)\b")  # one letter before `_`, unlike test sets' names


@dataclass(frozen=True)
class Cell:
    """One value of a table, as text.

    Args:
        text: The value.
        interval: Its 95% interval, or other small print below it.
        reference: The published value.
        difference: Ours minus the published value, in percentage points.
        best: Whether it is set in bold.
        alarm: Whether it is set in red, as a finding that readers must not miss.
        low: The lower end of its interval, on the scale of `text`.
    """

    text: str
    interval: str = ""
    reference: str = ""
    difference: float | None = None
    best: bool = False
    alarm: bool = False
    low: float | None = None


def percent(
    ours: float | None, reference: float | None = None, interval: tuple[float, float] | None = None
) -> Cell:
    """A percentage with two digits, the published value and the interval; None if one is missing."""
    return Cell(
        text=EMPTY if ours is None else f"{ours:.2f}",
        interval="" if interval is None else f"{interval[0]:.1f} … {interval[1]:.1f}",
        reference="" if reference is None else f"{reference:.2f}",
        difference=None if ours is None or reference is None else ours - reference,
        low=None if interval is None else interval[0],
    )


def mark_best(cells: Sequence[Cell], chance: float | None = None) -> tuple[Cell, ...]:
    """Mark the highest value of a row, or several if their printed values are equal.

    Nothing is marked if the row has a single value.

    Args:
        cells: The row.
        chance: The value of a random guess, in percent; None if it is unknown. A value is not marked if its
            interval, or without one the value itself, is not above chance.
    """
    values = [float(cell.text) for cell in cells if cell.text != EMPTY]
    best = max(values) if len(values) > 1 else None
    return tuple(
        replace(cell, best=True)
        if cell.text != EMPTY and float(cell.text) == best and _is_above(cell, chance)
        else cell
        for cell in cells
    )


def _is_above(cell: Cell, chance: float | None) -> bool:
    return chance is None or (float(cell.text) if cell.low is None else cell.low) > chance


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Args:
        label: Its heading.
        cells: One per column; without cells the row is a heading for the rows below.
        detail: Small print below the label.
        unseen: Whether it is a test set whose forgery method or image domain training never saw.
        summary: Whether it summarizes the rows above.
        link: The address of the details: `#` and an anchor, or another page.
        mark: A warning about the row in two or three words.
    """

    label: str
    cells: tuple[Cell, ...] = ()
    detail: str = ""
    unseen: bool = False
    summary: bool = False
    link: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table. Neighboring columns of the same `group` share a second heading, its name."""

    title: str
    group: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """A table with its caption above and its notes below.

    Args:
        caption: What the table shows.
        stub: Heading of the column of row labels.
        columns: The other columns.
        rows: The rows.
        notes: Notes below the table.
        owner: The source of the published values that are printed below ours, such as `the thesis`.
        folded: Whether it starts closed; a click on its caption opens it.
    """

    caption: str
    stub: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    owner: str = ""
    folded: bool = False

    @property
    def is_sortable(self) -> bool:
        """Whether readers may sort the rows: there are more than two, and none is a heading for others."""
        movable = [row for row in self.rows if not row.summary]
        return len(movable) > 2 and all(row.cells for row in self.rows)

    @property
    def has_references(self) -> bool:
        """Whether any published value is printed next to ours."""
        return any(cell.reference for row in self.rows for cell in row.cells)


@dataclass(frozen=True)
class Figure:
    """A picture drawn by matplotlib.

    Args:
        name: File name without suffix, unique on its page.
        caption: What the picture shows, and what to look for.
        alt: What it shows, for readers who cannot see the picture.
        draw: Draws it.
    """

    name: str
    caption: str
    alt: str
    draw: Callable[[], Canvas]

    @cached_property
    def canvas(self) -> Canvas:
        """The picture, drawn once."""
        return self.draw()


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """A small square image with its name.

    Args:
        pixels: RGB values.
        title: Its name.
        score: The detector's score as text; empty in contact sheets.
        wrong: Whether the detector calls it the wrong class.
    """

    pixels: UInt8[np.ndarray, "side side 3"]
    title: str
    score: str = ""
    wrong: bool = False


@dataclass(frozen=True)
class Strip:
    """Thumbnails in a line, the worst first. `note` says how many of all images are wrong like these."""

    label: str
    thumbnails: tuple[Thumbnail, ...]
    note: str = ""


@dataclass(frozen=True)
class Gallery:
    """Strips of thumbnails under one caption."""

    caption: str
    strips: tuple[Strip, ...]


@dataclass(frozen=True)
class Picture:
    """A PNG or JPEG in its original size, with a title below it."""

    data: bytes
    title: str


@dataclass(frozen=True)
class Pictures:
    """Pictures next to each other under one caption."""

    caption: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Text:
    """A paragraph; words in backticks become code. The tones `note` and `warning` stand out."""

    text: str
    tone: Literal["plain", "note", "warning"] = "plain"


@dataclass(frozen=True)
class Facts:
    """Short answers in sentences, each with a title, such as `Use`."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Samples:
    """Real and fake images of one set of images, without scores."""

    label: str
    reals: tuple[Thumbnail, ...]
    fakes: tuple[Thumbnail, ...]
    unseen: bool = False


@dataclass(frozen=True)
class ContactSheet:
    """Samples of several sets, one below the other, under one caption."""

    caption: str
    rows: tuple[Samples, ...]


Block = Table | Figure | Gallery | ContactSheet | Pictures | Facts | Text


@dataclass(frozen=True)
class Section:
    """Blocks under a heading; a folded section starts closed."""

    title: str
    blocks: Sequence[Block]
    folded: bool = False


@dataclass(frozen=True)
class Chapter:
    """The results of one protocol, or a study over several protocols.

    Args:
        anchor: Its name in links, and its folder if it has a separate page.
        title: Its heading.
        short: Its name in the table of contents.
        sections: Its content; sections without blocks are left out.
        tags: Words next to the heading, such as `thesis, table 4.6`.
        banner: A remark above everything else.
        covers: The protocols whose figures it combines, so that the overview does not list them.
    """

    anchor: str
    title: str
    short: str
    sections: tuple[Section, ...]
    tags: tuple[str, ...] = ()
    banner: str = ""
    covers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """A page: a heading, an introduction of a few sentences, and chapters.

    Args:
        title: The heading.
        lead: The introduction.
        chapters: The chapters.
        home: The address of the page above this one; empty for none.
        is_sortable: Whether a script lets readers sort tables and open all sections at once.
    """

    title: str
    lead: str
    chapters: tuple[Chapter, ...]
    home: str = ""
    is_sortable: bool = False

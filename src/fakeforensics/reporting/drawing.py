"""What all pictures share: colors by role, a quiet style, and saving that gives the same bytes each time."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

# The colors of the columns of a result table, in order. Each of the last four differs from all others in
# lightness or hue, also for readers with a color vision deficiency.
_SERIES = ("#767f8c", "#d9720a", "#0a9384", "#3b50d0", "#590d0d", "#b574e6", "#884707", "#27127d")
# One hexadecimal value per role. In the HTML report each becomes the CSS variable of that name, so that a
# picture follows the reader's light or dark theme.
COLORS = {
    "ink": "#1c2430",
    "muted": "#667180",
    "rule": "#d5dae1",
    "paper": "#fefefe",
    **{f"series-{number}": color for number, color in enumerate(_SERIES)},
    "real": "#2a78b8",
    "fake": "#c8423a",
    "thesis": "#1b1e24",
}
SUBSCRIPT = re.compile(r"\b([A-Za-z])_([A-Za-z0-9]+)\b")  # a longer word before `_` is a test set's name
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.edgecolor": COLORS["rule"],
    "axes.labelcolor": COLORS["muted"],
    "axes.titlecolor": COLORS["ink"],
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": COLORS["rule"],
    "grid.linewidth": 0.6,
    "xtick.color": COLORS["muted"],
    "ytick.color": COLORS["muted"],
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "text.color": COLORS["ink"],
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "figure.facecolor": COLORS["paper"],
    "savefig.facecolor": COLORS["paper"],
    "svg.fonttype": "none",
    "svg.hashsalt": "fake-forensics",
}


def series_color(place: int) -> str:
    """The color of the column at that place, from 0; they repeat after eight."""
    return _SERIES[place % len(_SERIES)]


def canvas(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Canvas, Any]:
    """A picture with a grid of axes in the report's style.

    Args:
        width: In inches.
        height: In inches.
        rows: Of axes.
        columns: Of axes.
        options: As for `Figure.subplots`.

    Returns:
        The picture and its axes as an array of shape (rows, columns).
    """
    with rc_context(_STYLE):
        figure = Canvas(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(rows, columns, squeeze=False, **options)


def legend(figure: Canvas, handles: list[Any]) -> None:
    """Put a legend above the panels."""
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=4,
        fontsize=9,
        frameon=False,
        labelcolor=COLORS["ink"],
    )


def hide(axes: Axes) -> None:
    """Blank an axes that a grid has too many."""
    axes.set_axis_off()


def subscript(name: str) -> str:
    """A column's heading as matplotlib writes it: what follows `S_` becomes a subscript."""
    return SUBSCRIPT.sub(r"\1$_{\2}$", name)


def save_png(figure: Canvas, path: Path) -> None:
    """Write a picture as PNG, without the version that matplotlib puts in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context(_STYLE):
        figure.savefig(path, dpi=150, metadata={"Software": None})


def to_svg(figure: Canvas, prefix: str) -> str:
    """A picture as an SVG element whose colors are CSS variables.

    Args:
        figure: The picture.
        prefix: Set before each id, so that several pictures can stand in one page.
    """
    buffer = io.StringIO()
    with rc_context(_STYLE):
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    for role, color in COLORS.items():
        svg = svg.replace(color, f"var(--{role})")
    svg = svg.replace("'DejaVu Sans'", "var(--sans)")
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\1{prefix}-", svg)
    # Inside a page the namespaces are known, and no address is left in it.
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", svg, count=1)
    return re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", svg, count=1)

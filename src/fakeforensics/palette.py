"""Colors by meaning, shared by all pictures and pages."""

from __future__ import annotations

# Lines, bars and table columns use these in order. Each of the last four differs from all others in lightness
# or hue, also for readers with a color vision deficiency.
SERIES = ("#767f8c", "#d9720a", "#0a9384", "#3b50d0", "#590d0d", "#b574e6", "#884707", "#27127d")
COLORS = {
    "ink": "#1c2430",
    "muted": "#667180",
    "rule": "#d5dae1",
    "paper": "#fefefe",
    **{f"series-{number}": color for number, color in enumerate(SERIES)},
    "real": "#2a78b8",  # blue and red stay apart for color-blind readers; green and red do not
    "fake": "#c8423a",
    "inconclusive": "#b07d00",
}
# Replacements on a dark page; a color that is not listed stays the same.
DARK = {
    "ink": "#e6eaf0",
    "muted": "#98a4b3",
    "rule": "#2e3743",
    "paper": "#181d25",
    "series-0": "#a3adba",
    "series-1": "#f0993f",
    "series-2": "#3cc7b5",
    "series-3": "#8c9eff",
    "series-4": "#dc1849",
    "series-5": "#ab499b",
    "series-6": "#f3e0c8",
    "series-7": "#725aed",
    "real": "#63b0ee",
    "fake": "#f0837b",
    "inconclusive": "#e3b341",
}


def series_color(place: int) -> str:
    """The color of a series by its position, from 0; the colors repeat after eight."""
    return SERIES[place % len(SERIES)]


def rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of a color written as `#rrggbb`."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)

"""Writes the report's folder: all of it, or nothing."""

from __future__ import annotations

from pathlib import Path

from fakeforensics.files import atomic_directory
from fakeforensics.reporting.contents import Report
from fakeforensics.reporting.html import write_html
from fakeforensics.reporting.markdown import write_markdown


def write_report(report: Report, folder: Path) -> None:
    """Write `report.md` with its pictures and `report.html` into `folder`, replacing what it held."""
    with atomic_directory(folder) as temporary:
        write_markdown(report, temporary)
        write_html(report, temporary)

"""The list of a source's raw files with their hashes: what the pipeline depends on instead of the files."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fakeforensics.files import sha256_file, write_text
from fakeforensics.sources.layout import Layout
from fakeforensics.sources.open import read_records

UNREADABLE = ""


def inventory(layout: Layout, workers: int | None = None) -> list[tuple[str, int, str]]:
    """Relative path, size in bytes and SHA-256 of every file that the layout reads, tables first.

    A file that cannot be read has no SHA-256; the crop stage rejects it with the reason.
    """

    def describe(path: str) -> tuple[str, int, str]:
        file = layout.root / path
        try:
            return path, file.stat().st_size, sha256_file(file)
        except OSError:
            return path, 0, UNREADABLE

    paths = [*map(str, layout.tables()), *(record.path for record in read_records(layout))]
    # Hashing and reading release the interpreter's lock.
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        return list(pool.map(describe, paths))


def write_inventory(layout: Layout, folder: Path) -> list[tuple[str, int, str]]:
    """Write `<folder>/<source>.csv`, and return its rows."""
    rows = inventory(layout)
    write_text(folder / f"{layout.name}.csv", to_csv(rows))
    return rows


def write_empty(source: str, folder: Path) -> None:
    """Write the list of a source whose folder is not there: no rows."""
    write_text(folder / f"{source}.csv", to_csv([]))


def is_empty(source: str, folder: Path) -> bool:
    """Whether a source was listed while its folder was not there."""
    path = folder / f"{source}.csv"
    return path.is_file() and path.read_text(encoding="utf-8") == to_csv([])


def to_csv(rows: Iterable[tuple[str, int, str]]) -> str:
    """The inventory as CSV text; bytes of a file name that are not UTF-8 are escaped."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "bytes", "sha256"])
    writer.writerows((_printable(path), size, digest) for path, size, digest in rows)
    return text.getvalue()


def _printable(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode("utf-8")

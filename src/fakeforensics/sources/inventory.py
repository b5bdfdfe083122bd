"""The list of a source's raw files with their hashes: the pipeline depends on it instead of the files."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fakeforensics.files import printable_path, sha256_file, write_text
from fakeforensics.progress import track
from fakeforensics.sources.base import DatasetAdapter, read_records

UNREADABLE = ""


def inventory(adapter: DatasetAdapter, workers: int | None = None) -> list[tuple[str, int, str]]:
    """Relative path, size in bytes and SHA-256 of every file that the adapter reads, tables first.

    A file that cannot be read has no SHA-256; the faces stage rejects it with the reason.
    """

    def describe(path: str) -> tuple[str, int, str]:
        file = adapter.root / path
        try:
            return path, file.stat().st_size, sha256_file(file)
        except OSError:
            return path, 0, UNREADABLE

    paths = [*map(str, adapter.tables()), *(record.path for record in read_records(adapter))]
    # Hashing and reading release the interpreter's lock.
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        return list(track(pool.map(describe, paths), f"hashing {adapter.name}", "files", len(paths)))


def write_inventory(adapter: DatasetAdapter, folder: Path) -> list[tuple[str, int, str]]:
    """Write `<folder>/<source>.csv` and return its rows."""
    rows = inventory(adapter)
    write_text(folder / f"{adapter.name}.csv", to_csv(rows))
    return rows


def write_empty(source: str, folder: Path) -> None:
    """Write the list of a source whose folder does not exist: no rows."""
    write_text(folder / f"{source}.csv", to_csv([]))


def is_empty(source: str, folder: Path) -> bool:
    """Whether the source's folder did not exist when its files were listed."""
    path = folder / f"{source}.csv"
    return path.is_file() and path.read_text(encoding="utf-8") == to_csv([])


def to_csv(rows: Iterable[tuple[str, int, str]]) -> str:
    """The inventory as CSV text; bytes of a file name that are not UTF-8 are escaped."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "bytes", "sha256"])
    writer.writerows((printable_path(path), size, digest) for path, size, digest in rows)
    return text.getvalue()

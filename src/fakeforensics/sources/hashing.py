"""Hashes many files on all cores. A killed run resumes where it stopped."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from fakeforensics.files import explain_full_disk, hold, printable_path, write_parquet
from fakeforensics.lookahead import look_ahead
from fakeforensics.parquet import Column, read_parquet
from fakeforensics.progress import Progress

One = TypeVar("One")
Result = TypeVar("Result")

UNREADABLE = ""
SHA256_OR_NOTHING = r"^([0-9a-f]{64})?$"
CHUNK = 256  # files per task; with fewer, starting the tasks takes longer than hashing small files
SAVE_EVERY = 5.0  # seconds between saves, so the most work that a killed run loses
_PARTS = "part-*.parquet"
_WHOLE = 2**20  # bytes; a smaller file is read in one call, without a buffer


class FileDigest(NamedTuple):
    """The size, time and hash of a file when it was read.

    Args:
        size: Size in bytes.
        modified: Time of its last change, in nanoseconds since 1970.
        sha256: SHA-256 in hexadecimal digits; "" if the file cannot be read. Size and time are then 0.
    """

    size: int
    modified: int
    sha256: str


def map_in_order(
    work: Callable[[One], Result], items: Sequence[One], workers: int | None = None
) -> Iterator[Result]:
    """Apply a function to items in threads. Only a few results per thread are in memory at a time.

    Args:
        work: The function. Threads help if it reads, hashes or decodes, which releases the interpreter lock.
        items: The items.
        workers: Number of threads; by default one per core.

    Yields:
        The results in the order of the items.
    """
    count = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(count) as pool:

        def submit(item: One) -> Future[Result]:
            return pool.submit(work, item)

        try:
            for _, done in look_ahead(submit, items, 4 * count, ordered=True):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def digest_of(path: Path) -> FileDigest:
    """Size, time of the last change and SHA-256 of a file. All are read from one open file."""
    try:
        with path.open("rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            small = status.st_size < _WHOLE
            digest = hashlib.sha256(file.readall()) if small else hashlib.file_digest(file, "sha256")
    except OSError:
        return FileDigest(0, 0, UNREADABLE)
    return FileDigest(status.st_size, status.st_mtime_ns, digest.hexdigest())


def hash_files(
    root: Path, paths: Sequence[str], scratch: Path, workers: int | None = None
) -> list[FileDigest]:
    """Hash files. After a killed run, files with the same size and time of change are not read again.

    Args:
        root: The folder of the files.
        paths: Paths of the files, relative to `root`.
        scratch: A folder for the hashes of an unfinished run, for these files only. It is removed at the end.
        workers: Number of threads; by default one per core.

    Returns:
        One digest per path.

    Raises:
        UserError: If another process hashes the same files, the disk is full, or the stored hashes of a
            killed run are damaged.
    """
    lock = hold(scratch.with_name(f".{scratch.name}.lock"), f"the hashing of {root}")
    with explain_full_disk(scratch), lock, Progress(f"hashing {root}", "files", len(paths)) as progress:
        known = _read_parts(scratch)

        def read(chunk: Sequence[str]) -> list[FileDigest]:
            return [_unchanged(known.get(path), root / path) or digest_of(root / path) for path in chunk]

        chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
        digests: list[FileDigest] = []
        part, saved, since = len(list(scratch.glob(_PARTS))), 0, time.monotonic()
        for found in map_in_order(read, chunks, workers):
            digests += found
            progress.advance(len(found))
            if time.monotonic() - since >= SAVE_EVERY:
                path = scratch / f"part-{part:06d}.parquet"
                _write_part(path, paths[saved : len(digests)], digests[saved:])
                part, saved, since = part + 1, len(digests), time.monotonic()
        if scratch.is_dir():
            shutil.rmtree(scratch)
    return digests


def _unchanged(known: FileDigest | None, path: Path) -> FileDigest | None:
    """The stored digest of a file, if its size and time of change are still the same; else None."""
    if known is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return known if (status.st_size, status.st_mtime_ns) == known[:2] else None


def _write_part(path: Path, paths: Sequence[str], digests: Sequence[FileDigest]) -> None:
    import pandas as pd

    rows = pd.DataFrame(digests, columns=FileDigest._fields).assign(path=[*map(printable_path, paths)])
    # A file name that is not UTF-8 cannot be stored unambiguously, so such a file is read again.
    write_parquet(path, rows[rows["path"].eq(pd.Series(paths, dtype=object)) & rows["sha256"].ne(UNREADABLE)])


def _read_parts(scratch: Path) -> dict[str, FileDigest]:
    rules = {
        "path": Column("text"),
        "size": Column("integer", least=0),
        "modified": Column("integer"),
        "sha256": Column("text", pattern=SHA256_OR_NOTHING),
    }
    known: dict[str, FileDigest] = {}
    for part in sorted(scratch.glob(_PARTS)):
        table = read_parquet(part, "hashes of a killed run", rules, f"delete the folder {scratch}")
        columns = (table[name].to_pylist() for name in FileDigest._fields)
        known |= zip(table["path"].to_pylist(), map(FileDigest, *columns), strict=True)
    return known

"""Hashing very many files on all cores, so that a killed run resumes where it stopped."""

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
from fakeforensics.parquet import Column, read_parquet
from fakeforensics.processes import look_ahead
from fakeforensics.progress import Progress

One = TypeVar("One")
Result = TypeVar("Result")

UNREADABLE = ""
SHA256_OR_NOTHING = r"^([0-9a-f]{64})?$"
CHUNK = 256  # files of one task: fewer cost more to hand out than to hash
SAVE_EVERY = 5.0  # seconds of work that a kill may cost
_PARTS = "part-*.parquet"
_WHOLE = 2**20  # bytes: a smaller file is read at once, without the buffer that a larger one needs


class FileDigest(NamedTuple):
    """What a file was when it was read.

    Args:
        size: Bytes.
        modified: Nanoseconds of its last change.
        sha256: "" if it cannot be read; size and time are then 0.
    """

    size: int
    modified: int
    sha256: str


def map_in_order(
    work: Callable[[One], Result], items: Sequence[One], workers: int | None = None
) -> Iterator[Result]:
    """Results of threads in the order of the items, of which only a few per thread wait at any time.

    Args:
        work: What is done; worthwhile if it reads, hashes or decodes, which releases the interpreter's lock.
        items: What it is done to.
        workers: Threads; one per core by default.
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
    """Size, time of change and SHA-256 of a file, all of the same opened file."""
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
    """Hash files. After a kill, a file of the same size and time of change is not read again.

    Args:
        root: Their folder.
        paths: Relative to it.
        scratch: A folder of this work alone, which survives a kill and is removed at the end.
        workers: Threads; one per core by default.

    Returns:
        One digest per path.

    Raises:
        UserError: If another process hashes the same files, the disk is full, or what a killed run left is
            damaged.
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
    """What is known of a file, if its size and its time of change are what they were."""
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
    # A name that is not UTF-8 could be taken for another one: such a file is read again.
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

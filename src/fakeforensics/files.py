"""Writing files so that a crash never leaves half of one behind."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from fakeforensics.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

# Key of the metrics, and file in an output folder, that hold why a protocol does not run a detector.
LEFT_OUT = "left_out"

# Begins the name of what is being written; Git and DVC ignore such names.
UNFINISHED = ".unfinished."

_FULL = (errno.ENOSPC, errno.EDQUOT)
_LITTLE = 2**20  # bytes: with less left, an error without a number of its own is that of a full disk


@contextmanager
def explain_full_disk(folder: Path) -> Iterator[None]:
    """Turn the error of a full disk, whichever library raises it, into one that says where and what to do.

    Args:
        folder: Where the block writes.

    Raises:
        UserError: If the block fails because the disk is full.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(existing).free
        number = error.errno if isinstance(error, OSError) else None
        # Some libraries write through code of their own, whose errors have no number.
        if number not in _FULL and (number is not None or free >= _LITTLE):
            raise
        raise UserError(
            f"the disk is full, or your quota is used up: {existing}",
            found=f"{free / 2**20:.1f} MiB free",
            fix="free some space and run the same command again: what is finished is kept",
        ) from error


@contextmanager
def hold(path: Path, doing: str, *, wait: bool = False) -> Iterator[None]:
    """Hold a lock while the block runs, so that no other process does the same work in the same place.

    The system ends the lock with the process, however that ends.

    Args:
        path: The lock's file, which is deleted afterwards. It says who holds the lock, and since when.
        doing: What this process does, for the message to another one: "the training of …".
        wait: Whether to wait for another process that holds the lock.

    Raises:
        UserError: If another process holds the lock, unless `wait`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path, doing, wait=wait) as lock:
        try:
            lock.truncate(0)
            now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            lock.write(f"process {os.getpid()} on {socket.gethostname()}, since {now}\n")
            lock.flush()
            yield
        finally:
            path.unlink(missing_ok=True)


def _locked(path: Path, doing: str, *, wait: bool) -> TextIO:
    """Open a file and lock it for this process; it stays locked until it is closed."""
    while True:
        lock = path.open("a+", encoding="utf-8")
        try:
            # A lock of the process, not of the file: a forked child cannot keep it.
            fcntl.lockf(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip()
            lock.close()
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            raise UserError(
                f"{doing} is under way already",
                found=holder or "another process",
                fix="wait until it ends, or end that process, and run the same command again",
            ) from None
        # Between opening and locking, the holder before may have deleted the file.
        if path.exists() and os.path.samestat(os.fstat(lock.fileno()), path.stat()):
            return lock
        lock.close()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its name if the block succeeds.

    The suffix is kept, so that libraries which go by it behave. If the block raises, the temporary file is
    removed and what stood at `path` stays; what a killed process left there goes with the next write.

    Raises:
        UserError: If the disk is full.
    """
    path = Path(path)
    with _unfinished(path, folder=False) as temporary:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield an empty directory beside `path` that replaces it, with all it held, if the block succeeds.

    Raises:
        UserError: If the disk is full.
    """
    path = Path(path)
    with _unfinished(path, folder=True) as temporary:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if path.exists():
            old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f"{UNFINISHED}{path.name}.old."))
            path.replace(old / path.name)
            temporary.replace(path)
            shutil.rmtree(old)
        else:
            temporary.replace(path)


@contextmanager
def scratch_directory(parent: Path) -> Iterator[Path]:
    """Yield an empty directory in `parent` that is gone after the block, as what a killed process left is.

    Raises:
        UserError: If the disk is full.
    """
    with _unfinished(Path(parent) / "scratch", folder=True) as temporary:
        yield temporary


@contextmanager
def _unfinished(path: Path, *, folder: bool) -> Iterator[Path]:
    """A new file or folder beside `path`, locked while the block runs and gone after it."""
    with explain_full_disk(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(path.parent)
        with _flocked(path.parent, fcntl.LOCK_SH, needed=False):
            if folder:
                name = tempfile.mkdtemp(dir=path.parent, prefix=f"{UNFINISHED}{path.name}.")
                handle = os.open(name, os.O_RDONLY)
            else:
                handle, name = tempfile.mkstemp(path.suffix, f"{UNFINISHED}{path.stem}.", path.parent)
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_SH)
    temporary = Path(name)
    try:
        with explain_full_disk(path.parent):
            yield temporary
    finally:
        if folder:
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
        os.close(handle)


@cache
def _remove_unfinished(folder: Path) -> None:
    """Remove what killed processes left in a folder, once per process.

    Whoever is still writing holds a lock on what it writes, and on the folder while it begins. A folder that
    is locked is left as it is: it may be one that this process writes as a whole.
    """
    # Where a file system has no such locks, nothing can be told to be dead, and it stays.
    with suppress(OSError), _flocked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
        for left in folder.glob(f"{UNFINISHED}*"):
            with suppress(OSError), _flocked(left, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(left) if left.is_dir() else left.unlink()


@contextmanager
def _flocked(path: Path, kind: int, *, needed: bool = True) -> Iterator[None]:
    handle = os.open(path, os.O_RDONLY)
    try:
        with nullcontext() if needed else suppress(OSError):
            fcntl.flock(handle, kind)
        yield
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, keys in the order given.

    Raises:
        ValueError: If `value` holds NaN or infinity, which JSON cannot express.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def write_json_tables(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object atomically; of its lists, each item has a line of its own.

    Tables of rows stay short, and a changed row is one line of a diff.

    Raises:
        ValueError: If `value` holds NaN or infinity, which JSON cannot express.
    """
    dump = partial(json.dumps, allow_nan=False, ensure_ascii=False)
    parts = []
    for name, item in value.items():
        if isinstance(item, list) and item:
            text = "[\n    " + ",\n    ".join(map(dump, item)) + "\n  ]"
        else:
            text = dump(item, indent=2).replace("\n", "\n  ")
        parts.append(f"  {dump(name)}: {text}")
    write_text(path, "{\n" + ",\n".join(parts) + "\n}\n")


def write_parquet(path: Path, frame: pd.DataFrame, metadata: dict[bytes, bytes] | None = None) -> None:
    """Write a table atomically, without its row labels.

    The same table gives the same bytes, whatever the version of pandas; pyarrow's own is in every file.

    Args:
        path: The file.
        frame: The table.
        metadata: What to store beside the columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Pandas' own description of the columns is left out: it names versions, and adds nothing to the types.
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(metadata)
    with atomic_path(path) as temporary:
        # With checksums, a changed bit is an error and never another value.
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def expand(path: str) -> tuple[Path, str]:
    """A path with `$VARIABLES` and `~` replaced, and the first variable that is not set, or ""."""
    expanded = os.path.expandvars(str(Path(path).expanduser()))
    unset = re.search(r"\$\{?(\w+)", expanded)
    return Path(expanded), unset.group(1) if unset else ""


def printable_path(path: str) -> str:
    r"""`path` with undecodable bytes written as `\xNN`, so that parquet, CSV and terminals can hold it."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current

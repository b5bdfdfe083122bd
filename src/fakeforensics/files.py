"""Writes files atomically: a crash never leaves a partial file behind."""

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

# Key in the metrics, and name of a file in an output folder. Both hold why a protocol skips a detector.
LEFT_OUT = "left_out"

# Prefix of files and folders that are being written; Git and DVC ignore such names.
UNFINISHED = ".unfinished."

_FULL = (errno.ENOSPC, errno.EDQUOT)
_LITTLE = 2**20  # bytes: with less free space, an error without a number counts as that of a full disk


@contextmanager
def explain_full_disk(folder: Path) -> Iterator[None]:
    """Turn the error of a full disk, from any library, into one that names the disk and says what to do.

    Args:
        folder: The folder that the block writes to.

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
        # Some libraries write with their own code, whose errors have no number.
        if number not in _FULL and (number is not None or free >= _LITTLE):
            raise
        raise UserError(
            f"the disk is full, or your quota is used up: {existing}",
            found=f"{free / 2**20:.1f} MiB free",
            fix="free some space and run the same command again: what is finished is kept",
        ) from error


@contextmanager
def hold(path: Path, doing: str, *, wait: bool = False) -> Iterator[None]:
    """Hold a lock while the block runs, so that no other process does the same work.

    The system releases the lock when the process ends, even if it is killed.

    Args:
        path: The lock's file, which is deleted afterwards. It records the process that holds the lock and
            the time since when.
        doing: What this process does, for the message that another process shows: "the training of …".
        wait: Whether to wait while another process holds the lock.

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
                f"{doing} is already running",
                found=holder or "another process",
                fix="wait until that process ends, or end it, and run the same command again",
            ) from None
        # Between opening and locking, the previous holder may have deleted the file.
        if path.exists() and os.path.samestat(os.fstat(lock.fileno()), path.stat()):
            return lock
        lock.close()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; the file is renamed to `path` if the block succeeds.

    The temporary path has the same suffix, because some libraries choose a format by it. If the block raises,
    the temporary file is removed and an existing file at `path` stays. The next process that writes to the
    folder removes temporary files that a killed process left.

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
    """Yield an empty directory next to `path`; it replaces `path` and all its content if the block succeeds.

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
    """Yield an empty directory in `parent`, and remove it after the block.

    The next process that writes to `parent` removes directories that a killed process left.

    Raises:
        UserError: If the disk is full.
    """
    with _unfinished(Path(parent) / "scratch", folder=True) as temporary:
        yield temporary


@contextmanager
def _unfinished(path: Path, *, folder: bool) -> Iterator[Path]:
    """A new file or folder next to `path`, locked while the block runs and removed after it."""
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

    A process that writes holds a lock on its temporary file or folder, and on the parent folder while it
    begins. A locked parent folder is left unchanged: this process may be writing it as a whole.
    """
    # On a file system without such locks nobody can tell what is unused, so nothing is removed.
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
    """Write JSON atomically, with the keys in the given order.

    Raises:
        ValueError: If `value` holds NaN or infinity, which JSON cannot express.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def write_json_tables(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object atomically, with one line per item of each list.

    Tables of rows stay short, and a changed row changes one line of a diff.

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

    The same table gives the same bytes with every version of pandas. pyarrow writes its own version into
    every file.

    Args:
        path: The file.
        frame: The table.
        metadata: Metadata of the schema: values by key.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    # The metadata of pandas is left out: it holds version numbers and adds nothing to the column types.
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(metadata)
    with atomic_path(path) as temporary:
        # With checksums, a changed bit raises an error when the file is read.
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def expand(path: str) -> tuple[Path, str]:
    """Replace `$VARIABLES` and `~`; returns the path and the first variable that is not set, or ""."""
    expanded = os.path.expandvars(str(Path(path).expanduser()))
    unset = re.search(r"\$\{?(\w+)", expanded)
    return Path(expanded), unset.group(1) if unset else ""


def printable_path(path: str) -> str:
    r"""`path` with undecodable bytes written as `\xNN`, as parquet, CSV and terminals need it."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current

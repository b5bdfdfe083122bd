"""Writing files so that a crash never leaves half of one behind."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# Key of the metrics, and file in an output folder, that hold why a protocol does not run a detector.
LEFT_OUT = "left_out"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its name if the block succeeds.

    The suffix is kept, so that libraries which go by it behave. If the block raises, the temporary file is
    removed and what stood at `path` stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yield an empty directory beside `path` that replaces it, with all it held, if the block succeeds."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if path.exists():
            old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old."))
            path.replace(old / path.name)
            temporary.replace(path)
            shutil.rmtree(old)
        else:
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
        pq.write_table(table, temporary, compression="zstd")


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def printable_path(path: str) -> str:
    r"""`path` with undecodable bytes written as `\xNN`, so that parquet, CSV and terminals can hold it."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _umask() -> int:
    current = os.umask(0o022)
    os.umask(current)
    return current

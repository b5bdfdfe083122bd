"""Reads files that an earlier stage or another program wrote; each error names the file."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from fakeforensics.errors import UserError
from fakeforensics.sums import check_listed

REPEAT = "run `dvc repro`, which writes it again"
# Exceptions that Pillow raises on damaged files, found by changing bytes in files of each format.
DAMAGED_IMAGE = (
    *(OSError, SyntaxError, ValueError, EOFError, RuntimeError, TypeError, LookupError, ArithmeticError),
    struct.error,
)


def check_file(path: Path, fix: str = REPEAT, *, listed: bool = True) -> None:
    """Check that a path is a regular file. A folder cannot be read, and reading a named pipe would block.

    Args:
        path: The file.
        fix: What to do if the file cannot be read, for the message.
        listed: Whether to compare the file with the list of digests next to it, if there is one.

    Raises:
        UserError: If the file is missing or not a regular file, or was changed since a stage wrote it.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file", fix=fix)
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "a named pipe or a device"
        raise UserError(f"{path}: not a file", found=kind, fix=fix)
    if listed:
        check_listed(path, fix)


def read_text(path: Path, fix: str = REPEAT, *, listed: bool = True) -> str:
    """Read UTF-8 text.

    Args:
        path: The file.
        fix: What to do if the file cannot be read, for the message.
        listed: As for `check_file`.

    Raises:
        UserError: If the file is missing, not a regular file, not UTF-8, or was changed since it was
            written.
    """
    check_file(path, fix, listed=listed)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not text in UTF-8", found=str(error), fix=fix) from None


def read_json(path: Path, fix: str = REPEAT, *, listed: bool = True) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        path: The file.
        fix: What to do if the file cannot be read, for the message.
        listed: As for `check_file`.

    Raises:
        UserError: If the file is missing, is not a JSON object, holds a key twice, holds NaN or infinity
            (which JSON does not allow), or was changed since it was written.
    """
    text = read_text(path, fix, listed=listed)
    try:
        value = json.loads(text, object_pairs_hook=_each_key_once, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON", found=str(error), fix=fix) from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object", found=type(value).__name__, fix=fix)
    return value


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} appears twice")
    return found


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number in JSON")

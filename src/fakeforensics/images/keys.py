"""Names of stored images: unique, readable, and safe in a tar whatever the raw file was called."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+=@,/")
# A ustar header holds 155 bytes of folders and 100 of name; 18 are kept for "#f1000000#t12.jpg".
_LONGEST_FOLDERS = 155
_LONGEST_NAME = 82


def image_keys(source: str, paths: Sequence[str]) -> list[str]:
    """One key for each raw file: `<source>/<path without suffix>`, safe in a tar and unique.

    Bytes other than ASCII letters, digits and `._-+=@,/` are written `%XX`. Files that differ in their suffix
    alone keep it. A name too long for a tar header is cut and ends in a hash.

    Args:
        source: The source's name, the key's first part.
        paths: Raw paths relative to the source's root, "/"-separated; undecodable bytes as surrogates.

    Returns:
        The keys in the order of `paths`.
    """
    stems = Counter(_without_suffix(path) for path in paths)
    keys = []
    taken: set[str] = set()
    for path in paths:
        stem = _without_suffix(path)
        key = _fit(f"{source}/{_quote(stem if stems[stem] == 1 else path)}", path)
        if key in taken:  # "a" beside "a.jpg" and "a.png"
            key = _hashed(key, path)
        taken.add(key)
        keys.append(key)
    return keys


def frame_key(key: str, frame: int, track: int) -> str:
    """The key of one crop of a raw file.

    Args:
        key: The raw file's key.
        frame: 0-based frame, or -1 for a still.
        track: 0 for the main person.
    """
    if frame >= 0:
        key += f"#f{frame:06d}"
    return key if track == 0 else f"{key}#t{track}"


def printable_path(path: str) -> str:
    r"""`path` with undecodable bytes written as `\xNN`, so that parquet, CSV and terminals can hold it."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _without_suffix(path: str) -> str:
    pure = PurePosixPath(path)
    return str(pure.with_suffix("")) if pure.suffix and pure.stem else path


def _quote(path: str) -> str:
    return "".join(chr(byte) if byte in _SAFE else f"%{byte:02X}" for byte in os.fsencode(path))


def _fit(key: str, path: str) -> str:
    folders, _, name = key.rpartition("/")
    if len(folders) <= _LONGEST_FOLDERS and len(name) <= _LONGEST_NAME:
        return key
    return _hashed(key, path)


def _hashed(key: str, path: str) -> str:
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    source, _, rest = key.partition("/")
    return f"{source}/{rest.replace('/', '_')[: _LONGEST_NAME - 17]}~{digest}"

"""The SHA-256 of every file of a folder, in a list beside them: what was changed since is named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from fakeforensics.errors import UserError
from fakeforensics.files import printable_path, sha256_file, write_text

SUMS = "SHA256SUMS"
_DIGEST = "# SHA-256 of the lines above: "


def write_sums(folder: Path) -> str:
    """Write the SHA-256 of every file of a folder, as `sha256sum -c` reads it; returns its own SHA-256.

    The last line is a comment with the hash of those above, so that a change of this file shows as such.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = "".join(f"{sha256_file(folder / name)}  {name}\n" for name in names if name != SUMS)
    text = f"{lines}{_DIGEST}{hashlib.sha256(lines.encode()).hexdigest()}\n"
    write_text(folder / SUMS, text)
    return hashlib.sha256(text.encode()).hexdigest()


def read_sums(folder: Path) -> dict[str, str]:
    """The hash of each file by name.

    Raises:
        UserError: If the list is missing or was changed.
    """
    path = folder / SUMS
    if not path.is_file():
        raise UserError(f"{SUMS}: no such file")
    text = path.read_bytes().decode("utf-8", "replace")
    lines, _, digest = text.rpartition(_DIGEST)
    if digest != hashlib.sha256(lines.encode()).hexdigest() + "\n":
        raise UserError(f"{SUMS}: changed")
    return {name: found for found, _, name in (line.partition("  ") for line in lines.splitlines())}


def differences(folder: Path) -> Iterator[str]:
    """What is not as it was listed, as `<name>: <what>`: changed, missing, not listed, not a regular file."""
    try:
        expected = read_sums(folder)
    except UserError as error:
        yield str(error)
        return
    found = {
        printable_path(path.relative_to(folder).as_posix()): path
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    for name in sorted(expected.keys() - found.keys()):
        yield f"{name}: missing"
    for name, path in sorted(found.items()):
        if name == SUMS:
            continue
        if name not in expected:
            yield f"{name}: does not belong here"
        elif path.is_symlink() or not path.is_file():
            yield f"{name}: not a regular file"
        elif sha256_file(path) != expected[name]:
            yield f"{name}: changed"


def check_sums(folder: Path, fix: str) -> None:
    """Make sure that a folder holds the files that were listed, unchanged, and no others but hidden ones.

    Args:
        folder: The folder.
        fix: What to do if it does not, for the message.

    Raises:
        UserError: Naming the files that differ.
    """
    if found := [line for line in differences(folder) if not line.startswith(".")]:
        raise UserError(
            f"{folder}: its files are not those that were written together",
            expected=f"the files of {SUMS}, unchanged",
            found="\n".join(found),
            fix=fix,
        )

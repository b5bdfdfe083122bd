"""The SHA-256 of files that were written together, in a list beside them: what was changed since is named.

A folder has its list in `SHA256SUMS`. Files of one detector that share a folder with those of others, such as
`joint.json` and `joint.details.json`, have it in `joint.sha256`. `sha256sum -c` reads both in that folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from fakeforensics.errors import UserError
from fakeforensics.files import printable_path, sha256_file, write_text

SUMS = "SHA256SUMS"
LIST = ".sha256"
_DIGEST = "# SHA-256 of the lines above: "


def write_sums(folder: Path, names: Iterable[str] = ()) -> str:
    """Write the SHA-256 of files of a folder, as `sha256sum -c` reads it; returns its own SHA-256.

    The last line is a comment with the hash of those above, so that a change of this file shows as such.

    Args:
        folder: The folder.
        names: Which of its files; all if there are none.
    """
    files = [folder / name for name in names] or [path for path in folder.rglob("*") if path.is_file()]
    return _write(folder / SUMS, (path for path in files if path != folder / SUMS))


def write_list(files: Iterable[Path]) -> None:
    """Write the SHA-256 of some files of a folder beside them, in the list that is named by their first part.

    Args:
        files: Those whose name begins alike, such as `joint.json` and `joint.details.json`.
    """
    files = list(files)
    (path,) = {list_of(file) for file in files}
    _write(path, files)


def list_of(path: Path) -> Path:
    """The list that `write_list` writes for a file."""
    return path.with_name(f"{path.name.partition('.')[0]}{LIST}")


def _write(path: Path, files: Iterable[Path]) -> str:
    names = sorted(file.relative_to(path.parent).as_posix() for file in files)
    lines = "".join(f"{sha256_file(path.parent / name)}  {name}\n" for name in names)
    text = f"{lines}{_DIGEST}{hashlib.sha256(lines.encode()).hexdigest()}\n"
    write_text(path, text)
    return hashlib.sha256(text.encode()).hexdigest()


def read_sums(folder: Path) -> dict[str, str]:
    """The hash of each file of a folder by name.

    Raises:
        UserError: If the list is missing or was changed.
    """
    path = folder / SUMS
    if not path.is_file():
        raise UserError(f"{SUMS}: no such file")
    return _parse(path.read_bytes(), SUMS)


def _parse(data: bytes, name: str) -> dict[str, str]:
    text = data.decode("utf-8", "replace")
    lines, _, digest = text.rpartition(_DIGEST)
    if digest != hashlib.sha256(lines.encode()).hexdigest() + "\n":
        raise UserError(f"{name}: changed")
    return {name: found for found, _, name in (line.partition("  ") for line in lines.splitlines())}


def check_listed(path: Path, fix: str) -> None:
    """Make sure that a file is the one that was listed when it was written, if a list names it.

    The list is beside it, or `SHA256SUMS` in the folder above.

    Args:
        path: The file.
        fix: What to do if it is another, for the message.

    Raises:
        UserError: If it differs, or the list itself was changed.
    """
    for name, expected in _expected(path):
        if (found := sha256_file(path)) != expected:
            raise UserError(
                f"{path}: changed since it was written",
                expected=f"SHA-256 {expected}, from {name}",
                found=f"SHA-256 {found}",
                fix=fix,
            )


def is_listed(path: Path) -> bool:
    """Whether a file was written, as such a list says, even if it is gone since.

    Raises:
        UserError: If the list was changed.
    """
    return any(True for _ in _expected(path))


def _expected(path: Path) -> Iterator[tuple[str, str]]:
    """The names of the lists that name a file, and the hashes there."""
    for listed in (path.with_name(SUMS), list_of(path), path.parent.parent / SUMS):
        if listed == path or not listed.is_file():
            continue
        data = listed.read_bytes()
        if _DIGEST.encode() not in data:  # data sets have such lists, too
            continue
        expected = _parse(data, str(listed)).get(path.relative_to(listed.parent).as_posix())
        if expected is not None:
            yield listed.name, expected


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

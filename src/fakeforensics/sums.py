"""Lists of the SHA-256 of files that were written together, to find files that were changed later.

The list of a folder is its file `SHA256SUMS`. If the files of several detectors share a folder, each detector
has its own list: the list of `joint.json` and `joint.details.json` is `joint.sha256`. `sha256sum -c` reads
both kinds of list in that folder.
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
    """Write the SHA-256 of files of a folder to `SHA256SUMS`, in the format of `sha256sum -c`.

    The last line is a comment with the SHA-256 of the lines above it, so that a change of the list itself is
    detected.

    Args:
        folder: The folder.
        names: Which of its files to list; by default all files below the folder.

    Returns:
        The SHA-256 of the list.
    """
    files = [folder / name for name in names] or [path for path in folder.rglob("*") if path.is_file()]
    return _write(folder / SUMS, (path for path in files if path != folder / SUMS))


def write_list(files: Iterable[Path]) -> None:
    """Write the SHA-256 of files of one folder to the list next to them that `list_of` names.

    Args:
        files: Files whose names have the same part before the first dot, such as `joint.json` and
            `joint.details.json`.
    """
    files = list(files)
    (path,) = {list_of(file) for file in files}
    _write(path, files)


def list_of(path: Path) -> Path:
    """The path of the list that `write_list` writes for a file."""
    return path.with_name(f"{path.name.partition('.')[0]}{LIST}")


def _write(path: Path, files: Iterable[Path]) -> str:
    names = sorted(file.relative_to(path.parent).as_posix() for file in files)
    lines = "".join(f"{sha256_file(path.parent / name)}  {name}\n" for name in names)
    text = f"{lines}{_DIGEST}{hashlib.sha256(lines.encode()).hexdigest()}\n"
    write_text(path, text)
    return hashlib.sha256(text.encode()).hexdigest()


def read_sums(folder: Path) -> dict[str, str]:
    """Read the list of a folder: the SHA-256 of each file by its name.

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
    """Check that a file has the SHA-256 that was listed when it was written, if a list names it.

    The list is in the file's folder, or it is `SHA256SUMS` in the folder above.

    Args:
        path: The file.
        fix: What to do if the file differs, for the message.

    Raises:
        UserError: If the file differs, or the list itself was changed.
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
    """Whether a list names a file, even if the file no longer exists.

    Raises:
        UserError: If the list was changed.
    """
    return any(True for _ in _expected(path))


def _expected(path: Path) -> Iterator[tuple[str, str]]:
    """The lists that name a file: the name of each list, and the SHA-256 that it gives."""
    for listed in (path.with_name(SUMS), list_of(path), path.parent.parent / SUMS):
        if listed == path or not listed.is_file():
            continue
        data = listed.read_bytes()
        if _DIGEST.encode() not in data:  # a list that came with a data set
            continue
        expected = _parse(data, str(listed)).get(path.relative_to(listed.parent).as_posix())
        if expected is not None:
            yield listed.name, expected


def differences(folder: Path) -> Iterator[str]:
    """Compare a folder with its list.

    Yields:
        One text per difference, `<name>: <what>`: changed, missing, not listed, or not a regular file.
    """
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
    """Check that a folder holds exactly the listed files, unchanged. Other hidden files are allowed.

    Args:
        folder: The folder.
        fix: What to do if files differ, for the message.

    Raises:
        UserError: If files differ; the message names them.
    """
    if found := [line for line in differences(folder) if not line.startswith(".")]:
        raise UserError(
            f"{folder}: files were changed since they were written",
            expected=f"the files that {SUMS} lists, unchanged",
            found="\n".join(found),
            fix=fix,
        )

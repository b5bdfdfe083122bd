"""Copies a detector's package from a DVC remote, a repository or an address, and checks it."""

from __future__ import annotations

import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from io import BufferedIOBase
from pathlib import Path, PurePosixPath
from typing import NamedTuple, cast
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import urlopen

from fakeforensics.errors import UserError
from fakeforensics.files import atomic_directory, sha256_file
from fakeforensics.inference.choose import PACKAGES
from fakeforensics.inference.package import Package
from fakeforensics.models.card import CARD
from fakeforensics.names import NAME_PATTERN, check_name
from fakeforensics.reading import check_file
from fakeforensics.sums import SUMS, check_sums, read_sums

LARGEST = 4 * 2**30  # maximum size of a package or its archive, in bytes
LARGEST_SUMS = 2**20  # maximum size of its SHA256SUMS, in bytes
MOST_FILES = 1000
TIMEOUT = 60  # seconds to wait for a server
_CHUNK = 2**20  # bytes read at once
_GIT = re.compile(r"(?:git@|ssh://|git://|git\+ssh://).*|.*\.git/?")
_WEB = ("http", "https", "file")

# Opens a file of the package by its name in SHA256SUMS; raises FileNotFoundError if there is none.
Opener = Callable[[str], BufferedIOBase]


class Obtained(NamedTuple):
    """The copied package, the number and total bytes of its files, and the SHA-256 of its SHA256SUMS."""

    package: Package
    files: int
    size: int
    digest: str


def obtain(
    name: str, origin: str, rev: str | None = None, sha256: str | None = None, root: Path = PACKAGES
) -> Obtained:
    """Copy a package to `root/<name>` and check it. If a check fails, nothing is written.

    Only the files that its SHA256SUMS lists are read, and nothing in them is run or unpickled.

    Args:
        name: `<protocol>/<detector>`.
        origin: A package's folder or zip archive, as a path or as an http, https or file address; a Git or
            DVC repository, as a folder or as an address that ends in .git or begins with ssh:// or git@; or
            the name of a DVC remote of the project in the working directory.
        rev: Revision of the repository, such as a tag; by default its present files.
        sha256: The expected SHA-256 of SHA256SUMS, from the package's author. Without it the function finds
            damaged and incomplete copies, but not a package that somebody replaced.
        root: Folder of the packages.

    Raises:
        UserError: If the name is not valid, the target exists, the origin cannot be read, a file is missing,
            changed or too large, or the package belongs to another detector.
    """
    protocol, slash, detector = name.partition("/")
    if not slash:
        expected = "<protocol>/<detector>, such as demo/joint"
        raise UserError(f"{name!r} is not a model's name", expected=expected)
    place = root / check_name(protocol) / check_name(detector)
    if place.exists():
        raise UserError(f"{place}: the package already exists", fix="move the folder away, or keep using it")
    with _opener(f"packages/{name}", origin, rev) as opener, atomic_directory(place) as folder:
        size = _copy(opener, SUMS, folder, LARGEST_SUMS, origin)
        digest = sha256_file(folder / SUMS)
        if sha256 is not None and digest != sha256.lower():
            raise UserError(
                f"{origin}: not the requested package",
                expected=f"{SUMS} with the SHA-256 {sha256.lower()}",
                found=digest,
                fix="ask whoever published the model which of the two is right",
            )
        names = _listed(folder, origin)
        # The card is copied last: other commands ignore a folder without a card.
        for file in sorted(names, key=lambda file: file == CARD):
            size += _copy(opener, file, folder, LARGEST - size, origin)
        check_sums(
            folder, f"run the command again; if that does not help, the package at {origin} is damaged"
        )
        if (found := Package(folder).name) != name:
            raise UserError(f"{origin}: holds another model", expected=name, found=found)
    return Obtained(Package(place), len(names) + 1, size, digest)


def _listed(folder: Path, origin: str) -> list[str]:
    """The names of the files that SHA256SUMS lists, after checking that they are paths below the folder."""
    try:
        names = list(read_sums(folder))
    except UserError as error:
        raise UserError(f"{origin}: {error}", fix="the package is damaged: get it from elsewhere") from None
    for name in names:
        path = PurePosixPath(name)
        # `check_sums` ignores hidden files, and `..` looks like one.
        is_hidden = any(part.startswith(".") for part in path.parts)
        is_plain = path.as_posix() == name and name.isprintable() and "\\" not in name
        if is_hidden or path.is_absolute() or not is_plain or name == SUMS:
            raise UserError(
                f"{origin}: {SUMS} lists a name that is not a file of a package",
                expected="paths below the package's folder, none of them hidden",
                found=repr(name),
                fix="do not use this package",
            )
    if len(names) > MOST_FILES or CARD not in names:
        raise UserError(
            f"{origin}: {SUMS} does not list a package",
            expected=f"{CARD} and at most {MOST_FILES:,} files",
            found=f"{len(names):,} files",
        )
    return names


def _copy(opener: Opener, name: str, folder: Path, most: int, origin: str) -> int:
    """Copy one file into a folder; returns its size in bytes."""
    path, size = folder / name, 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = path.open("xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{origin}: {name} is both a file and a folder", found=str(error)) from None
    with target:
        for chunk in _read(opener, name, origin):
            size += len(chunk)
            if size > most:
                raise UserError(
                    f"{origin}: {name} is too large",
                    expected=f"at most {LARGEST_SUMS:,} bytes for {SUMS}, {LARGEST:,} for all files",
                    fix="check that this is a package of fake-forensics",
                )
            target.write(chunk)
    return size


def _read(opener: Opener, name: str, origin: str) -> Iterator[bytes]:
    """The content of one file in pieces. Errors of the origin become `UserError`s."""
    try:
        with opener(name) as source:
            while chunk := source.read(_CHUNK):
                yield chunk
    except FileNotFoundError as error:
        raise UserError(
            f"{origin}: {name} is missing",
            expected=f"a whole package: {SUMS} and every file that it lists",
            found=str(error),
            fix="check the address and the model's name, and whether the model was pushed to the repository",
        ) from None
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise _no_archive(origin, error) from None
    except UserError:
        raise
    except Exception as error:  # each kind of storage has its own errors
        raise UserError(
            f"{origin}: {name} cannot be read",
            found=str(error) or type(error).__name__,
            fix="check the address or the DVC remote's name, the revision, the connection, and whether the "
            "model was pushed",
        ) from error


@contextmanager
def _opener(place: str, origin: str, rev: str | None) -> Iterator[Opener]:
    """A function that opens the package's files at an origin by name."""
    path = Path(origin)
    scheme = urlsplit(origin).scheme
    if _GIT.fullmatch(origin) or (path.is_dir() and not (path / SUMS).is_file()):
        with _repository(place, origin, origin, rev, None) as opener:
            yield opener
        return
    if scheme not in _WEB and not path.exists():
        if not re.fullmatch(NAME_PATTERN, origin):
            raise UserError(
                f"{origin}: no such file or folder",
                expected="a package, a repository, an address, or the name of a DVC remote",
                fix="`fakeforensics models get --help` has examples",
            )
        with _repository(place, origin, None, rev, origin) as opener:
            yield opener
        return
    if rev is not None:
        raise UserError(f"{origin}: not a repository, so it has no revision {rev}", fix="leave out --rev")
    url = origin if scheme in _WEB else path.absolute().as_uri()
    if urlsplit(url).path.endswith(".zip") or path.is_file():
        with _archive(url, origin) as opener:
            yield opener
    else:
        yield lambda name: _open_url(f"{url.rstrip('/')}/{quote(name)}")


def _open_url(url: str) -> BufferedIOBase:
    parts = urlsplit(url)
    if parts.scheme == "file":
        path = Path(unquote(parts.path))
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file")
        check_file(path, "name a package's folder or archive")
        return path.open("rb")
    try:
        answer: BufferedIOBase = urlopen(url, timeout=TIMEOUT)  # noqa: S310 (only http and https come here)
    except HTTPError as error:
        error.close()
        if error.code in (404, 410):
            raise FileNotFoundError(f"{url}: {error}") from None
        raise
    return answer


@contextmanager
def _archive(url: str, origin: str) -> Iterator[Opener]:
    """Opens the members of a zip archive that has a package at its top or in one of its folders."""
    with tempfile.TemporaryDirectory(prefix="fakeforensics.") as folder:
        _copy(lambda _: _open_url(url), "archive", Path(folder), LARGEST, origin)
        try:
            archive = zipfile.ZipFile(Path(folder, "archive"))
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise _no_archive(origin, error) from None
        with archive:
            tops = [name for name in archive.namelist() if PurePosixPath(name).name == SUMS]
            if len(tops) != 1:
                raise UserError(
                    f"{origin}: not the archive of one package",
                    expected=f"one {SUMS}",
                    found=f"{len(tops)}",
                    fix="python -m zipfile -c joint.zip packages/demo/joint writes one",
                )

            def open_member(name: str) -> BufferedIOBase:
                member = tops[0].removesuffix(SUMS) + name
                if member not in archive.NameToInfo:
                    raise FileNotFoundError(f"the archive has no {member}")
                return cast(BufferedIOBase, archive.open(member))

            yield open_member


def _no_archive(origin: str, error: Exception) -> UserError:
    return UserError(
        f"{origin}: not a zip archive, or a damaged zip archive",
        found=str(error) or type(error).__name__,
        fix="pack the folder with `python -m zipfile -c joint.zip packages/demo/joint`, and get it again",
    )


@contextmanager
def _repository(
    place: str, origin: str, url: str | None, rev: str | None, remote: str | None
) -> Iterator[Opener]:
    """Opens the files of a folder that Git or DVC tracks in a repository."""
    try:
        from dvc.api import DVCFileSystem
    except ModuleNotFoundError as missing:
        raise UserError(
            f"{origin}: reading a repository needs the package {missing.name}, which is not installed",
            fix="pip install 'fake-forensics[pipeline]'",
        ) from None
    with closing(DVCFileSystem(url, rev=rev, remote=remote)) as files:
        yield lambda name: files.open(f"{place}/{name}", "rb")

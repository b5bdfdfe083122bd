"""The list of a source's raw files with their hashes, and a digest of the list for the pipeline to depend on.

The list is a parquet file in DVC's cache; the digest is a few lines of JSON in Git.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from fakeforensics.errors import UserError
from fakeforensics.files import printable_path, write_json, write_parquet
from fakeforensics.params import Count, Group
from fakeforensics.parquet import Column, read_parquet
from fakeforensics.parsing import read_json_as
from fakeforensics.sources.base import LABEL_NAMES, DatasetAdapter, RawFile, read_records
from fakeforensics.sources.hashing import SHA256_OR_NOTHING, UNREADABLE, hash_files

if TYPE_CHECKING:
    import pandas as pd

VERSION: Literal[1] = 1  # version of the format of list and digest
TABLES = "lists of labels or splits"
SCRATCH = Path(".scratch/inventory")
SHOWN = 5  # files that a message names
_RULES = {
    "path": Column("text", filled=True),
    "bytes": Column("integer", least=0),
    "sha256": Column("text", pattern=SHA256_OR_NOTHING),
}
_HASH = b"list_sha256"
_BLOCK = 65_536  # rows whose text is in memory at a time
Row = tuple[str, int, str]


class Total(Group):
    """A number of files and their total size in bytes."""

    files: Count
    bytes: Count


class Digest(Group):
    """The digest of a list, which is stored in Git.

    Args:
        version: Version of this format.
        files: Number of files in the list.
        bytes: Their total size.
        unreadable: How many of them cannot be read.
        sha256: SHA-256 of the list as CSV: a line `path,bytes,sha256`, then one line per file in the list's
            order.
        contents: Number and size of the files by "<real or fake>: <domain>/<method>", and of the tables.
    """

    version: Literal[1] = VERSION
    files: Count
    bytes: Count
    unreadable: Count
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    contents: dict[str, Total]


def list_path(source: str, folder: Path) -> Path:
    """The path of the list of a source."""
    return folder / f"{source}.parquet"


def digest_path(source: str, folder: Path) -> Path:
    """The path of the digest of a source's list."""
    return folder / f"{source}.json"


def inventory(adapter: DatasetAdapter, workers: int | None = None, scratch: Path = SCRATCH) -> list[Row]:
    """Relative path, size in bytes and SHA-256 of every file that the adapter reads, tables first.

    A file that cannot be read has no SHA-256; the faces stage rejects it with the reason.

    Args:
        adapter: The source.
        workers: Number of threads that hash; by default one per core.
        scratch: Folder that keeps the hashes of a killed run for the next one.
    """
    return _hashed(adapter, read_records(adapter), workers, scratch)


def write_inventory(
    adapter: DatasetAdapter, folder: Path, workers: int | None = None, scratch: Path = SCRATCH
) -> Digest:
    """Write `<folder>/<source>.parquet` and its digest `<folder>/<source>.json`.

    Args:
        adapter: The source.
        folder: Folder of the lists.
        workers: Number of threads that hash; by default one per core.
        scratch: Folder that keeps the hashes of a killed run for the next one.

    Returns:
        The digest.
    """
    records = read_records(adapter)
    return _write(adapter.name, folder, _hashed(adapter, records, workers, scratch), records)


def write_empty(source: str, folder: Path) -> None:
    """Write a list without rows, for a source whose folder does not exist."""
    _write(source, folder, [], [])


def read_digest(source: str, folder: Path) -> Digest:
    """The digest of a source's list.

    Raises:
        UserError: If it is missing or damaged.
    """
    fix = f"run `fakeforensics data check {source} --update`"
    digest: Digest = read_json_as(Digest, digest_path(source, folder), fix)
    return digest


def read_list(source: str, folder: Path) -> pd.DataFrame:
    """The list of a source: path, bytes and sha256 of each file.

    Raises:
        UserError: If it is missing or damaged, or is not the list that the digest describes.
    """
    path, fix = list_path(source, folder), f"run `dvc checkout {list_path(source, folder)}`, or `dvc pull`"
    table = read_parquet(path, "a list of raw files", _RULES, fix)
    found = (table.schema.metadata or {}).get(_HASH, b"").decode()
    if found != (wanted := read_digest(source, folder).sha256):
        raise UserError(
            f"{path}: not the list that {digest_path(source, folder)} describes",
            expected=f"SHA-256 {wanted}",
            found=f"SHA-256 {found or 'not stated'}",
            fix=fix,
        )
    rows: pd.DataFrame = table.to_pandas()
    return rows


def is_empty(source: str, folder: Path) -> bool:
    """Whether the source's folder did not exist when its files were listed."""
    return digest_path(source, folder).is_file() and read_digest(source, folder).files == 0


def what_is_new(source: str, sizes: Mapping[str, int], folder: Path) -> str | None:
    """How a source's files differ from its list in number or size; no file is read.

    Args:
        source: The source's name.
        sizes: Size in bytes of each file on disk, by its relative path.
        folder: The folder of the lists. If only the digest exists, such as in a clone without pulled data,
            the totals are compared.

    Returns:
        A text such as "files: 3 added, 1 removed" with the names of the first of these files; None if
        nothing differs, or there is no list yet.
    """
    if not digest_path(source, folder).is_file():
        return None
    digest = read_digest(source, folder)
    if not list_path(source, folder).is_file():
        found, listed = (len(sizes), sum(sizes.values())), (digest.files, digest.bytes)
        if found == listed:
            return None
        return f"{found[0]:,} files of {found[1]:,} bytes, listed {listed[0]:,} of {listed[1]:,}"
    rows = read_list(source, folder)
    before = dict(zip(rows["path"], rows["bytes"].tolist(), strict=True))
    now = {printable_path(name): size for name, size in sizes.items()}
    changed: dict[str, list[str]] = {"added": [], "removed": [], "changed in size": []}
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            kind = "added" if name not in before else "removed" if name not in now else "changed in size"
            changed[kind].append(name)
    parts = [f"{len(names):,} {kind}" for kind, names in changed.items() if names]
    named = [f"{kind}: {name}" for kind, names in changed.items() for name in names][:SHOWN]
    return "\n    ".join([f"files: {', '.join(parts)}", *named]) if parts else None


def to_csv(rows: Iterable[Row], header: bool = True) -> str:
    """The inventory as CSV text; bytes of a file name that are not UTF-8 are escaped."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(["path", "bytes", "sha256"])
    writer.writerows((printable_path(path), size, digest) for path, size, digest in rows)
    return text.getvalue()


def _hashed(
    adapter: DatasetAdapter, records: Sequence[RawFile], workers: int | None, scratch: Path
) -> list[Row]:
    paths = [*map(str, adapter.tables()), *(record.path for record in records)]
    # The root is part of the name, because the hashes of another folder are useless.
    root = hashlib.sha256(os.fsencode(adapter.root.absolute())).hexdigest()[:8]
    digests = hash_files(adapter.root, paths, scratch / f"{adapter.name}-{root}", workers)
    return [(path, found.size, found.sha256) for path, found in zip(paths, digests, strict=True)]


def _write(source: str, folder: Path, rows: Sequence[Row], records: Sequence[RawFile]) -> Digest:
    import pandas as pd

    sha256 = hashlib.sha256(to_csv([]).encode())
    for start in range(0, len(rows), _BLOCK):
        sha256.update(to_csv(rows[start : start + _BLOCK], header=False).encode())
    kinds = [f"{LABEL_NAMES[one.label]}: {one.domain}/{one.method}" for one in records]
    kinds = [TABLES] * (len(rows) - len(records)) + kinds
    files, sizes = Counter(kinds), Counter[str]()
    for kind, (_, size, _) in zip(kinds, rows, strict=True):
        sizes[kind] += size
    digest = Digest(
        files=len(rows),
        bytes=sum(sizes.values()),
        unreadable=sum(one == UNREADABLE for *_, one in rows),
        sha256=sha256.hexdigest(),
        contents={kind: Total(files=files[kind], bytes=sizes[kind]) for kind in sorted(files)},
    )
    columns: dict[str, Any] = {
        "path": pd.Series([printable_path(path) for path, *_ in rows], dtype="str"),
        "bytes": pd.Series([size for _, size, _ in rows], dtype="int64"),
        "sha256": pd.Series([one for *_, one in rows], dtype="str"),
    }
    # The digest is written last, because a list is only valid with its digest.
    write_parquet(list_path(source, folder), pd.DataFrame(columns), {_HASH: digest.sha256.encode()})
    write_json(digest_path(source, folder), digest.model_dump())
    return digest

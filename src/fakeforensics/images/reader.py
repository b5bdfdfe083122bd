"""Reads the bytes of an image, from a shard or from the raw file itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from fakeforensics.errors import UserError
from fakeforensics.files import expand
from fakeforensics.images.index import IN_PLACE_FILE
from fakeforensics.images.shards import ShardReader
from fakeforensics.parsing import read_json_as

if TYPE_CHECKING:
    import pandas as pd


class _InPlace(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    root: Annotated[str, Field(min_length=1)]


class Place(NamedTuple):
    """The place of an image's bytes, from the columns of an index or a manifest.

    Args:
        source: The source's name.
        shard: The tar's file name; "" if the image is the whole of a raw file.
        offset: Its first byte in the shard.
        size: Its length in bytes.
        raw_path: The raw file, relative to the source's root; it is only read if there is no shard.
    """

    source: str
    shard: str
    offset: int
    size: int
    raw_path: str = ""

    def named(self, key: str) -> str:
        """The file that holds the image, and the image's key, for messages."""
        if self.shard:
            return f"{self.source}/{self.shard}: the image {key} at {self.offset}"
        return f"{self.source}/{self.raw_path}: the image {key}"

    def restore(self) -> str:
        """What to do about a damaged image, for messages."""
        if self.shard:
            return f"run `dvc checkout`; if that changes nothing, `dvc repro --force faces@{self.source}`"
        return (
            "restore the file; or, if it changed on purpose, run "
            f"`fakeforensics data check {self.source} --update`"
        )


def places(rows: pd.DataFrame) -> list[Place]:
    """The places of the images of an index or a manifest, in the order of its rows."""
    names = [name for name in Place._fields if name in rows]
    return [Place(*values) for values in zip(*(rows[name].tolist() for name in names), strict=True)]


class ImageReader:
    """Reads images by their places. Forked processes and threads may share a reader.

    Args:
        images_root: The folder of all sources' images, `data/images`.
    """

    def __init__(self, images_root: Path) -> None:
        self._root = Path(images_root)
        self._shards = ShardReader(self._root)
        self._raw_roots: dict[str, Path] = {}

    def read(self, place: Place) -> bytes:
        """The bytes of one image.

        Raises:
            UserError: If the shard, the raw file or the source's folder is missing, or the length differs.
        """
        if place.shard:
            return self._shards.read(place.source, place.shard, place.offset, place.size)
        path = self._raw_root(place.source) / place.raw_path
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UserError(
                f"{path}: cannot be read: {error.strerror}",
                expected=f"an image of the source {place.source!r}, whose images are read in place",
                fix=f"{place.restore()}, then `dvc repro`",
            ) from None
        if len(data) != place.size:
            raise UserError(
                f"{path}: the file has changed since the images of the source {place.source!r} were listed",
                expected=f"{place.size} bytes",
                found=f"{len(data)} bytes",
                fix=f"{place.restore()}, then `dvc repro`",
            )
        return data

    def read_row(self, row: Mapping[Any, Any]) -> bytes:
        """The bytes of an image, compared with its SHA-256.

        Args:
            row: A row of an index or a manifest.

        Raises:
            UserError: If the bytes cannot be read, or have another SHA-256.
        """
        place = Place(*(row[name] for name in Place._fields))
        data = self.read(place)
        if (found := hashlib.sha256(data).hexdigest()) != row["sha256"]:
            raise UserError(
                f"{place.named(row['key'])} is not the one in the manifest",
                expected=f"SHA-256 {row['sha256']}",
                found=f"SHA-256 {found}",
                fix=f"{place.restore()}; then `dvc repro` writes manifests of the current images",
            )
        return data

    def has(self, source: str) -> bool:
        """Whether the images of a source are on this machine."""
        folder = self._root / source
        if not (folder / IN_PLACE_FILE).is_file():
            return folder.is_dir()
        path, unset = expand(self._written_root(source))
        return not unset and path.is_dir()

    def close(self) -> None:
        """Close all files; reading opens them again."""
        self._shards.close()

    def _raw_root(self, source: str) -> Path:
        """The source's folder of raw files on this machine."""
        if source not in self._raw_roots:
            root = self._written_root(source)
            path, unset = expand(root)
            if unset or not path.is_dir():
                raise UserError(
                    f"source {source!r}: its images are read in place, and "
                    + (f"the variable {unset} is not set" if unset else f"the folder {path} does not exist"),
                    expected=f"the raw files of the source in {root} (sources.{source}.root)",
                    fix="copy them to this machine; or, on the machine that has them, set "
                    f"sources.{source}.storage to shards, run `dvc repro` and `dvc push`, and run `dvc pull` "
                    "here",
                )
            self._raw_roots[source] = path
        return self._raw_roots[source]

    def _written_root(self, source: str) -> str:
        """The source's folder of raw files as it is written in params.yaml, with variables."""
        fix = f"run `dvc repro --force faces@{source}`, or `dvc pull`"
        folder = self._root / source
        record: _InPlace = read_json_as(_InPlace, folder / IN_PLACE_FILE, fix)
        return record.root

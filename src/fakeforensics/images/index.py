"""The index of a source: one row per image, unique keys, and a placeholder where raw data is missing."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from fakeforensics.errors import UserError
from fakeforensics.files import atomic_directory
from fakeforensics.names import NAME_PATTERN
from fakeforensics.params import Count
from fakeforensics.parquet import LABEL, SHOWN, Column, Kind, read_parquet
from fakeforensics.parsing import read_json_as
from fakeforensics.reading import check_file
from fakeforensics.sums import SUMS

if TYPE_CHECKING:
    import pandas as pd

INDEX_FILE = "index.parquet"
DECISIONS_FILE = "decisions.json"  # rules that decided split, group and label, from `sources.base.decisions`
IN_PLACE_FILE = "in_place.json"  # the folder of images that are read in place
MISSING_FILE = "missing.txt"  # written instead of images: the reason why there are none
REJECTED_FILE = "rejected.csv"
REJECTED_COLUMNS = ("path", "frame", "reason")
UNDETECTED_FILE = "undetected.csv"  # one row per file without an image
UNDETECTED_COLUMNS = ("path", "method", "domain", "label", "group", "own_split", "video")

INDEX_SCHEMA = pa.schema(
    [
        ("key", pa.string()),  # unique; also the name inside the shard
        ("shard", pa.string()),  # file name of the tar; "" if the image is the raw file, read in place
        ("offset", pa.int64()),  # first byte of the image inside the tar; 0 in place
        ("size", pa.int64()),  # bytes
        ("sha256", pa.string()),  # of the stored image bytes
        ("source", pa.string()),
        ("method", pa.string()),  # "real" or the forgery method
        ("domain", pa.string()),
        ("label", pa.int8()),  # 0 real, 1 fake
        ("group", pa.string()),  # never split: a video, or a photograph with its edits
        ("own_split", pa.string()),  # the data set's own split, or ""
        ("identities", pa.string()),  # joined by ";"
        ("video", pa.string()),  # "" for stills
        ("frame", pa.int32()),  # 0-based in display order; -1 for stills
        ("track", pa.int16()),  # 0 is the main person
        ("bridged", pa.bool_()),  # the detector missed the face: the box is interpolated
        ("box", pa.list_(pa.float32())),  # left, top, right, bottom in the upright raw frame; empty if whole
        ("landmarks", pa.list_(pa.float32())),  # x0, y0, x1, y1, … in the upright raw frame
        ("detector_score", pa.float32()),  # NaN if whole or bridged
        ("raw_path", pa.string()),  # relative to the source's root
        ("raw_sha256", pa.string()),
        ("raw_format", pa.string()),  # "JPEG", "PNG", "H264", …
        ("raw_width", pa.int32()),  # upright
        ("raw_height", pa.int32()),
        ("jpeg_quality", pa.int16()),  # estimated, 1 … 100; -1 if not a JPEG
        ("chroma_sampling", pa.string()),  # "4:2:0", …; "" if not known
        ("raw_profile", pa.string()),  # of the codec: "High", …
        ("raw_transfer", pa.string()),  # transfer function as stated: "bt709", …
        ("raw_primaries", pa.string()),  # color primaries as stated; of a still, its ICC profile's name
        ("raw_pixel_aspect", pa.string()),  # width to height of a stored pixel: "1:1", "4:3", …
        ("raw_frame_rate", pa.float32()),  # frames per second; 0 for stills
        ("raw_frames", pa.int32()),  # 1 for stills
        ("instance", pa.string()),  # the generator instance (training seed) behind a fake, or ""
    ]
)
INDEX_COLUMNS: tuple[str, ...] = tuple(INDEX_SCHEMA.names)
_KINDS: dict[pa.DataType, Kind] = {
    pa.string(): "text",
    pa.bool_(): "flag",
    pa.float32(): "number",
    pa.list_(pa.float32()): "numbers",
}
# What the columns of an index may hold, and those of the manifests made of its rows.
INDEX_RULES: dict[str, Column] = {
    field.name: Column(_KINDS.get(field.type, "integer")) for field in INDEX_SCHEMA
} | {
    "key": Column("text", filled=True),
    "shard": Column("text", pattern=r"^(shard-[0-9]+\.tar)?$"),  # never a path
    "offset": Column("integer", least=0),
    "size": Column("integer", least=1),
    "source": Column("text", pattern=NAME_PATTERN),
    "method": Column("text", filled=True),
    "label": LABEL,
    "own_split": Column("text", allowed=("", "train", "val", "test")),
    "frame": Column("integer", least=-1),
    "track": Column("integer", least=0),
}

_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+=@,/")
# A ustar header holds 155 bytes of folders and 100 of name; 18 are reserved for "#f1000000#t12.jpg".
_LONGEST_FOLDERS = 155
_LONGEST_NAME = 82


def read_index(images_root: Path, source: str) -> pd.DataFrame:
    """Read the index of a source: one row per image, sorted by key.

    Args:
        images_root: The folder of all sources' images, `data/images`.
        source: The source's name.

    Raises:
        UserError: If the source has no index yet, or its index is damaged.
    """
    frame: pd.DataFrame = read_index_table(images_root, source).to_pandas()
    return frame


def read_index_table(images_root: Path, source: str, encoded: Sequence[str] = ()) -> pa.Table:
    """Read the index of a source as an Arrow table; errors are those of `read_index`.

    Args:
        images_root: The folder of all sources' images, `data/images`.
        source: The source's name.
        encoded: Columns of text to read as dictionaries.
    """
    path = Path(images_root) / source / INDEX_FILE
    if not path.is_file():
        raise UserError(
            f"{path}: the images of source {source!r} are missing",
            fix=f"run `dvc repro faces@{source}`, or `dvc pull` to fetch them",
        )
    fix = f"run `dvc repro --force faces@{source}`"
    table = read_parquet(path, "an index", INDEX_RULES, fix, once=[["key"]], encoded=encoded)
    where = table.select(["shard", "raw_path"])
    check_in_place(where.filter(pc.equal(where["shard"], "")).to_pandas(), path, "an index", fix)
    return table.select(list(INDEX_COLUMNS))


def check_in_place(rows: pd.DataFrame, path: Path, what: str, fix: str) -> None:
    """Check that the raw path of each row without a shard is below the source's root.

    Args:
        rows: The rows of an index or a manifest.
        path: Its file, for messages.
        what: The kind of file, for messages: "an index".
        fix: What to do about a damaged file, for messages.

    Raises:
        UserError: If a path is empty, absolute or holds `..`; the message has examples.
    """
    in_place = rows.loc[rows["shard"] == ""]
    if in_place.empty:
        return
    if "raw_path" not in in_place:
        raise UserError(f"{path}: not {what} with valid content", found="no column raw_path", fix=fix)
    paths = in_place["raw_path"]
    outside = paths[paths.str.contains(r"^(?:/|$)|(?:^|/)\.\.(?:/|$)", regex=True)]
    if not outside.empty:
        shown = ", ".join(map(repr, outside.unique()[:SHOWN]))
        raise UserError(
            f"{path}: not {what} with valid content",
            found=f"raw_path: {shown} in {len(outside)} rows read in place: not below the source's root",
            fix=fix,
        )


def read_undetected(images_root: Path, source: str) -> pd.DataFrame:
    """Read the list of a source's files that gave no image.

    Args:
        images_root: The folder of all sources' images, `data/images`.
        source: The source's name.

    Returns:
        One row per file: source, path, method, domain, label (0 or 1), group, own_split, video ("" for a
        still). Empty if there is no list.

    Raises:
        UserError: If the file is not a list of this kind, or was changed since it was written.
    """
    import pandas as pd

    path = Path(images_root) / source / UNDETECTED_FILE
    if not path.exists() and not path.with_name(SUMS).exists():  # made by an earlier version
        return pd.DataFrame(columns=["source", *UNDETECTED_COLUMNS])
    fix = f"run `dvc repro --force faces@{source}`"
    check_file(path, fix)
    try:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    except ValueError as error:  # pandas' parser errors and bytes that are not UTF-8
        rows, problem = pd.DataFrame(), str(error)
    else:
        problem = f"columns {', '.join(map(str, rows.columns))}"
    if list(rows.columns) == list(UNDETECTED_COLUMNS):
        wrong = rows.loc[~rows["label"].isin(["0", "1"]), "label"]
        problem = "" if wrong.empty else f"label {wrong.iloc[0]!r}; only 0 and 1 may occur"
    if problem:
        raise UserError(
            f"{path}: not a list of files without an image",
            expected=f"columns {', '.join(UNDETECTED_COLUMNS)}",
            found=problem,
            fix=fix,
        )
    return rows.assign(source=source, label=rows["label"].astype("int8"))


def read_decisions(images_root: Path, source: str) -> dict[str, dict[str, int]]:
    """Read how many files of a source each rule of its adapter decided, by decision and rule.

    Raises:
        UserError: If the record is missing or damaged.
    """
    path = Path(images_root) / source / DECISIONS_FILE
    fix = f"run `dvc repro --force faces@{source}`"
    found: dict[str, dict[str, int]] = read_json_as(dict[str, dict[str, Count]], path, fix)
    return found


def write_missing(folder: Path, why: str) -> None:
    """Write a placeholder for a source whose raw data is missing, so that other sources can proceed.

    Args:
        folder: `data/images/<source>`; it is replaced as a whole.
        why: What is missing, what was expected, and how to get it.
    """
    with atomic_directory(folder) as building:
        (building / MISSING_FILE).write_text(f"{why}\n", encoding="utf-8")


def check_present(images_root: Path, sources: Iterable[str]) -> None:
    """Check that the raw data of these sources was there when their images were made.

    Args:
        images_root: The folder of all sources' images, `data/images`.
        sources: Names of the sources.

    Raises:
        UserError: If raw data was missing; the message gives the reason for each source.
    """
    reasons = {
        source: path.read_text(encoding="utf-8").strip()
        for source in sources
        if (path := Path(images_root) / source / MISSING_FILE).is_file()
    }
    if reasons:
        raise UserError(
            "raw data is missing: " + ", ".join(reasons),
            found="\n".join(reasons.values()),
            fix="\n".join(
                [
                    "get the data, or correct its root in params.yaml; then list it and resume:",
                    f"fakeforensics data check {' '.join(reasons)} --update",
                    "dvc repro",
                ]
            ),
        )


def image_keys(source: str, paths: Sequence[str]) -> list[str]:
    """Make a key for each raw file: `<source>/<path without suffix>`, unique and safe as a name in a tar.

    Bytes other than ASCII letters, digits and `._-+=@,/` are written as `%XX`. Files that differ only in
    their suffix keep the suffix. A name that is too long for a tar header is shortened and ends in a hash.

    Args:
        source: The source's name, the key's first part.
        paths: Paths of the raw files relative to the source's root, with "/" between folders; undecodable
            bytes are surrogates.

    Returns:
        The keys in the order of `paths`.
    """
    stems = Counter(_without_suffix(path) for path in paths)
    keys = []
    taken: set[str] = set()
    for path in paths:
        stem = _without_suffix(path)
        key = _fit(f"{source}/{_quote(stem if stems[stem] == 1 else path)}", path)
        if key in taken:  # as for the three files "a", "a.jpg" and "a.png"
            key = _hashed(key, path)
        taken.add(key)
        keys.append(key)
    return keys


def frame_key(key: str, frame: int, track: int) -> str:
    """The key of one crop of a raw file.

    Args:
        key: The raw file's key.
        frame: Frame number from 0, or -1 for a still.
        track: Number of the person; 0 is the main person.
    """
    if frame >= 0:
        key += f"#f{frame:06d}"
    return key if track == 0 else f"{key}#t{track}"


def _without_suffix(path: str) -> str:
    pure = PurePosixPath(path)
    return str(pure.with_suffix("")) if pure.suffix and pure.stem else path


def _quote(path: str) -> str:
    quoted = "".join(chr(byte) if byte in _SAFE else f"%{byte:02X}" for byte in os.fsencode(path))
    # In a tar, a folder called `..` would lead out of the folder where the tar is unpacked.
    parts = (part.replace(".", "%2E") if part in (".", "..") else part for part in quoted.split("/"))
    return "/".join(parts)


def _fit(key: str, path: str) -> str:
    folders, _, name = key.rpartition("/")
    if len(folders) <= _LONGEST_FOLDERS and len(name) <= _LONGEST_NAME:
        return key
    return _hashed(key, path)


def _hashed(key: str, path: str) -> str:
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    source, _, rest = key.partition("/")
    return f"{source}/{rest.replace('/', '_')[: _LONGEST_NAME - 17]}~{digest}"

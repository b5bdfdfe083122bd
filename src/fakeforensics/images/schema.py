"""The columns of an index: one row an image, with everything known about where it came from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from fakeforensics.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

INDEX_FILE = "index.parquet"
REJECTED_FILE = "rejected.csv"
REJECTED_COLUMNS = ("path", "frame", "reason")
UNDETECTED_FILE = "undetected.csv"  # one row a file that gave no image
UNDETECTED_COLUMNS = ("path", "method", "domain", "label", "group", "own_split", "video")

INDEX_SCHEMA = pa.schema(
    [
        ("key", pa.string()),  # unique; also the name inside the shard
        ("shard", pa.string()),  # file name of the tar
        ("offset", pa.int64()),  # first byte of the image inside the tar
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
        ("bridged", pa.bool_()),  # the detector blinked: the box is interpolated
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
        ("instance", pa.string()),  # the generator instance (training seed) behind a fake, or ""
    ]
)
INDEX_COLUMNS: tuple[str, ...] = tuple(INDEX_SCHEMA.names)


def read_index(images_root: Path, source: str) -> pd.DataFrame:
    """The index of a source, one row an image, sorted by key.

    Args:
        images_root: The folder of all sources' images, `data/images`.
        source: The source's name.

    Raises:
        UserError: If the source has not been cropped yet, or its index lacks a column.
    """
    import pyarrow.parquet as pq

    path = Path(images_root) / source / INDEX_FILE
    if not path.is_file():
        raise UserError(
            f"{path}: the images of source {source!r} are not there",
            fix=f"run `dvc repro faces@{source}`, or `dvc pull` to fetch them",
        )
    table = pq.read_table(path)
    missing = [name for name in INDEX_COLUMNS if name not in table.column_names]
    if missing:
        raise UserError(
            f"{path}: not an index this version can read",
            found="no column " + ", ".join(missing),
            fix=f"run `dvc repro --force faces@{source}`",
        )
    frame: pd.DataFrame = table.select(list(INDEX_COLUMNS)).to_pandas()
    return frame


def read_undetected(images_root: Path, source: str) -> pd.DataFrame:
    """The files of a source that gave no image, with what the data set says about them.

    Returns:
        One row a file: source, path, method, domain, label (0 or 1), group, own_split, video ("" for stills).
        Empty where the folder does not tell.
    """
    import pandas as pd

    path = Path(images_root) / source / UNDETECTED_FILE
    if not path.is_file():
        return pd.DataFrame(columns=["source", *UNDETECTED_COLUMNS])
    rows = pd.read_csv(path, dtype=dict.fromkeys(UNDETECTED_COLUMNS, str), keep_default_na=False)
    return rows.assign(source=source, label=rows["label"].astype("int8"))

"""The images that a detector gets most wrong, as thumbnails."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import PurePosixPath
from typing import Any

import cv2
import numpy as np
import pandas as pd
from jaxtyping import UInt8

from fakeforensics.images.codec import decode
from fakeforensics.images.shards import ShardReader
from fakeforensics.reporting.blocks import Gallery, Strip, Thumbnail
from fakeforensics.reporting.results import ProtocolResults
from fakeforensics.reporting.threshold_tables import thresholds_of

COUNT = 8  # images per strip
SIDE = 112  # pixels
_QUALITY = (cv2.IMWRITE_JPEG_QUALITY, 88)
_TITLES = ("real images that look most fake", "fakes that look most real")  # by label


def worst_gallery(results: ProtocolResults, criterion: str) -> list[Gallery]:
    """Two strips per test set, by the last score of the last detector; none without the images.

    One image per group, because the frames of one video would fill a strip.

    Args:
        results: The protocol.
        criterion: By which the threshold was chosen that decides what is wrong.
    """
    manifest = results.test_manifest()
    if manifest is None or not results.columns:
        return []
    images = results.root / "data" / "images"
    if not all((images / source).is_dir() for source in manifest["source"].unique()):
        return []
    column = results.columns[-1]
    scores = results.scores(column.detector)
    if scores is None or column.spec.column not in scores:
        return []
    where = manifest[["test_set", "key", "raw_path", "source", "shard", "offset", "size"]]
    rows = scores.drop(columns="source").merge(where, on=["test_set", "key"], validate="one_to_one")
    rows["value"] = rows[column.spec.column]
    threshold = thresholds_of(results, column, criterion).chosen
    reader = ShardReader(images)
    strips = []
    for name in (*results.ranked, *results.fake_only):
        mine = rows[rows["test_set"] == name]
        unseen = " (unseen)" if name in results.protocol.unseen else ""
        for label, title in enumerate(_TITLES):
            thumbnails = _worst(reader, mine, label, threshold)
            if thumbnails:
                strips.append(Strip(f"{results.label(name)}{unseen}: {title}", thumbnails))
    reader.close()
    caption = (
        f"The images on which {column.name} is most wrong, the worst first, one per video or photograph. "
        "Framed images are on the wrong side of the validation threshold."
    )
    return [Gallery(caption, tuple(strips))]


def _worst(
    reader: ShardReader, rows: pd.DataFrame, label: int, threshold: float | None
) -> tuple[Thumbnail, ...]:
    ranked = rows[rows["label"] == label].sort_values(
        ["value", "key"], ascending=[label == 1, True], kind="stable"
    )
    worst = ranked.drop_duplicates("group").head(COUNT)
    return tuple(_thumbnail(reader, row, threshold) for row in worst.to_dict("records"))


def _thumbnail(reader: ShardReader, row: dict[Hashable, Any], threshold: float | None) -> Thumbnail:
    image = reader.read(row["source"], row["shard"], row["offset"], row["size"])
    frame = f" frame {row['frame']}" if row["frame"] >= 0 else ""
    wrong = threshold is not None and (row["value"] >= threshold) != (row["label"] == 1)
    title = f"{PurePosixPath(row['raw_path']).name}{frame}"
    return Thumbnail(shrink(decode(image)), title, f"{row['value']:.3g}", wrong)


def shrink(rgb: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """The middle square of an image as a JPEG of 112 x 112 pixels."""
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = rgb[top : top + side, left : left + side]
    small = cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), _QUALITY)[1].tobytes()

"""The images that a detector gets most wrong: reals that look fake to it, and fakes that pass."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from fakeforensics.images.shards import ShardReader
from fakeforensics.reporting.contents import Gallery, Strip, Thumbnail
from fakeforensics.reporting.project import ProtocolResults
from fakeforensics.reporting.threshold_table import thresholds_of
from fakeforensics.reporting.thumbnails import thumbnail

COUNT = 8  # images a strip


def worst_gallery(results: ProtocolResults, sets: Sequence[str], criterion: str) -> list[Gallery]:
    """Two strips for each test set, by the last score of the last detector; none without the images.

    One image a group: the frames of one video would fill a strip.

    Args:
        results: The protocol.
        sets: Its test sets in the order of the table.
        criterion: By which the threshold was chosen that says what is wrong.
    """
    manifest = results.test_manifest()
    if manifest is None or not results.columns or not _images_at_hand(results, manifest):
        return []
    column = results.columns[-1]
    scores = results.scores(column.detector)
    if scores is None or column.spec.column not in scores:
        return []
    where = manifest[["test_set", "key", "raw_path", "source", "shard", "offset", "size"]]
    rows = scores.drop(columns="source").merge(where, on=["test_set", "key"], validate="one_to_one")
    rows["value"] = rows[column.spec.column]
    threshold = thresholds_of(results, column, criterion).chosen
    reader = ShardReader(results.root / "data" / "images")
    strips = []
    for name in sets:
        mine = rows[rows["test_set"] == name]
        title = results.label(name) + (" (unseen)" if name in results.protocol.unseen else "")
        strips += [
            strip
            for strip in (
                _strip(reader, mine, 0, threshold, f"{results.name}/{name}-false-alarms", title),
                _strip(reader, mine, 1, threshold, f"{results.name}/{name}-misses", title),
            )
            if strip.thumbnails
        ]
    reader.close()
    demo = "Demo data. " if results.protocol.is_demo else ""
    caption = (
        f"{demo}The crops that {column.name} gets most wrong, from the worst on, one a video or photograph. "
        "Those on the wrong side of the validation threshold are framed."
    )
    return [Gallery(caption, tuple(strips))]


def _images_at_hand(results: ProtocolResults, manifest: pd.DataFrame) -> bool:
    folders = (results.root / "data" / "images" / source for source in manifest["source"].unique())
    return all(folder.is_dir() for folder in folders)


def _strip(
    reader: ShardReader, rows: pd.DataFrame, label_: int, threshold: float | None, name: str, title: str
) -> Strip:
    ranked = rows[rows["label"] == label_].sort_values(
        ["value", "key"], ascending=[label_ == 1, True], kind="stable"
    )
    worst = ranked.drop_duplicates("group").head(COUNT)
    what = "real images that look fakest" if label_ == 0 else "fakes that look most real"
    images = (_thumbnail(reader, row, threshold) for row in worst.to_dict("records"))
    return Strip(name, f"{title}: {what}", tuple(images))


def _thumbnail(reader: ShardReader, row: dict[Hashable, Any], threshold: float | None) -> Thumbnail:
    image = reader.read(row["source"], row["shard"], row["offset"], row["size"])
    at = f" frame {row['frame']}" if row["frame"] >= 0 else ""
    wrong = threshold is not None and (row["value"] >= threshold) != (row["label"] == 1)
    title = f"{PurePosixPath(row['raw_path']).name}{at}"
    return Thumbnail(thumbnail(image), title, f"{row['value']:.3g}", wrong)

"""Images as thumbnails: samples of each set, and the images on which a detector is most wrong."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any

import cv2
import numpy as np
import pandas as pd
from jaxtyping import UInt8

from fakeforensics.images.codec import decode
from fakeforensics.images.reader import ImageReader, Place
from fakeforensics.reporting.blocks import ContactSheet, Gallery, Samples, Strip, Thumbnail
from fakeforensics.reporting.results import ProtocolResults
from fakeforensics.reporting.threshold_tables import thresholds_of
from fakeforensics.wording import percent

COUNT = 8  # images per strip
SAMPLES = 4  # images per class and set in a contact sheet
SIDE = 112  # side of a thumbnail in pixels
_TITLES = ("real images that look most fake", "fakes that look most real")  # by label
_CLASSES = (("real images", "called fake"), ("fakes", "called real"))


def worst_gallery(results: ProtocolResults, criterion: str) -> list[Gallery]:
    """Two strips per test set, one for each class, by the last score of the last detector.

    A strip shows one image per group, because the frames of one video would fill it. Without the images there
    is no gallery.

    Args:
        results: The protocol's results.
        criterion: The criterion of the validation threshold that decides which images are wrong.
    """
    manifest = results.manifest("test")
    if manifest is None or not results.columns or not _has_images(results, manifest):
        return []
    column = results.columns[-1]
    scores = results.scores(column.detector)
    if scores is None or column.spec.column not in scores:
        return []
    where = manifest[["test_set", "key", "sha256", *Place._fields]]
    rows = scores.drop(columns="source").merge(where, on=["test_set", "key"], validate="one_to_one")
    rows["value"] = rows[column.spec.column]
    threshold = thresholds_of(results, column, criterion).chosen
    reader = _reader(results)
    strips = []
    for name in (*results.ranked, *results.fake_only):
        mine = rows[rows["test_set"] == name]
        unseen = " (unseen)" if name in results.protocol.unseen else ""
        for label, title in enumerate(_TITLES):
            thumbnails = _worst(reader, mine, label, threshold)
            if thumbnails:
                label_ = f"{results.label(name)}{unseen}: {title}"
                strips.append(Strip(label_, thumbnails, _share(mine, label, threshold, thumbnails)))
    reader.close()
    caption = (
        f"The images on which {column.name} is most wrong, worst first, one per video or photograph. "
        "Framed images are on the wrong side of the validation threshold. Each heading says how many of the "
        "set's images of that class are on the wrong side."
    )
    return [Gallery(caption, tuple(strips))]


def _share(rows: pd.DataFrame, label: int, threshold: float | None, shown: Sequence[Thumbnail]) -> str:
    """How many images the threshold misclassifies, and how many of them are shown."""
    if threshold is None:
        return ""
    mine = rows[rows["label"] == label]
    wrong = int(((mine["value"] >= threshold) != (label == 1)).sum())
    images, called = _CLASSES[label]
    share = f"{wrong:,} of the set's {len(mine):,} {images} ({percent(wrong / len(mine))}) are {called}"
    return f"{share}; {sum(one.wrong for one in shown)} of them are among the {len(shown)} shown"


def contact_sheet(everything: Sequence[ProtocolResults]) -> list[ContactSheet]:
    """Real and fake samples of the training images and of each test set; none without the images.

    Args:
        everything: The results of one protocol, or of several that a chapter combines. Of several, each test
            set is shown once, and the training images are those of the last protocol.
    """
    rows: dict[str, Samples] = {}
    for results in everything:
        train, test = results.manifest("train"), results.manifest("test")
        if train is None or test is None or not _has_images(results, pd.concat([train, test])):
            continue
        reader = _reader(results)
        rows["train"] = _samples(reader, "Training", train)
        for name in results.protocol.test:
            if name not in rows:
                mine = test[test["test_set"] == name]
                is_unseen = name in results.protocol.unseen
                rows[name] = _samples(reader, f"Test: {results.label(name)}", mine, is_unseen)
        reader.close()
    caption = (
        f"Up to {SAMPLES} real images and {SAMPLES} fakes of each set, one per video or photograph: the "
        "middle square of the stored image."
    )
    return [ContactSheet(caption, tuple(rows.values()))] if rows else []


def _has_images(results: ProtocolResults, rows: pd.DataFrame) -> bool:
    return all(map(_reader(results).has, rows["source"].unique()))


def _reader(results: ProtocolResults) -> ImageReader:
    return ImageReader(results.root / "data" / "images")


def _samples(reader: ImageReader, label: str, rows: pd.DataFrame, unseen: bool = False) -> Samples:
    reals, fakes = (
        tuple(
            Thumbnail(shrink(_pixels(reader, row)), f"{row['method']}: {_title(row)}")
            for row in _spread(rows[rows["label"] == label])
        )
        for label in (0, 1)
    )
    return Samples(label, reals, fakes, unseen)


def _spread(rows: pd.DataFrame) -> Iterable[dict[Hashable, Any]]:
    """A few rows, evenly spread over sources, domains, methods and groups; of a group the middle image."""
    ordered = rows.sort_values(["source", "domain", "method", "group", "key"], kind="stable")
    by_group = ordered.groupby(["source", "domain", "method", "group"])["key"]
    ordered = ordered[by_group.cumcount() == by_group.transform("size") // 2]
    count = min(SAMPLES, len(ordered))
    return ordered.iloc[[(2 * n + 1) * len(ordered) // (2 * count) for n in range(count)]].to_dict("records")


def _worst(
    reader: ImageReader, rows: pd.DataFrame, label: int, threshold: float | None
) -> tuple[Thumbnail, ...]:
    ranked = rows[rows["label"] == label].sort_values(
        ["value", "key"], ascending=[label == 1, True], kind="stable"
    )
    worst = ranked.drop_duplicates("group").head(COUNT)
    return tuple(_thumbnail(reader, row, threshold) for row in worst.to_dict("records"))


def _thumbnail(reader: ImageReader, row: dict[Hashable, Any], threshold: float | None) -> Thumbnail:
    wrong = threshold is not None and (row["value"] >= threshold) != (row["label"] == 1)
    return Thumbnail(shrink(_pixels(reader, row)), _title(row), f"{row['value']:.3g}", wrong)


def _pixels(reader: ImageReader, row: dict[Hashable, Any]) -> UInt8[np.ndarray, "height width 3"]:
    return decode(reader.read_row(row))


def _title(row: dict[Hashable, Any]) -> str:
    frame = f" frame {row['frame']}" if row["frame"] >= 0 else ""
    return f"{PurePosixPath(row['raw_path']).name}{frame}"


def shrink(rgb: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "side side 3"]:
    """The middle square of an image, resized to 112 x 112 pixels."""
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = rgb[top : top + side, left : left + side]
    return np.asarray(cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA), dtype=np.uint8)

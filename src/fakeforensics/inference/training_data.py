"""Describes the training files of a detector, and finds properties of a file that are unlike them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from fakeforensics.params import Count, Group, Number

if TYPE_CHECKING:
    import pandas as pd

    from fakeforensics.faces.still import FileMetadata

TRAINING = "training.json"
_LOW, _HIGH = 0.01, 0.99  # quantiles between which a file counts as ordinary
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Property = Literal["format", "short side", "long side", "JPEG quality", "face", "face width"]


class Range(Group):
    """The 1st percentile, the median and the 99th percentile of a property."""

    low: Number
    median: Number
    high: Number

    def holds(self, value: float) -> bool:
        """Whether a value lies between the percentiles."""
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"


class TrainingData(Group):
    """Properties of the images that a detector learned from.

    Args:
        manifests: SHA-256 of each manifest, by file name. Manifests list all training and validation images
            with their SHA-256.
        images: Number of training images.
        files: Number of raw files that the images come from.
        formats: Number of raw files by format.
        short_side: Range of the short side of the upright raw files, in pixels.
        long_side: Range of their long side, in pixels.
        jpeg_quality: Range of the estimated quality of JPEG files on libjpeg's scale, 1 to 100; None if there
            are none.
        face_width: Range of the width of faces in the raw files, in pixels; None for whole images.
        reals: Image domains of the reals.
    """

    manifests: dict[str, Sha256] = Field(default={})
    images: Annotated[Count, Field(ge=0)] = 0
    files: Annotated[Count, Field(ge=0)] = 0
    formats: dict[str, Count] = Field(default={})
    short_side: Range | None = None
    long_side: Range | None = None
    jpeg_quality: Range | None = None
    face_width: Range | None = None
    reals: tuple[str, ...] = ()


class Outside(Group):
    """A property of a file that was never or hardly seen in training.

    Args:
        property: The property.
        found: Its value in this file.
        trained_on: Its values in the training files.
    """

    property: Property
    found: str
    trained_on: str

    def __str__(self) -> str:
        return f"{self.property} {self.found}, trained on {self.trained_on}"


def describe_training(rows: pd.DataFrame, manifests: Mapping[str, Path]) -> TrainingData:
    """Describe the images that a detector learned from.

    Args:
        rows: The rows of the training manifest that the detector saw.
        manifests: Files of the manifests to hash, by name.

    Raises:
        UserError: If a manifest is missing, or was changed since it was written.
    """
    from fakeforensics.files import sha256_file
    from fakeforensics.reading import check_file

    for path in manifests.values():
        check_file(path)
    hashes = {name: sha256_file(path) for name, path in manifests.items()}
    if rows.empty:
        return TrainingData(manifests=hashes)
    files = rows.drop_duplicates(["source", "raw_path"])
    sides = files[["raw_width", "raw_height"]]
    width = rows.loc[rows["box"].map(len) == 4, "box"].map(lambda box: box[2] - box[0])
    return TrainingData(
        manifests=hashes,
        images=len(rows),
        files=len(files),
        formats={str(name): int(count) for name, count in files["raw_format"].value_counts().items()},
        short_side=_range(sides.min(axis=1)),
        long_side=_range(sides.max(axis=1)),
        jpeg_quality=_range(files.loc[files["jpeg_quality"] > 0, "jpeg_quality"]),
        face_width=_range(width.astype(float)),
        reals=tuple(sorted(rows.loc[rows["label"] == 0, "domain"].unique().tolist())),
    )


def find_outside(
    training: TrainingData, metadata: FileMetadata, boxes: Iterable[tuple[float, ...]]
) -> tuple[Outside, ...]:
    """Find the properties of a file that lie outside of the training data.

    A property without a known range is skipped; a detector that was trained elsewhere has no ranges.

    Args:
        training: Properties of the training images.
        metadata: Format and coding of the file.
        boxes: Left, top, right, bottom of each face in pixels; an empty tuple for a whole image.
    """
    found = []
    if training.formats and metadata.format not in training.formats:
        listed = ", ".join(sorted(training.formats))
        found.append(Outside(property="format", found=metadata.format or "not recognized", trained_on=listed))
    values: list[tuple[Property, float, Range | None]] = [
        ("short side", min(metadata.width, metadata.height), training.short_side),
        ("long side", max(metadata.width, metadata.height), training.long_side),
    ]
    if metadata.jpeg_quality > 0:
        values.append(("JPEG quality", metadata.jpeg_quality, training.jpeg_quality))
    for name, value, known in values:
        if known is not None and value > 0 and not known.holds(value):
            found.append(Outside(property=name, found=f"{value:.0f}", trained_on=str(known)))
    if (usual := training.face_width) is not None:
        widths = sorted(box[2] - box[0] for box in boxes if box)
        odd = [width for width in widths if not usual.holds(width)]
        if not widths:
            trained_on = f"faces {usual} pixels wide"
            found.append(Outside(property="face", found="not found", trained_on=trained_on))
        elif odd:
            listed = " and ".join(dict.fromkeys(f"{width:.0f}" for width in (odd[0], odd[-1])))
            found.append(Outside(property="face width", found=listed, trained_on=str(usual)))
    return tuple(found)


def _range(values: pd.Series[float]) -> Range | None:
    if values.empty:
        return None
    low, median, high = values.quantile([_LOW, 0.5, _HIGH]).round(1)
    return Range(low=float(low), median=float(median), high=float(high))

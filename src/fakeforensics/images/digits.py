"""scikit-learn's handwritten digits as labeled real images: a reference set that needs no download."""

from __future__ import annotations

import hashlib
from functools import cache

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Int

from fakeforensics.images.codec import encode_png
from fakeforensics.images.index import INDEX_SCHEMA

SOURCE = "scikit-learn digits"  # no source of params.yaml can have a space in its name
_SIDE = 256
_BRIGHTEST = 16  # the highest gray level of the digits
_VALIDATION = 7  # every seventh digit is for validation


@cache
def _digits() -> tuple[Int[np.ndarray, "1797 8 8"], Int[np.ndarray, " 1797"]]:
    from sklearn.datasets import load_digits

    found = load_digits()
    return found.images.astype(np.uint8), found.target


def digit_rows() -> pd.DataFrame:
    """One row per image, with the columns of an index, `split`, `test_set` ("") and `reference_class`.

    `reference_class` is the digit, 0 to 9. Every seventh image is for validation, the others are for
    training. `offset` is the image's number in scikit-learn's order, and `sha256` is the SHA-256 of its 64
    gray levels.

    Source:
        Optical Recognition of Handwritten Digits, UCI Machine Learning Repository: 1,797 images of 8 x 8.
    """
    images, classes = _digits()
    numbers = range(len(images))
    names = [f"digit {number:04d}" for number in numbers]
    hashes = [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
    own = {
        "key": names,
        "offset": list(numbers),
        "sha256": hashes,
        "source": [SOURCE] * len(images),
        "method": ["real"] * len(images),
        "domain": [str(one) for one in classes],
        "frame": [-1] * len(images),
        "jpeg_quality": [-1] * len(images),
        "group": names,
        "raw_path": names,
        "raw_sha256": hashes,
    }
    columns = [
        pa.array(own.get(field.name, [_blank(field.type)] * len(images)), type=field.type)
        for field in INDEX_SCHEMA
    ]
    table: pd.DataFrame = pa.Table.from_arrays(columns, schema=INDEX_SCHEMA).to_pandas()
    split = np.where(np.arange(len(images)) % _VALIDATION == 0, "val", "train")
    return table.assign(split=split, test_set="", reference_class=classes)


def digit(number: int) -> bytes:
    """An image of the set as a gray PNG of 256 x 256 pixels; each of its 8 x 8 levels is a square."""
    levels = np.rint(_digits()[0][number] * (255 / _BRIGHTEST)).astype(np.uint8)
    large = cv2.resize(levels, (_SIDE, _SIDE), interpolation=cv2.INTER_NEAREST)
    return encode_png(np.repeat(large[:, :, None], 3, axis=2))


def _blank(kind: pa.DataType) -> object:
    if pa.types.is_string(kind):
        return ""
    if pa.types.is_list(kind):
        return []
    return False if pa.types.is_boolean(kind) else 0

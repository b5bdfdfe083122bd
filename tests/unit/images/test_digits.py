from pathlib import Path

import numpy as np

from fakeforensics.images.codec import decode
from fakeforensics.images.dataset import ManifestDataset
from fakeforensics.images.digits import digit, digit_rows
from fakeforensics.images.index import INDEX_COLUMNS
from fakeforensics.models.preprocess import Preprocess


def test_a_row_per_digit_with_an_indexs_columns():
    rows = digit_rows()
    assert list(rows.columns) == [*INDEX_COLUMNS, "split", "test_set", "reference_class"]
    assert rows["key"].is_unique
    # the set's own counts of the digits 0 to 9
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert rows["reference_class"].value_counts().sort_index().tolist() == counts
    assert rows.groupby("reference_class")["split"].nunique().eq(2).all()
    assert (rows["label"] == 0).all()


def test_a_digit_is_read_like_a_stored_image():
    # The first row of the first digit, a zero, has the levels 0 0 5 13 9 1 0 0 of 16: 5 · 255/16 = 79.7, and
    # 207.2, 143.4, 15.9. Each is a square of 32 x 32 pixels.
    image = decode(digit(0))
    assert image.shape == (256, 256, 3)
    assert image[0, ::32, 0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]
    assert (image[:32, 64:96] == 80).all()
    dataset = ManifestDataset(digit_rows().iloc[[3, 0]], Path("absent"), Preprocess(crop_size=64).crop)
    assert np.array_equal(dataset[[1]].images[0].permute(1, 2, 0).numpy(), image[96:160, 96:160])

import io

import numpy as np
import pytest
from PIL import Image

from fakeforensics.faces.facts import chroma_sampling, jpeg_quality

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))


def written(**options):
    out = io.BytesIO()
    NOISE.save(out, "JPEG", **options)
    return Image.open(io.BytesIO(out.getvalue()))


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 51, 75, 90, 95, 100])
def test_libjpeg_qualities_are_recovered(quality):
    assert jpeg_quality(written(quality=quality).quantization[0]) == quality


def test_a_foreign_table_gives_the_nearest_quality():
    # Every step 2: libjpeg's table for 94 has 2 to 15, for 98 has 1 to 5 with mean 2.3, for 99 1 to 2.
    assert 97 <= jpeg_quality([2] * 64) <= 99


@pytest.mark.parametrize(("subsampling", "name"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_chroma_sampling(subsampling, name):
    assert chroma_sampling(written(subsampling=subsampling).layer) == name


def test_gray_and_unusual_components():
    assert chroma_sampling([(1, 1, 1, 0)]) == "4:0:0"
    assert chroma_sampling([(1, 1, 1, 0)] * 4) == ""  # CMYK
    assert chroma_sampling([(1, 2, 2, 0), (2, 1, 1, 1), (3, 2, 1, 1)]) == ""

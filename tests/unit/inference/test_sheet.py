import cv2
import numpy as np
import pandas as pd
import pytest

from fakeforensics.errors import UserError
from fakeforensics.faces.run import make_images
from fakeforensics.images.images import encode_png
from fakeforensics.inference.sheet import draw_sheet, rejected_reasons, spread_over_methods
from fakeforensics.params import FacesParams
from fakeforensics.sources.record import RawFile


@pytest.fixture(scope="module")
def images(photo, tmp_path_factory):
    root = tmp_path_factory.mktemp("source")
    (root / "raw").mkdir()
    (root / "raw/a.png").write_bytes(photo.read_bytes())
    (root / "raw/b.png").write_bytes(encode_png(np.zeros((90, 90, 3), np.uint8)))
    records = [
        RawFile("a.png", "image", "stargan", "d", 1, "s/a", ""),
        RawFile("b.png", "image", "real", "d", 0, "s/b", ""),
    ]
    faces = FacesParams(size=64, workers=1, max_rejected=0.5)
    make_images("s", root / "raw", records, "faces", faces, root / "images/s", root / "scratch")
    return root / "images"


def test_a_sheet_is_drawn_with_what_was_rejected(images, tmp_path):
    report = draw_sheet(images, "s", tmp_path / "sheet.png", 60)
    assert report.endswith("1 of 1 crops; 1 files or frames were rejected")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape[1] == 1430  # ten columns of 1.3 inches at 110 dots an inch
    assert sheet.std() > 20


def test_reasons_are_counted(images):
    assert rejected_reasons(images / "s/rejected.csv") == {"no face found": 1}


def test_every_method_gets_its_share():
    index = pd.DataFrame({"method": ["a"] * 100 + ["real"] * 50 + ["b"] * 2, "number": range(152)})
    chosen = spread_over_methods(index, 9)
    assert list(chosen["method"]) == ["real"] * 3 + ["a"] * 3 + ["b"] * 2
    assert list(chosen["number"])[:3] == [100, 124, 149]  # first, middle, last


def test_a_source_that_was_not_cropped_is_told_of(tmp_path):
    with pytest.raises(UserError, match="the images of source 'x' are not there"):
        draw_sheet(tmp_path, "x", tmp_path / "sheet.png", 10)

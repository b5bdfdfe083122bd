"""Images by their places: in a shard, or in the raw file itself."""

import hashlib
import json

import numpy as np
import pytest

from fakeforensics.errors import UserError
from fakeforensics.images.codec import encode_png
from fakeforensics.images.dataset import ManifestDataset
from fakeforensics.images.index import IN_PLACE_FILE
from fakeforensics.images.reader import ImageReader, Place, places
from fakeforensics.models.preprocess import Preprocess
from tests.tiny_images import tiny_manifest

PNG = encode_png(np.full((3, 2, 3), 7, np.uint8))
PLACE = Place("s", "", 0, len(PNG), "a/b.png")


@pytest.fixture
def images(tmp_path, monkeypatch):
    """A source `s` whose only image lies in $RAW/set/a/b.png; gives data/images."""
    monkeypatch.setenv("RAW", str(tmp_path / "raw"))
    (tmp_path / "raw/set/a").mkdir(parents=True)
    (tmp_path / "raw/set/a/b.png").write_bytes(PNG)
    folder = tmp_path / "data/images/s"
    folder.mkdir(parents=True)
    (folder / IN_PLACE_FILE).write_text(json.dumps({"root": "$RAW/set"}))
    return folder.parent


def test_an_image_in_place_is_read_below_the_root_of_its_source(images):
    reader = ImageReader(images)
    assert reader.read(PLACE) == PNG
    assert reader.has("s")
    assert not reader.has("t")


def test_an_image_in_a_shard_is_read_from_it(tmp_path):
    rows = tiny_manifest(tmp_path, [0, 1])
    reader = ImageReader(tmp_path / "data/images")
    found = [hashlib.sha256(reader.read(place)).hexdigest() for place in places(rows)]
    assert found == rows["sha256"].tolist()
    assert reader.has("src")


def test_a_raw_file_that_is_gone_or_longer_is_named(images, tmp_path):
    reader, path = ImageReader(images), tmp_path / "raw/set/a/b.png"
    path.write_bytes(PNG + b"?")
    with pytest.raises(UserError, match=rf"{path}: the file has changed[\s\S]*data check s --update"):
        reader.read(PLACE)
    path.unlink()
    with pytest.raises(UserError, match=rf"{path}: cannot be read: No such file[\s\S]*read in place"):
        reader.read(PLACE)


def test_a_machine_without_the_raw_files_says_what_is_missing(images, tmp_path, monkeypatch):
    (tmp_path / "raw/set").rename(tmp_path / "raw/elsewhere")
    with pytest.raises(UserError, match=r"folder .*raw/set does not exist[\s\S]*sources.s.storage to shards"):
        ImageReader(images).read(PLACE)
    assert not ImageReader(images).has("s")
    monkeypatch.delenv("RAW")
    with pytest.raises(UserError, match="the variable RAW is not set"):
        ImageReader(images).read(PLACE)
    assert not ImageReader(images).has("s")


def test_without_its_record_of_the_root_nothing_is_read(images):
    (images / "s" / IN_PLACE_FILE).unlink()
    with pytest.raises(UserError, match=r"in_place.json: no such file[\s\S]*dvc pull"):
        ImageReader(images).read(PLACE)


def test_training_and_reading_by_rows_name_a_raw_file_with_other_bytes_of_the_same_length(images, tmp_path):
    path = tmp_path / "raw/set/a/b.png"
    other = encode_png(np.full((3, 2, 3), 8, np.uint8))
    assert len(other) == len(PNG)
    rows = tiny_manifest(tmp_path, [0]).assign(
        **PLACE._asdict(), key="s/a/b", sha256=hashlib.sha256(PNG).hexdigest()
    )
    crop = Preprocess(crop_size=32).crop
    row = rows.iloc[0].to_dict()
    assert ManifestDataset(rows, images, crop)[[0]].images.max() == 7
    assert ImageReader(images).read_row(row) == PNG
    path.write_bytes(other)
    for read in (lambda: ManifestDataset(rows, images, crop)[[0]], lambda: ImageReader(images).read_row(row)):
        with pytest.raises(UserError, match=r"s/a/b\.png: the image s/a/b is not the one in the manifest"):
            read()

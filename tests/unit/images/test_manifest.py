import pytest

from fakeforensics.errors import UserError
from fakeforensics.files import write_parquet
from fakeforensics.images.manifest import read_manifest
from fakeforensics.images.reader import places
from fakeforensics.training.train import COLUMNS
from tests.tiny_images import tiny_manifest


@pytest.fixture
def rows(tmp_path):
    return tiny_manifest(tmp_path, [0, 1, 0]).assign(split="test", test_set="a")


def refused(tmp_path, rows, message, name="test"):
    path = tmp_path / f"{name}.parquet"
    write_parquet(path, rows)
    with pytest.raises(UserError, match=rf"{name}\.parquet: not a manifest(.|\n)*{message}(.|\n)*splits"):
        read_manifest(path)


def test_what_the_splits_stage_writes_is_read(tmp_path, rows):
    for name, table in {
        "test": rows,
        # `reals: repeated` trains on an image several times.
        "train": rows.iloc[[0, 0, 1]].assign(split="train", test_set=""),
        "reference": rows.assign(split=["val", "train", "val"], test_set="", reference_class=[0, 1, 1]),
    }.items():
        write_parquet(tmp_path / f"{name}.parquet", table)
        assert read_manifest(tmp_path / f"{name}.parquet")["key"].tolist() == table["key"].tolist()


def test_a_manifest_that_is_not_what_its_name_says_is_refused(tmp_path, rows):
    refused(tmp_path, rows.assign(label=[0, 1, 2]), "label: 2 in 1 of 3 rows")
    refused(tmp_path, rows, "rows of another split: test", "train")
    refused(tmp_path, rows.assign(split="reference"), "split: 'reference' in 3 of 3 rows")
    refused(tmp_path, rows.iloc[[0, 0]], "an image twice in a test set")
    both = rows.iloc[[0, 0]].assign(label=[0, 1], test_set=["a", "b"]).astype({"label": "int8"})
    refused(tmp_path, both, "an image with two labels")
    # A protocol repeats reals alone.
    refused(tmp_path, rows.iloc[[0, 1, 1]].assign(split="val", test_set=""), "a fake twice", "val")
    refused(tmp_path, rows.assign(offset=-1), "offset: -1 in 3 of 3 rows")
    refused(tmp_path, rows.drop(columns="sha256"), "no column sha256")


def test_a_row_in_place_needs_a_path_below_its_root(tmp_path, rows):
    in_place = rows.assign(shard=["", *rows["shard"][1:]])
    refused(tmp_path, in_place, "no column raw_path")
    refused(tmp_path, in_place.assign(raw_path="../a.png"), r"'../a.png' in 1 rows read in place")


def test_training_gets_the_paths_of_images_in_place(tmp_path, rows):
    write_parquet(tmp_path / "test.parquet", rows.assign(raw_path=["a.png", "b.png", "c.png"], shard=""))
    assert [place.raw_path for place in places(read_manifest(tmp_path / "test.parquet", COLUMNS))] == [
        "a.png", "b.png", "c.png",
    ]  # fmt: skip

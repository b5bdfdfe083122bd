import hashlib
import pickle

import pandas as pd
import pytest

from fakeforensics.errors import UserError
from fakeforensics.images.digits import digit_rows
from fakeforensics.images.reader import Place
from fakeforensics.images.rows import Rows

DIGESTS = [hashlib.sha256(bytes([number])).hexdigest() for number in range(4)]


def manifest(**columns):
    rows = {
        "key": ["a/1", "a/2", "b/1", "b/2"],
        "source": ["a", "a", "b", "b"],
        "shard": ["shard-1.tar", "shard-0.tar", "shard-1.tar", "shard-1.tar"],
        "offset": [512, 2**40, 2048, 512],
        "size": [7, 8, 9, 10],
        "sha256": DIGESTS,
        "label": [0, 1, 0, 300],
    }
    return pd.DataFrame(rows | columns)


def test_places_labels_keys_and_digests_are_those_of_the_manifest():
    rows = Rows(manifest())
    assert [rows.place(row) for row in range(4)] == [
        Place("a", "shard-1.tar", 512, 7),
        Place("a", "shard-0.tar", 2**40, 8),
        Place("b", "shard-1.tar", 2048, 9),
        Place("b", "shard-1.tar", 512, 10),
    ]
    assert rows.labels.tolist() == [0, 1, 0, 300]
    assert list(rows.keys) == ["a/1", "a/2", "b/1", "b/2"]
    assert rows.keys[1:3] == ["a/2", "b/1"]
    # half of the 32 bytes
    assert [rows.digests[row].tobytes().hex() for row in range(4)] == [text[:32] for text in DIGESTS]


def test_rows_in_place_keep_their_paths_beside_those_in_shards():
    raw = {"raw_path": ["x/y/1.png", "2.png", "3.png", "x/4.png"], "shard": ["", "shard-0.tar", "", ""]}
    rows = Rows(manifest(**raw, offset=[0, 512, 0, 0]))
    assert [rows.place(row) for row in range(4)] == [
        Place("a", "", 0, 7, "x/y/1.png"),
        Place("a", "shard-0.tar", 512, 8),
        Place("b", "", 0, 9, "3.png"),
        Place("b", "", 0, 10, "x/4.png"),
    ]
    with pytest.raises(
        UserError, match=r"a/x/y/1\.png: the image a/1 is not the one[\s\S]*data check a --update"
    ):
        rows.decode(0, b"", compare=True)


def test_keys_are_found_in_every_block():
    count = 2500  # blocks of 1,024
    many = pd.concat([manifest().iloc[:1]] * count, ignore_index=True)
    keys = Rows(many.assign(key=[f"é{number}" for number in range(count)])).keys
    assert [keys[row] for row in (0, 1023, 1024, 2499)] == ["é0", "é1023", "é1024", "é2499"]
    with pytest.raises(IndexError):
        keys[2500]


def test_rows_of_a_file_come_in_the_order_of_their_bytes():
    rows = Rows(manifest())
    # of shard b/shard-1.tar the image at 512 comes before that at 2,048
    order = [row for row in rows.in_order_of_files(rows.labels.argsort()).tolist() if row > 1]
    assert order == [3, 2]


def test_what_is_no_sha256_belongs_to_no_image():
    rows = Rows(manifest(sha256=["", "x" * 64, DIGESTS[2], "ab"]))
    assert rows.digests.any(axis=1).tolist() == [False, False, True, False]
    with pytest.raises(
        UserError, match=r"a/shard-1\.tar: the image a/1 at 512 is not the one in the manifest"
    ):
        rows.decode(0, b"", compare=True)


def test_no_rows():
    assert len(Rows(manifest().iloc[:0])) == 0


def test_a_digit_is_made():
    # training leaves out the columns that it does not need
    rows = Rows(digit_rows().iloc[:3].drop(columns="raw_path"))
    data = rows.read(1, None)
    assert rows.decode(1, data, compare=True).shape == (256, 256, 3)


def test_720000_rows_take_less_than_64_bytes_each():
    count = 20000
    many = pd.concat([manifest().iloc[:1]] * count, ignore_index=True)
    rows = Rows(many.assign(key=[f"cnn_synth/progan/cat/1_fake/{number:08d}.png" for number in range(count)]))
    # label 2, digest 16, offset 8, size 4, file 4; keys compressed, here to some 4; pickling adds names
    assert len(pickle.dumps(rows.__dict__)) / count < 45
    paths = [f"progan/cat/1_fake/{number:08d}.png" for number in range(count)]
    in_place = Rows(many.assign(shard="", raw_path=paths))
    # 12 for the file's name, 4 for where it begins
    assert len(pickle.dumps(in_place.__dict__)) / count < 64

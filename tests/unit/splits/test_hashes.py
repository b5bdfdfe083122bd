import hashlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from fakeforensics.errors import UserError
from fakeforensics.images.codec import encode_png
from fakeforensics.images.shards import ShardReader, ShardWriter
from fakeforensics.splits import hashes
from fakeforensics.splits.hashes import HashStore


def rows(root: Path, count: int) -> pd.DataFrame:
    """Images whose left half is brighter the larger their number is."""
    (root / "s").mkdir(parents=True)
    found = []
    with ShardWriter(root / "s", 2**20) as writer:
        for n in range(count):
            pixels = np.zeros((32, 34, 3), np.uint8)
            pixels[n:] = np.arange(34, dtype=np.uint8)[:, None]  # below row n it grows to the right
            data = encode_png(pixels)
            place = writer.add(f"{n}.png", data)
            found.append(
                {"key": f"s/{n}", "source": "s", "raw_path": "", "sha256": hashlib.sha256(data).hexdigest()}
            )
            found[-1] |= place._asdict()
    return pd.DataFrame(found)


def test_each_image_is_read_once_for_all_protocols(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = rows(tmp_path / "images", 6)
    read: list[int] = []
    plain = ShardReader.read

    def counted(self: ShardReader, source: str, shard: str, offset: int, size: int) -> bytes:
        read.append(offset)
        return plain(self, source, shard, offset, size)

    monkeypatch.setattr(ShardReader, "read", counted)
    first = HashStore(tmp_path / "images", tmp_path / "kept").of(images.iloc[[0, 3, 0]])
    assert len(read) == 2
    second = HashStore(tmp_path / "images", tmp_path / "kept").of(images.iloc[::-1])
    assert len(read) == 6
    assert first.tolist() == second[[5, 2, 5]].tolist()
    # 16 x 16 bits: the picture of number 0 grows to the right everywhere.
    assert (second[5] == 255).all()


def test_hashes_of_another_version_of_opencv_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = rows(tmp_path / "images", 2)
    store = HashStore(tmp_path / "images", tmp_path / "kept")
    expected = store.of(images)
    monkeypatch.setattr(hashes, "_METHOD", f"another than {cv2.__version__}".encode())
    (tmp_path / "images/s/shard-00000.tar").unlink()
    with pytest.raises(UserError, match=r"shard-00000\.tar"):
        store.of(images)
    monkeypatch.undo()
    assert (store.of(images) == expected).all()


def test_another_image_than_the_indexed_one_is_named(tmp_path: Path) -> None:
    images = rows(tmp_path / "images", 2)
    images.loc[1, "offset"] = images.loc[0, "offset"]
    images.loc[1, "size"] = images.loc[0, "size"]
    with pytest.raises(UserError, match=r"s/shard-00000\.tar: the image s/1 at 512 is not the one"):
        HashStore(tmp_path / "images", tmp_path / "kept").of(images)


def test_damaged_hashes_are_named(tmp_path: Path) -> None:
    images = rows(tmp_path / "images", 1)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/s.parquet").write_bytes(b"half")
    with pytest.raises(UserError, match=r"s\.parquet[\s\S]*it is made again"):
        HashStore(tmp_path / "images", tmp_path / "kept").of(images)

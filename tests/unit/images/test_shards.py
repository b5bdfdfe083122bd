import os
import pickle
import tarfile

import pytest

from fakeforensics.errors import UserError
from fakeforensics.images.shards import ShardReader, ShardWriter

IMAGES = {f"s/{number}.png": bytes([number]) * (300 * number + 1) for number in range(6)}


def write(folder, shard_bytes=2000):
    folder.mkdir(parents=True)
    with ShardWriter(folder, shard_bytes) as writer:
        return {name: writer.add(name, data) for name, data in IMAGES.items()}


def test_shards_are_ordinary_tars_without_time_or_owner(tmp_path):
    write(tmp_path / "s")
    members = {}
    for shard in sorted((tmp_path / "s").iterdir()):
        with tarfile.open(shard) as tar:
            for member in tar:
                assert (member.mtime, member.uid, member.gid, member.uname) == (0, 0, 0, "")
                members[member.name] = tar.extractfile(member).read()
    assert members == IMAGES


def test_the_same_images_give_the_same_bytes(tmp_path):
    write(tmp_path / "a")
    write(tmp_path / "b")
    for shard in (tmp_path / "a").iterdir():
        assert shard.read_bytes() == (tmp_path / "b" / shard.name).read_bytes()


def test_a_full_shard_is_followed_by_another(tmp_path):
    locations = write(tmp_path / "s")
    # Header and padded data: 0 → 1024 bytes, 1 → 512 + 512, then 2048 ≥ 2000 begins a new shard.
    assert [place.shard for place in locations.values()][:3] == ["shard-00000.tar"] * 2 + ["shard-00001.tar"]


def test_reading_by_offset(tmp_path):
    locations = write(tmp_path / "s")
    reader = ShardReader(tmp_path)
    for name, data in IMAGES.items():
        assert reader.read("s", *locations[name]) == data


def test_a_reader_survives_pickling_and_forking(tmp_path):
    locations = write(tmp_path / "s")
    name, place = next(iter(locations.items()))
    reader = ShardReader(tmp_path)
    reader.read("s", *place)
    copy = pickle.loads(pickle.dumps(reader))
    assert copy.read("s", *place) == IMAGES[name]
    child = os.fork()
    if child == 0:
        os._exit(0 if reader.read("s", *place) == IMAGES[name] else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert reader.read("s", *place) == IMAGES[name]


def test_a_short_shard_is_named(tmp_path):
    locations = write(tmp_path / "s")
    place = locations["s/5.png"]
    shard = tmp_path / "s" / place.shard
    shard.write_bytes(shard.read_bytes()[: place.offset + 5])
    with pytest.raises(UserError, match=r"ends early[\s\S]*found: 5 bytes"):
        ShardReader(tmp_path).read("s", *place)


def test_a_missing_shard_tells_how_to_get_it(tmp_path):
    with pytest.raises(UserError, match="dvc pull"):
        ShardReader(tmp_path).read("s", "shard-00000.tar", 0, 1)
    (tmp_path / "s/shard-00000.tar").mkdir(parents=True)
    with pytest.raises(UserError, match="a folder"):
        ShardReader(tmp_path).read("s", "shard-00000.tar", 0, 1)


def test_many_shards_keep_few_files_open(tmp_path):
    (tmp_path / "s").mkdir()
    with ShardWriter(tmp_path / "s", 1) as writer:
        places = [writer.add(f"{number}", b"x") for number in range(100)]
    reader = ShardReader(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for place in places:
        reader.read("s", *place)
    assert len(os.listdir("/proc/self/fd")) - before <= 64
    reader.close()

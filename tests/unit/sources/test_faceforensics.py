import json

import pytest

from fakeforensics.errors import UserError
from fakeforensics.sources.faceforensics import FaceForensics
from tests.unit.sources.conftest import Tree

FILES = (
    "manipulated_sequences/Deepfakes/c23/videos/004_982.mp4",
    "manipulated_sequences/Deepfakes/c40/videos/004_982.mp4",
    "original_sequences/youtube/c23/videos/004.mp4",
)


def test_a_manipulation_belongs_to_its_target_video(tree: Tree) -> None:
    fake, real = FaceForensics("s", tree(FILES)).records()
    assert (fake.label, fake.method, real.label, real.method) == (1, "deepfakes", 0, "real")
    assert fake.group == real.group == "s/004"
    assert (fake.identities, real.identities) == (("s/004", "s/982"), ("s/004",))


def test_the_official_lists_are_used_where_they_are(tree: Tree) -> None:
    root = tree(FILES)
    (root / "splits").mkdir()
    (root / "splits" / "val.json").write_text(json.dumps([["004", "982"]]))
    adapter = FaceForensics("s", root)
    assert {record.own_split for record in adapter.records()} == {"val"}
    assert [str(path) for path in adapter.tables()] == ["splits/val.json"]
    (root / "splits" / "val.json").write_text("[1]")
    with pytest.raises(UserError, match="not a list of pairs"):
        adapter.records()


def test_another_compression(tree: Tree) -> None:
    records = FaceForensics("s", tree(FILES), {"compression": "c40"}).records()
    assert [record.path for record in records] == [FILES[1]]

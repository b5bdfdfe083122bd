import json
from pathlib import Path

import pytest

from fakeforensics.errors import UserError
from fakeforensics.sources.base import decisions
from fakeforensics.sources.faceforensics import UNLISTED, FaceForensics
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


def lists(root: Path, folder: str, **pairs: list[list[str]]) -> None:
    (root / folder).mkdir(parents=True, exist_ok=True)
    for split in ("train", "val", "test"):
        (root / folder / f"{split}.json").write_text(json.dumps(pairs.get(split, [])))


@pytest.mark.parametrize("folder", ["splits", ".", "dataset/splits"])
def test_the_official_lists_are_used_wherever_they_are(tree: Tree, folder: str) -> None:
    root = tree(FILES)
    lists(root, folder, val=[["004", "982"]])
    adapter = FaceForensics("s", root)
    assert {record.own_split for record in adapter.records()} == {"val"}
    assert {record.rules.split for record in adapter.records()} == {"official list val.json"}
    assert sorted(path.name for path in adapter.tables()) == ["test.json", "train.json", "val.json"]
    (root / folder / "val.json").write_text("[1]")
    with pytest.raises(UserError, match="not a list of pairs"):
        adapter.records()


def test_lists_that_could_put_test_videos_into_training_are_refused(tree: Tree) -> None:
    root = tree(FILES)
    lists(root, ".", test=[["004", "982"]])
    adapter = FaceForensics("s", root)
    # Without the list of tests, its videos would be drawn like any other.
    (root / "test.json").rename(root / "testing.txt")
    with pytest.raises(UserError, match="incomplete"):
        adapter.records()
    lists(root, "splits", val=[["004", "982"]])
    with pytest.raises(UserError, match="several copies of one"):
        adapter.records()
    for name in ("train", "val"):
        (root / f"{name}.json").unlink()
    lists(root, "splits", train=[["004", "001"]], test=[["982", "002"]])
    with pytest.raises(UserError, match="its two videos into different splits"):
        adapter.records()
    lists(root, "splits", train=[["004", "982"]], test=[["982", "002"]])
    with pytest.raises(UserError, match="982 is also on another official list"):
        adapter.records()
    lists(root, "splits", train=[["4", "5"]])
    with pytest.raises(UserError, match="no video on the official lists is on disk"):
        adapter.records()


def test_a_video_on_no_list_is_counted(tree: Tree) -> None:
    root = tree((*FILES, "original_sequences/youtube/c23/videos/700.mp4"))
    lists(root, "splits", train=[["004", "982"]])
    assert decisions(FaceForensics("s", root).records())["doubts"] == {UNLISTED: 1}


@pytest.mark.parametrize("folder", ["DeepFakeDetection", "deepfakedetection", "DFD"])
def test_an_actor_in_anothers_scene_belongs_to_the_scene(tree: Tree, folder: str) -> None:
    """The name decides, whatever the folder is called; the code at the end is the maker's."""
    names = (
        f"manipulated_sequences/{folder}/c23/videos/01_02__meeting_serious__YVGY8LOK.mp4",
        f"manipulated_sequences/{folder}/c23/videos/01_02__meeting_serious.mp4",
        "original_sequences/actors/c23/videos/01__meeting_serious.mp4",
    )
    *fakes, real = FaceForensics("s", tree(names)).records()
    assert real.group == "s/01__meeting_serious"
    assert real.identities == ("s/01",)
    for fake in fakes:
        assert (fake.group, fake.identities, fake.own_split) == (real.group, ("s/01", "s/02"), "")


@pytest.mark.parametrize(
    "path",
    [
        "manipulated_sequences/Deepfakes/c23/videos/swap1.mp4",
        "manipulated_sequences/Deepfakes/c23/videos/004.mp4",
        "original_sequences/youtube/c23/videos/004_982.mp4",
    ],
)
def test_a_name_that_tells_no_original_is_refused(tree: Tree, path: str) -> None:
    with pytest.raises(UserError, match="does not say which video"):
        FaceForensics("s", tree([path])).records()


def test_split_folders_are_refused_where_lists_decide(tree: Tree) -> None:
    with pytest.raises(UserError, match="the folder test is named like a split"):
        FaceForensics("s", tree(["original_sequences/youtube/c23/videos/test/004.mp4"])).records()


def test_another_compression(tree: Tree) -> None:
    records = FaceForensics("s", tree(FILES), {"compression": "c40"}).records()
    assert [record.path for record in records] == [FILES[1]]

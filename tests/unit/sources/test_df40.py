import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from fakeforensics.errors import UserError
from fakeforensics.sources.base import RawFile, decisions
from fakeforensics.sources.df40 import DF40, UNTOLD
from tests.unit.sources.conftest import Tree

FF_REAL = "FaceForensics++/original_sequences/youtube/c23/frames/004/000.png"
CELEB_REAL = "Celeb-DF-v2/Celeb-real/frames/id0_0000/000.png"
YOUTUBE_REAL = "Celeb-DF-v2/YouTube-real/frames/00170/000.png"
LISTS = {"train": [["004", "982"]], "val": [["010", "011"]], "test": [["020", "021"]]}
CELEB_LIST = "1 Celeb-real/id0_0000.mp4\n0 Celeb-synthesis/id0_id1_0000.mp4\n1 YouTube-real/00170.mp4\n"


def write_lists(root: Path, lists: dict[str, list[list[str]]], celeb: str | None = CELEB_LIST) -> None:
    for folder in ("FaceForensics++", "Celeb-DF-v2"):
        (root / folder).mkdir(exist_ok=True)
    for split, pairs in lists.items():
        (root / f"FaceForensics++/{split}.json").write_text(json.dumps(pairs))
    if celeb is not None:
        (root / "Celeb-DF-v2/List_of_testing_videos.txt").write_text(celeb)


def make(tree: Tree, files: Iterable[str]) -> DF40:
    root = tree(files)
    write_lists(root, LISTS)
    return DF40("d", root)


def one(tree: Tree, path: str) -> RawFile:
    (record,) = make(tree, [path]).records()
    return record


def test_the_folder_of_a_clip_names_the_pair_behind_it(tree: Tree) -> None:
    fake, other = "DF40_train/simswap/frames/004_982/000.png", "DF40/e4s/cdf/frames/id0_id1_0000/000.png"
    records = {record.path: record for record in make(tree, [FF_REAL, CELEB_REAL, fake, other]).records()}
    assert records[fake].group == records[FF_REAL].group == "d/faceforensics/004"
    assert records[fake].identities == ("d/faceforensics/004", "d/faceforensics/982")
    assert records[other].group == records[CELEB_REAL].group == "d/celeb_df/id0_0000"
    assert records[other].identities == ("d/celeb_df/id0", "d/celeb_df/id1")
    assert [records[path].method for path in (fake, other, FF_REAL)] == ["simswap", "e4s", "real"]
    assert [records[path].label for path in (FF_REAL, CELEB_REAL, fake, other)] == [0, 0, 1, 1]
    # The frames of a clip are one video; real and fake clips are two.
    assert records[fake].video == "d/DF40_train/simswap/frames/004_982"
    assert records[fake].kind == "image"


@pytest.mark.parametrize(
    ("path", "split"),
    [
        (FF_REAL, "train"),
        (CELEB_REAL, "test"),
        (YOUTUBE_REAL, "test"),
        ("Celeb-DF-v2/Celeb-real/frames/id5_0000/000.png", ""),
        # The lists of the videos decide, whatever the top folder.
        ("DF40_train/simswap/frames/004_982/000.png", "train"),
        ("DF40_train/uniface/ff/frames/011_010/000.png", "val"),
        ("DF40_train/simswap/frames/020_021/000.png", "test"),
        ("DF40/simswap/ff/frames/004_982/000.png", "train"),
        ("DF40/sadtalker/ff/frames/020/000.png", "test"),
        ("DF40/StyleGAN2/ff/020/seed1.png", "test"),
        ("DF40_train/StyleGAN2/004/seed1.png", "train"),
        # Nothing of Celeb-DF is trained on.
        ("DF40/simswap/cdf/frames/id5_id6_0001/000.png", "test"),
        # A video on no list has the split of the download.
        ("DF40_train/simswap/frames/800_801/000.png", "train"),
        ("DF40/simswap/ff/frames/800_801/000.png", "test"),
        ("DF40/MidJourney/real/1.png", "test"),
    ],
)
def test_the_split_of_a_file(tree: Tree, path: str, split: str) -> None:
    assert one(tree, path).own_split == split


def test_an_image_from_noise_belongs_to_no_video(tree: Tree) -> None:
    """The folders of these methods are named after videos, but their images are not made from them."""
    files = ["DF40_train/StyleGAN2/004/seed1.png", "DF40_train/StyleGAN2/004/seed2.png"]
    records = make(tree, [*files, "DF40/sd2.1/cdf/Fake_from_Celeb-real/id0_0000/1.png"]).records()
    assert len({record.group for record in records}) == 3
    assert {(record.identities, record.video) for record in records} == {((), "")}
    assert [record.method for record in records] == ["sd2.1", "stylegan2", "stylegan2"]
    assert decisions(records)["doubts"] == {}


def test_an_edit_whose_video_no_folder_names_is_counted(tree: Tree) -> None:
    # 00012 looks like a video of YouTube-real, but is the name of the image.
    records = make(
        tree, ["DF40/e4e/cdf/Celeb-real/inversions/00012.jpg", "DF40/e4e/ff/004/00001.jpg"]
    ).records()
    assert [record.group for record in records] == [
        "d/DF40/e4e/cdf/Celeb-real/inversions/00012",
        "d/faceforensics/004",
    ]
    assert decisions(records)["doubts"] == {UNTOLD: 1}


def test_methods_with_their_own_real_images(tree: Tree) -> None:
    files = [
        *("DF40/stargan/real/real/1.png", "DF40/stargan/fake/fake/1.png"),
        *("DF40/heygen/real/clip_a/0.png", "DF40/heygen/fake/frames/clip_a/0.png"),
    ]
    records = {record.path: record for record in make(tree, files).records()}
    assert [records[path].label for path in files] == [0, 1, 0, 1]
    assert [records[path].method for path in files] == ["real", "stargan", "real", "heygen"]
    assert {records[path].domain for path in files[2:]} == {"heygen"}
    assert {records[path].group for path in files[:2]} == {"d/stargan/1"}
    assert {records[path].group for path in files[2:]} == {"d/heygen/clip_a"}
    assert [records[path].video for path in files[:2]] == ["", ""]


def test_landmarks_and_masks_are_left_out(tree: Tree) -> None:
    kept = "DF40/simswap/ff/frames/020_021/000.png"
    others = [kept.replace("frames", "landmarks").replace("png", "npy"), kept.replace("frames", "masks")]
    assert [record.path for record in make(tree, [kept, *others]).records()] == [kept]


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("DF40_test/simswap/ff/frames/020_021/000.png", "outside the top folders"),
        ("DF40/000.png", "not in the folder of a method"),
        ("DF40/simswap/frames/020_021/000.png", "no folder says what"),
        ("DF40/simswap/ff/test/020_021/000.png", "named like a split"),
        # Fakes of the two data sets themselves would be read as real.
        (
            "FaceForensics++/manipulated_sequences/Deepfakes/c23/frames/004_982/0.png",
            "named after a real video",
        ),
        ("Celeb-DF-v2/Celeb-synthesis/frames/id0_id1_0000/000.png", "named after a real video"),
        ("DF40_train/simswap/frames/004_020/000.png", "its two videos into different splits"),
    ],
)
def test_what_the_tree_does_not_say_is_refused(tree: Tree, path: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        make(tree, [path]).records()


def test_the_official_lists_are_needed(tree: Tree) -> None:
    root = tree([FF_REAL])
    with pytest.raises(UserError, match=r"no official lists of FaceForensics\+\+"):
        DF40("d", root).records()
    write_lists(root, {"train": LISTS["train"]})
    with pytest.raises(UserError, match="incomplete"):
        DF40("d", root).records()
    write_lists(root, LISTS | {"val": LISTS["train"]})
    with pytest.raises(UserError, match="is also on another official list"):
        DF40("d", root).records()
    write_lists(root, LISTS | {"val": [["004"]]})
    with pytest.raises(UserError, match="not a list of pairs"):
        DF40("d", root).records()


@pytest.mark.parametrize("listed", [None, "0 Celeb-synthesis/id0_id1_0000.mp4\n"])
def test_the_test_list_of_celeb_df_is_needed(tree: Tree, listed: str | None) -> None:
    root = tree([CELEB_REAL])
    write_lists(root, LISTS, listed)
    with pytest.raises(UserError, match="no official list of Celeb-DF"):
        DF40("d", root).records()


def test_the_lists_belong_to_the_inventory(tree: Tree) -> None:
    names = [path.name for path in make(tree, [FF_REAL]).tables()]
    assert names == ["List_of_testing_videos.txt", "test.json", "train.json", "val.json"]


def test_forty_methods_are_expected(tree: Tree) -> None:
    records = make(tree, [FF_REAL, "DF40/a/fake/1.png", "DF40/b/fake/1.png"]).records()
    (count,) = DF40.expected_counts(records)
    assert (count.name, count.found, count.expected, count.rule) == ("methods", 2, 40, "exactly")

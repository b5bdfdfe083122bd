from collections import Counter
from pathlib import Path

import pytest

from fakeforensics.errors import UserError
from fakeforensics.sources.base import FAKES_ONLY, RawFile, decisions, read_records
from fakeforensics.sources.celeb_df_pp import CelebDFPP
from tests.unit.sources.conftest import Tree

SWAP = "Celeb-synthesis/FaceSwap/BlendFace/id3_id28_0001.mp4"
REENACTED = "Celeb-synthesis/FaceReenact/DaGAN/id3_id28_0001.mp4"
TALKING = "Celeb-synthesis/TalkingFace/IP_LAP/id3_0001_test_00012.mp4"
FROM_CELEB_DF = "Celeb-synthesis/FaceSwap/Celeb-DF-v2/id3_id28_0001.mp4"
FILES = ("Celeb-real/id3_0001.mp4", "YouTube-real/00170.mp4", SWAP, REENACTED, TALKING, FROM_CELEB_DF)
# One test video of each method, of which only the first is on disk.
LIST = (
    f"1 YouTube-real/00170.mp4\n0 {SWAP}\n"
    + "".join(f"0 {path.rpartition('/')[0]}/id0_id1_0000.mp4\n" for path in (REENACTED, FROM_CELEB_DF))
    + f"0 {TALKING.rpartition('/')[0]}/id0_0000_test_00001.mp4\n"
)


def make(tree: Tree, files: tuple[str, ...] = FILES, listed: str = LIST) -> CelebDFPP:
    root = tree(files)
    (root / "List_of_testing_videos.txt").write_text(listed)
    return CelebDFPP("c", root)


def test_a_fake_of_any_scenario_belongs_to_its_real_video(tree: Tree) -> None:
    records = {record.path: record for record in make(tree).records()}
    assert {record.group for path, record in records.items() if "id3" in path} == {"c/id3_0001"}
    methods = {path: records[path].method for path in (SWAP, REENACTED, TALKING, FROM_CELEB_DF)}
    assert list(methods.values()) == ["blendface", "dagan", "ip_lap", "celeb_df"]
    assert all(records[path].label == 1 for path in methods)
    assert records[SWAP].identities == records[REENACTED].identities == ("c/id3", "c/id28")
    # The clip that drives a talking face names no second person.
    assert records[TALKING].identities == records["Celeb-real/id3_0001.mp4"].identities == ("c/id3",)
    youtube = records["YouTube-real/00170.mp4"]
    assert (youtube.label, youtube.method, youtube.group, youtube.identities) == (0, "real", "c/00170", ())


def test_the_same_name_is_tested_for_the_listed_method_only(tree: Tree) -> None:
    tested = {record.path for record in make(tree).records() if record.own_split == "test"}
    assert tested == {"YouTube-real/00170.mp4", SWAP}


def test_a_videos_level_is_accepted(tree: Tree) -> None:
    files = tuple("/videos/".join(path.rsplit("/", 1)) for path in FILES)
    records = make(tree, files).records()
    assert Counter(record.own_split for record in records) == {"test": 2, "": 4}
    assert {record.method for record in records} == {"real", "blendface", "dagan", "ip_lap", "celeb_df"}


def test_a_renamed_method_is_refused_because_its_test_videos_could_be_trained_on(tree: Tree) -> None:
    files = (*FILES, "Celeb-synthesis/FaceSwap/Blend-Face/id3_id28_0001.mp4")
    with pytest.raises(UserError, match="names no video in Celeb-synthesis/FaceSwap/Blend-Face"):
        make(tree, files).records()


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("Celeb-synthesis/id3_id28_0001.mp4", "not in the folder of a method"),
        ("Celeb-synthesis/FaceSwap/id3_id28_0001.mp4", "not in the folder of a method"),
        ("Celeb-synthesis/Puppets/DaGAN/id3_id28_0001.mp4", "not in the folder of a method"),
        ("Celeb-synthesis/FaceSwap/BlendFace/id3_0001.mp4", "does not say who"),
        ("Celeb-synthesis/TalkingFace/IP_LAP/talker.mp4", "does not say who"),
        ("Celeb-real/0001.mp4", "does not say who"),
        ("Celeb-real/test/id3_0002.mp4", "named like a split"),
    ],
)
def test_what_the_tree_does_not_say_is_refused(tree: Tree, path: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as caught:
        make(tree, (*FILES, path)).records()
    assert path in str(caught.value)


@pytest.mark.parametrize(
    ("listed", "complaint"),
    [
        ("0 Celeb-real/id3_0001.mp4\n", "line 1: not a line"),
        (LIST + "video,label\n", "line 6: not a line"),
        ("1 Celeb-real/id9_0009.mp4\n", "none of the 1 videos"),
        ("\n", "is empty"),
    ],
)
def test_a_faulty_list_is_refused(tree: Tree, listed: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        make(tree, listed=listed).records()


def test_a_missing_list_or_no_video_is_refused(tree: Tree, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"List_of_testing_videos\.txt: no such file"):
        CelebDFPP("c", tree(FILES)).records()
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/List_of_testing_videos.txt").write_text(LIST)
    with pytest.raises(UserError, match="holds a video"):
        CelebDFPP("c", tmp_path / "empty").records()


def test_a_fake_without_its_real_video_is_named(tree: Tree) -> None:
    files = (*FILES, "Celeb-synthesis/TalkingFace/IP_LAP/id7_0004_test_00001.mp4")
    assert decisions(read_records(make(tree, files)))["doubts"] == {FAKES_ONLY: 1}


def record(path: str, method: str, split: str = "") -> RawFile:
    label = 0 if method == "real" else 1
    return RawFile(path, "video", method, "celeb_df", label, path, own_split=split)  # type: ignore[arg-type]


def test_counts_by_folder_and_method() -> None:
    records = [record(f"Celeb-real/id0_{n:04d}.mp4", "real", "test" if n < 178 else "") for n in range(590)]
    records += [record(f"YouTube-real/{n:05d}.mp4", "real") for n in range(300)]
    folders = {"FaceSwap/BlendFace": 200, "FaceReenact/LIA": 199, "TalkingFace/FLOAT": 300}
    for folder, tests in folders.items():
        name = folder.rpartition("/")[2].lower()
        records += [record(f"Celeb-synthesis/{folder}/{n}.mp4", name, "test") for n in range(tests)]
    records += [record("Celeb-synthesis/FaceSwap/Celeb-DF/0.mp4", "celeb_df", "test")]
    counts = {count.name: count for count in CelebDFPP.expected_counts(records)}
    missed = {name: (count.found, count.expected) for name, count in counts.items() if not count.is_met}
    # 200 + 199 + 300 + 1 fakes by four methods.
    assert missed == {"Celeb-synthesis": (700, 53196), "methods": (4, 22), "test videos, lia": (199, 200)}
    assert "test videos, celeb_df" not in counts

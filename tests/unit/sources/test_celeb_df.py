from pathlib import Path

import pytest

from fakeforensics.errors import UserError
from fakeforensics.sources.base import FAKES_ONLY, decisions, read_records
from fakeforensics.sources.celeb_df import CelebDF
from tests.unit.sources.conftest import Tree

FILES = (
    "Celeb-real/id0_0000.mp4",
    "Celeb-real/id16_0012.mp4",
    "Celeb-synthesis/id16_id6_0012.mp4",
    "YouTube-real/00170.mp4",
)
LIST = "1 YouTube-real/00170.mp4\n1 Celeb-real/id0_0000.mp4\n"


def make(tree: Tree, files: tuple[str, ...] = FILES, listed: str = LIST) -> CelebDF:
    root = tree(files)
    (root / "List_of_testing_videos.txt").write_text(listed)
    return CelebDF("c", root)


def test_the_label_comes_from_the_folder_and_the_group_is_the_original_video(tree: Tree) -> None:
    records = {record.path: record for record in make(tree).records()}
    real, fake = records["Celeb-real/id16_0012.mp4"], records["Celeb-synthesis/id16_id6_0012.mp4"]
    assert (real.label, fake.label) == (0, 1)
    assert (real.method, fake.method) == ("real", "celeb_df")
    # The swap was made from the real video id16_0012.
    assert real.group == fake.group == "c/id16_0012"
    assert real.identities == ("c/id16",)
    assert fake.identities == ("c/id16", "c/id6")
    youtube = records["YouTube-real/00170.mp4"]
    assert (youtube.group, youtube.identities) == ("c/00170", ())


def test_every_listed_video_is_test_the_first_line_too(tree: Tree) -> None:
    tested = [record.path for record in make(tree).records() if record.own_split == "test"]
    assert tested == ["Celeb-real/id0_0000.mp4", "YouTube-real/00170.mp4"]


def test_a_videos_level_is_accepted(tree: Tree) -> None:
    files = tuple(path.replace("/", "/videos/") for path in FILES)
    records = make(tree, files).records()
    assert sum(record.own_split == "test" for record in records) == 2


@pytest.mark.parametrize(
    ("listed", "complaint"),
    [
        # The official 1 means real; a list in the other convention would swap nothing but trust.
        ("0 Celeb-real/id0_0000.mp4\n", "contradicts the folder"),
        ("1 Celeb-real/id0_0000.mp4\nvideo,label\n", "line 2: not a line"),
        ("1 Celeb-real/id9_0009.mp4\n", "none of the 1 videos"),
        ("\n", "is empty"),
    ],
)
def test_a_faulty_list_is_refused(tree: Tree, listed: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        make(tree, listed=listed).records()


def test_a_missing_list_is_refused(tree: Tree) -> None:
    with pytest.raises(UserError, match=r"List_of_testing_videos\.txt: no such file"):
        CelebDF("c", tree(FILES)).records()


def test_a_renamed_video_is_refused(tree: Tree) -> None:
    with pytest.raises(UserError, match="does not say who the video shows"):
        make(tree, (*FILES, "Celeb-synthesis/fake1.mp4")).records()


def test_no_video_at_all(tmp_path: Path) -> None:
    (tmp_path / "List_of_testing_videos.txt").write_text(LIST)
    with pytest.raises(UserError, match="holds a video"):
        CelebDF("c", tmp_path).records()


def test_what_decided_is_counted_and_a_swap_without_its_original_named(tree: Tree) -> None:
    records = read_records(make(tree, (*FILES, "Celeb-synthesis/id2_id3_0001.mp4")))
    found = decisions(records)
    # Two of five videos are listed; of two swaps, the original id2_0001 is not on disk.
    assert found["split"]["official list List_of_testing_videos.txt"] == 2
    assert found["group"] == {"file name <target>_<source>_<take>": 2, "the file itself": 3}
    assert found["doubts"] == {FAKES_ONLY: 1}


def test_split_folders_are_refused_where_a_list_decides(tree: Tree) -> None:
    with pytest.raises(UserError, match="the folder Test is named like a split"):
        make(tree, (*FILES, "Celeb-real/Test/id1_0001.mp4")).records()

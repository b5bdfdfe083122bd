from pathlib import Path

import pytest

from fakeforensics.errors import UserError
from fakeforensics.sources.folder import Folder
from tests.unit.sources.conftest import Tree


def table(tree: Tree, text: str, files: tuple[str, ...] = ("a.png", "b.mp4")) -> Folder:
    root = tree(files)
    (root / "labels.csv").write_text(text)
    return Folder("f", root, {"csv": "labels.csv"})


def test_the_folders_say_label_method_split_and_kind(tree: Tree) -> None:
    root = tree(["train/0_real/anna.jpg", "train/1_fake/faceswap/anna.png", "test/1_fake/x.MP4", "notes.txt"])
    test, real, fake = Folder("f", root, {"domain": "office"}).records()
    assert (real.label, real.method, real.own_split, real.domain) == (0, "real", "train", "office")
    assert (fake.label, fake.method) == (1, "faceswap")
    # The edit has its original's name, so it goes where the original goes.
    assert real.group == fake.group == "f/train/anna"
    assert (test.kind, test.own_split, test.method, test.video) == (
        "video",
        "test",
        "fake",
        "f/test/1_fake/x",
    )


def test_a_file_outside_both_folders_is_refused(tree: Tree) -> None:
    with pytest.raises(UserError, match=r"fakes/a\.png is in neither"):
        Folder("f", tree(["fakes/a.png"])).records()


def test_a_table_gives_label_method_and_group(tree: Tree) -> None:
    text = "path,label,method,group\nb.mp4,fake,dfl,anna\na.png,0,,anna\n"
    image, video = table(tree, text).records()
    assert (image.label, image.method, image.kind) == (0, "real", "image")
    assert (video.label, video.method, video.kind) == (1, "dfl", "video")
    assert image.group == video.group == "f/anna"


def test_a_table_may_prescribe_splits(tree: Tree) -> None:
    text = "path,label,split,domain\na.png,0,test,office\nb.mp4,1,,\n"
    image, video = table(tree, text).records()
    assert (image.own_split, image.domain) == ("test", "office")
    assert (video.own_split, video.domain, video.group) == ("", "f", "f/b")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("file,label\na.png,0\n", "wrong columns"),
        ("path,label,color\na.png,0,red\n", "wrong columns"),
        ("path,label\na.png,2\n", "line 2: label '2'"),
        ("path,label,split\na.png,0,holdout\n", "split 'holdout'"),
        ("path,label\nmissing.png,0\n", "no file 'missing.png'"),
        ("path,label\n../a.png,0\n", "no file '../a.png'"),
        ("path,label\na.png,0\na.png,1\n", "a.png is listed twice"),
    ],
)
def test_a_faulty_table_is_refused(tree: Tree, text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        table(tree, text).records()


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        Folder("f", tmp_path, {"csv": "labels.csv"}).records()


def test_the_table_belongs_to_the_inventory(tree: Tree) -> None:
    assert [str(path) for path in table(tree, "path,label\na.png,0\n").tables()] == ["labels.csv"]

import tempfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakeforensics.errors import UserError
from fakeforensics.sources.base import FAKES_ONLY, decisions, read_records
from fakeforensics.sources.folder import ABSENT, DIVIDED, NUMBERED, SEVERAL, Folder
from fakeforensics.sources.split_folders import CATEGORY, MENTION, split_of
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


def groups(root: Path, **options: object) -> dict[str, str]:
    return {record.path: record.group for record in Folder("f", root, options).records()}


def doubts(root: Path, **options: object) -> dict[str, int]:
    return decisions(read_records(Folder("f", root, options)))["doubts"]


def test_a_category_called_train_does_not_decide_the_split(tree: Tree) -> None:
    """Object categories below split folders, as in CNNDetection's training images; one is called train."""
    splits, categories = ("train", "val", "test"), ("car", "train", "cat")
    root = tree(
        f"{split}/{category}/{label}/1.png"
        for split in splits
        for category in categories
        for label in ("0_real", "1_fake")
    )
    records = Folder("f", root).records()
    assert all(record.own_split == record.path.split("/")[0] for record in records)
    # Below val and test, the category train has two files each.
    assert doubts(root) == {CATEGORY: 4}


@pytest.mark.parametrize(
    ("paths", "named"),
    [
        (["val/train/0_real/1.png", "val/test/0_real/1.png"], "val and t.* name different splits"),
        (["test/0_real/train/1.png"], "test and train name different splits"),
        (["car/0_real/1.png", "train/0_real/1.png"], "train is named like a split"),
        # Where validation is called val or dev, eval may be the test.
        (["dev/0_real/1.png", "eval/0_real/1.png"], "is named like a split"),
        (["0_real/clip/1.png", "0_real/test/1.png"], "test is named like a split"),
        (["1_fake/swap/1.png", "1_fake/test/1.png"], "test is named like a split"),
        (["train/1_fake/test/1.png", "train/1_fake/swap/1.png"], "the method test is named like a split"),
    ],
)
def test_a_folder_that_may_or_may_not_be_a_split_is_refused(tree: Tree, paths: list[str], named: str) -> None:
    with pytest.raises(UserError, match=named):
        Folder("f", tree(paths)).records()


@pytest.mark.parametrize(
    "path",
    [
        *("test/1_fake/swap/a.png", "1_fake/test/swap/a.png", "1_fake/swap/test/a.png"),
        *("x/testing/1_fake/swap/a.png", "1_fake/swap/Test_Set/a.png", "1_fake/swap/tests/b/a.png"),
    ],
)
def test_a_split_folder_counts_at_any_level(tree: Tree, path: str) -> None:
    (record,) = Folder("f", tree([path])).records()
    assert (record.own_split, record.method) == ("test", "swap")


def test_split_folders_below_the_label_name_no_method(tree: Tree) -> None:
    records = Folder("f", tree(["0_real/val/a.png", "1_fake/validation/a.png"])).records()
    assert [(record.method, record.own_split) for record in records] == [("real", "val"), ("fake", "val")]
    assert {record.group for record in records} == {"f/val/a"}


def test_a_name_that_mentions_a_split_is_a_doubt(tree: Tree) -> None:
    assert doubts(tree(["celeb_test/0_real/a.png", "celeb_train/0_real/b.png"])) == {MENTION: 2}


NAMES = ("car", "cat", "train", "Test", "test_set", "val", "eval", "swap")


@settings(deadline=None)  # it writes files
@given(
    st.sets(
        st.tuples(
            st.lists(st.sampled_from(NAMES), max_size=2),
            st.sampled_from(("0_real", "1_fake")),
            st.lists(st.sampled_from(NAMES), max_size=2),
        ).map(lambda parts: "/".join((*parts[0], parts[1], *parts[2], "a.png"))),
        min_size=1,
        max_size=6,
    )
)
def test_the_outermost_split_folder_decides_or_the_tree_is_refused(paths: set[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        for path in paths:
            (Path(name) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(name) / path).touch()
        try:
            records = Folder("f", Path(name)).records()
        except UserError:
            return
    for record in records:
        named = [split_of(folder) for folder in PurePosixPath(record.path).parts[:-1]]
        assert record.own_split == next(filter(None, named), "")
        assert not split_of(record.method)


@pytest.mark.parametrize(
    ("real", "fake"),
    [
        *(("person00", "person00_1"), ("person00", "swap-person00"), ("person00", "person00 (2)")),
        *(("anna", "Anna.v2"), ("real_anna", "fake_anna"), ("anna", "anna/0"), ("anna", "anna/frame0001")),
        *(("clip/frame0001", "clip/frame0001"), ("clip/frame0001", "clip_1/frame0009")),
        *(("clip_frame_1", "clip_frame_2"), ("clip/frame1", "clip_frm2")),
        # How DeepFakeDetection, Celeb-DF and FaceForensics++ call a fake, here as files of one's own.
        ("06__talking_angry_couch", "DeepFakeDetection_06_27__talking_angry_couch__JOG5PB18"),
        *(("id16_0012", "id16_id6_0012"), ("004", "004_982")),
    ],
)
def test_a_fake_belongs_to_the_real_file_that_its_name_tells(tree: Tree, real: str, fake: str) -> None:
    root = tree([f"0_real/{real}.png", "0_real/other.png", f"1_fake/swap/{fake}.png"])
    found = groups(root)
    assert found[f"1_fake/swap/{fake}.png"] == found[f"0_real/{real}.png"]
    assert found["0_real/other.png"] != found[f"0_real/{real}.png"]
    assert doubts(root) == {}


def test_the_original_may_be_in_another_folder(tree: Tree) -> None:
    found = groups(tree(["0_real/youtube/anna.png", "0_real/actors/bob.png", "1_fake/swap/anna_1.png"]))
    assert found["1_fake/swap/anna_1.png"] == found["0_real/youtube/anna.png"] == "f/youtube/anna"


def test_an_original_that_is_not_clear_is_counted(tree: Tree) -> None:
    root = tree(
        [
            *("0_real/004.png", "0_real/982.png", "1_fake/swap/004_982.png"),  # the target comes first
            *("0_real/x/7.png", "0_real/y/7.png", "1_fake/swap/7_1.png"),  # two, neither in its folder
            "1_fake/swap/seed.png",
        ]
    )
    found = groups(root, group="file")
    assert found["1_fake/swap/004_982.png"] == "f/004"
    assert found["1_fake/swap/7_1.png"] == "f/7_1"
    assert doubts(root, group="file") == {SEVERAL: 2, FAKES_ONLY: 2}


def test_an_original_in_another_split_is_counted(tree: Tree) -> None:
    root = tree(["train/0_real/anna.png", "test/1_fake/anna_1.png", "test/1_fake/b.png"])
    # b is like nobody; that anna_1 was made from a training image, only its maker knows.
    assert doubts(root) == {DIVIDED: 1, FAKES_ONLY: 2}


def test_numbered_pictures_in_folders_may_be_frames(tree: Tree) -> None:
    root = tree(
        f"{label}/{clip}/000{n}.png" for label in ("0_real", "1_fake/a") for clip in "xy" for n in (1, 2)
    )
    # A group each, as for the pictures of a category; the four real ones may be the frames of two clips.
    assert doubts(root) == {NUMBERED: 4}
    assert len(set(groups(root).values())) == 4
    assert doubts(root, group="folder") == doubts(root, group="file") == {}
    assert set(groups(root, group="folder").values()) == {"f/x", "f/y"}


@settings(deadline=None)  # it writes files
@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=5, unique=True),
    st.lists(
        st.tuples(
            st.integers(0, 4), st.sampled_from(("{}_{}", "swap{1}-{0}", "{} ({})", "x_{}_v{}", "{0}/{1}"))
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(("{label}/{rest}", "test/{label}/{rest}", "{label}/train/{rest}")),
)
def test_a_fake_and_its_original_are_never_divided(
    persons: list[int], fakes: list[tuple[int, str]], tree: str
) -> None:
    reals = [f"person{number:02d}" for number in persons]
    made = {
        f"swap/{form.format(reals[which % len(reals)], number)}": reals[which % len(reals)]
        for number, (which, form) in enumerate(fakes, start=100)
    }
    with tempfile.TemporaryDirectory() as name:
        for label, names in (("0_real", reals), ("1_fake", made)):
            for rest in names:
                path = Path(name, tree.format(label=label, rest=f"{rest}.png"))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        found = groups(Path(name))
    for rest, real in made.items():
        fake = found[tree.format(label="1_fake", rest=f"{rest}.png")]
        assert fake == found[tree.format(label="0_real", rest=f"{real}.png")]


DFDC = """path,label,method,group
p0/real.png,REAL,,
p0/fake.png,FAKE,dfdc,real.png
p1/real.png,REAL,,
p1/fake.png,FAKE,dfdc,real.png
p1/more.png,FAKE,dfdc,p1/fake.png
p1/lost.png,FAKE,dfdc,gone.png
p1/lone.png,FAKE,dfdc,
p1/real_2.png,FAKE,dfdc,
"""


def test_a_group_that_names_another_rows_file_joins_it(tree: Tree) -> None:
    """DFDC's metadata names the original by its file, which is in the fake's own folder."""
    names = [line.partition(",")[0] for line in DFDC.splitlines()[1:]]
    adapter = table(tree, DFDC, tuple(names))
    found = {record.path: record.group for record in adapter.records()}
    assert found["p0/fake.png"] == found["p0/real.png"] == "f/p0/real"
    assert found["p1/fake.png"] == found["p1/real.png"] == "f/p1/real"
    assert found["p1/more.png"] == "f/p1/real"  # by way of p1/fake.png
    assert found["p1/real_2.png"] == "f/p1/real"  # by its name
    assert found["p1/lost.png"] == "f/gone.png"
    counted = decisions(read_records(adapter))
    assert counted["doubts"] == {ABSENT: 1, FAKES_ONLY: 2}
    assert counted["group"]["csv column group, another row's file"] == 3


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("x/a.png,0,,\ny/a.png,0,,\nz/b.png,1,a.png,\n", r"names several files"),
        ("test/a.png,0,,train\n", "below a test folder, but its split is train"),
        ("x/a.png,0,,\ntest/a.png,0,,\n", "test is named like a split"),
        ("a.png,1,,,test\n", "method 'test'"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(tree: Tree, rows: str, complaint: str) -> None:
    text = "path,label,group,split,method\n" + rows
    with pytest.raises(UserError, match=complaint):
        table(tree, text, tuple(line.partition(",")[0] for line in rows.splitlines())).records()


def test_folders_say_the_split_of_rows_that_do_not(tree: Tree) -> None:
    text = "path,label,split\ntrain/a.png,0,\ntest/b.png,1,\n"
    records = table(tree, text, ("train/a.png", "test/b.png")).records()
    assert [record.own_split for record in records] == ["test", "train"]


def test_rows_that_name_each_other_are_one_group(tree: Tree) -> None:
    text = "path,label,group\na.png,0,a.png\nb.png,1,c.png\nc.png,1,b.png\nd.png,1,c.png\n"
    records = table(tree, text, ("a.png", "b.png", "c.png", "d.png")).records()
    assert [record.group for record in records] == ["f/a", "f/b", "f/b", "f/b"]

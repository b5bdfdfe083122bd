import pytest

from fakeforensics.errors import UserError
from fakeforensics.sources.cnn_synth import CNNSynth
from tests.unit.sources.conftest import Tree

SETS = (
    "progan/airplane/0_real/00001.png",
    "progan/airplane/1_fake/00001.png",
    "seeingdark/0_real/7.png",
    "seeingdark/1_fake/7.png",
)


@pytest.mark.parametrize("above", ["", "CNN_synth_testset/", "test/"])
def test_sets_with_and_without_categories_are_test(tree: Tree, above: str) -> None:
    records = CNNSynth("s", tree([above + path for path in SETS])).records()
    found = [(record.domain, record.method, record.label, record.own_split) for record in records]
    assert found == [
        ("progan", "real", 0, "test"),
        ("progan", "pggan", 1, "test"),
        ("seeingdark", "real", 0, "test"),
        ("seeingdark", "sitd", 1, "test"),
    ]


def test_the_training_archive_is_progan(tree: Tree) -> None:
    root = tree(["progan_train/cat/1_fake/1.png", "progan_val/cat/0_real/2.png", "progan/cat/0_real/3.png"])
    records = CNNSynth("s", root).records()
    assert {record.domain for record in records} == {"progan"}
    assert [record.own_split for record in records] == ["test", "train", "val"]


def test_crn_and_imle_share_their_photographs(tree: Tree) -> None:
    root = tree([f"{name}/{folder}/9.png" for name in ("crn", "imle") for folder in ("0_real", "1_fake")])
    assert {record.group for record in CNNSynth("s", root).records()} == {"s/gta/9"}


def test_images_made_from_noise_are_groups_of_their_own(tree: Tree) -> None:
    groups = [record.group for record in CNNSynth("s", tree(SETS)).records()]
    assert groups[0] != groups[1]
    assert groups[2] == groups[3]


def test_another_set_may_be_added_and_named(tree: Tree) -> None:
    records = CNNSynth(
        "s", tree(["sdv15/1_fake/1.png"]), {"methods": {"sdv15": "stable_diffusion"}}
    ).records()
    assert [record.method for record in records] == ["stable_diffusion"]


@pytest.mark.parametrize(
    "path", ["biggan/1.png", "0_real/1.png", "a/0_real/1_fake/1.png", "1.png", "test/train/0_real/1.png"]
)
def test_an_image_outside_the_tree_is_refused(tree: Tree, path: str) -> None:
    with pytest.raises(UserError, match="0_real or 1_fake"):
        CNNSynth("s", tree([path])).records()


def test_the_category_called_train_is_no_split(tree: Tree) -> None:
    paths = ["progan/train/0_real/1.png", "progan_train/train/0_real/1.png", "progan_val/train/0_real/1.png"]
    records = CNNSynth("s", tree(paths)).records()
    assert [record.own_split for record in records] == ["test", "train", "val"]
    assert {record.domain for record in records} == {"progan"}


def test_the_authors_own_folders_are_splits(tree: Tree) -> None:
    root = tree(["train/progan/car/0_real/1.png", "val/progan/car/0_real/1.png", "test/biggan/0_real/1.png"])
    records = CNNSynth("s", root).records()
    assert [(one.domain, one.own_split) for one in records] == [
        ("biggan", "test"),
        ("progan", "train"),
        ("progan", "val"),
    ]


def test_a_set_named_like_a_split_is_refused(tree: Tree) -> None:
    # The root is ProGAN's folder of categories, one of which would be trained on.
    with pytest.raises(UserError, match="train is named like a split"):
        CNNSynth("s", tree(["car/0_real/1.png", "train/0_real/1.png"])).records()

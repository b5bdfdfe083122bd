import pytest

from fakeforensics.errors import UserError
from fakeforensics.sources.base import FAKES_ONLY, decisions, read_records
from fakeforensics.sources.dffd import DFFD, SEVERAL
from tests.unit.sources.conftest import Tree


def test_method_domain_label_and_split_come_from_the_folders(tree: Tree) -> None:
    root = tree(["stylegan_ffhq/validation/0MISW9NS1V.jpg", "celeba/train/00042.png", "pggan/eval/7.PNG"])
    celeba, pggan, stylegan = DFFD("d", root).records()
    assert (celeba.method, celeba.domain, celeba.label, celeba.own_split) == ("real", "celeba", 0, "train")
    assert (pggan.method, pggan.domain, pggan.label, pggan.own_split) == ("pggan", "celeba", 1, "val")
    assert (stylegan.method, stylegan.domain, stylegan.own_split) == ("stylegan", "ffhq", "val")


@pytest.mark.parametrize("name", ["00042.png", "000042_Blond_Hair.jpg", "stargan_000042_Male.png", "42.png"])
def test_an_edit_belongs_to_its_photographs_group(tree: Tree, name: str) -> None:
    records = DFFD("d", tree(["celeba/train/00042.png", f"stargan/train/{name}"])).records()
    assert [record.group for record in records] == ["d/celeba/00042"] * 2


def test_images_made_from_noise_are_groups_of_their_own(tree: Tree) -> None:
    records = DFFD("d", tree(["ffhq/test/00001.jpg", "stylegan_ffhq/test/00001.jpg"])).records()
    assert [record.group for record in records] == ["d/ffhq/00001", "d/stylegan_ffhq/test/00001"]


def test_without_split_folders_nothing_is_prescribed(tree: Tree) -> None:
    records = DFFD("d", tree(["ffhq/00001.jpg", "faceapp/00001.jpg"])).records()
    assert [record.own_split for record in records] == ["", ""]


def test_another_tree_is_described_in_the_options(tree: Tree) -> None:
    root = tree(["FaceAPP/train/p3.jpg", "ffhq/train/p3.jpg", "masks/train/p3.png"])
    folders = {"FaceAPP": {"method": "faceapp", "domain": "ffhq", "photos": "ffhq"}}
    options = {"folders": folders, "ignore": ["masks"], "number": r"p(\d+)"}
    edit, photo = DFFD("d", root, options).records()
    assert (edit.method, edit.group) == ("faceapp", photo.group)


def test_a_folder_without_a_rule_is_refused(tree: Tree) -> None:
    with pytest.raises(UserError, match="no rule for DFL") as caught:
        DFFD("d", tree(["DFL/train/1.png", "ffhq/train/1.png"])).records()
    assert "sources.d.options.folders" in str(caught.value)


def test_a_misspelt_option_is_refused(tree: Tree) -> None:
    with pytest.raises(UserError, match="unknown key `folder`"):
        DFFD("d", tree([]), {"folder": {}})


def test_a_number_pattern_needs_a_group(tree: Tree) -> None:
    with pytest.raises(UserError, match="captures the number"):
        DFFD("d", tree([]), {"number": r"\d+"})


def test_a_split_folder_counts_at_any_level(tree: Tree) -> None:
    root = tree(["ffhq/images/Test_set/1.png", "ffhq/images/training/2.png"])
    assert [record.own_split for record in DFFD("d", root).records()] == ["test", "train"]


def test_an_original_that_is_not_there_or_not_clear_is_counted(tree: Tree) -> None:
    names = ["celeba/train/00001.png", "celeba/train/00042.png"]
    edits = ["stargan/train/00099.png", "stargan/train/1_42.png", "stargan/train/256_42.png"]
    *_, absent, several, clear = records = read_records(DFFD("d", tree([*names, *edits])))
    assert decisions(records)["doubts"] == {FAKES_ONLY: 1, SEVERAL: 1}
    # There is no photograph 256, so that the size in front of the number misleads nobody.
    groups = [record.group for record in (absent, several, clear)]
    assert groups == ["d/celeba/00099", "d/celeba/00001", "d/celeba/00042"]


def test_numbers_that_folders_of_a_domain_share_are_named_with_their_files(tree: Tree) -> None:
    root = tree(
        [
            *(f"celeba/train/{n:05d}.png" for n in range(5)),
            *(f"stargan/{split}/{n:06d}_Male.png" for split, n in (("train", 3), ("test", 4), ("train", 9))),
            "pggan/train/00002.png",
            "ffhq/train/00003.png",  # another domain
        ]
    )
    adapter = DFFD("d", root)
    pggan, stargan = adapter.shared_numbers(adapter.records())
    assert (pggan.real, pggan.fake, pggan.joined) == ("celeba", "pggan", False)
    assert pggan.pairs == (("celeba/train/00002.png", "pggan/train/00002.png"),)
    # 3 and 4 are shared, 9 is not; the edit of 4 is a test image.
    assert (stargan.numbers, stargan.joined, stargan.across_splits) == (3, True, 1)
    assert [fake for _, fake in stargan.pairs] == [
        "stargan/train/000003_Male.png",
        "stargan/test/000004_Male.png",
    ]

import pytest

from fakeforensics.errors import UserError
from fakeforensics.sources.base import RawFile
from fakeforensics.sources.genimage import GENERATED_BY, GenImage
from tests.unit.sources.conftest import Tree


def one(tree: Tree, path: str) -> RawFile:
    (record,) = GenImage("g", tree([path])).records()
    return record


@pytest.mark.parametrize(
    ("path", "label", "generator", "split"),
    [
        ("Midjourney/train/ai/1.png", 1, "midjourney", "train"),
        # GenImage's folder val is its testing set; it has no validation set.
        ("Midjourney/val/nature/1.JPEG", 0, "midjourney", "test"),
        ("stable_diffusion_v_1_4/imagenet_ai_0419_sdv4/val/ai/1.png", 1, "sd14", "test"),
        ("GenImage/imagenet_ai_0424_sdv5/train/ai/1.png", 1, "sd15", "train"),
        ("Stable Diffusion V1.5/train/nature/1.png", 0, "sd15", "train"),
        ("VQDM/train/ai/1.png", 1, "vqdm", "train"),
        # AIGIBench: categories of ProGAN in training and validation, generators in test.
        ("train/car/0_real/1.png", 0, "progan", "train"),
        ("val/horse/1_fake/1.png", 1, "progan", "val"),
        ("val/sdv1.4/1_fake/1.png", 1, "sd14", "val"),
        ("test/FLUX1-dev/1_fake/1.png", 1, "flux1-dev", "test"),
        ("test/car/1_fake/1.png", 1, "car", "test"),
        ("mine/1_fake/1.png", 1, "mine", ""),
    ],
)
def test_label_generator_and_split_come_from_the_folders(
    tree: Tree, path: str, label: int, generator: str, split: str
) -> None:
    record = one(tree, path)
    assert (record.label, record.domain, record.own_split) == (label, generator, split)
    assert record.method == (generator if label else "real")


def test_a_photograph_next_to_two_generators_is_one_group(tree: Tree) -> None:
    files = ["ADM/train/nature/n01440764_1.JPEG", "VQDM/val/nature/n01440764_1.JPEG"]
    generated = ["ADM/train/ai/1.png", "VQDM/train/ai/1.png"]
    groups = {record.path: record.group for record in GenImage("g", tree([*files, *generated])).records()}
    assert groups[files[0]] == groups[files[1]] == "g/nature/n01440764_1"
    assert [groups[path] for path in generated] == ["g/ADM/train/ai/1", "g/VQDM/train/ai/1"]


def test_photographs_that_a_copy_numbers_anew_are_unrelated(tree: Tree) -> None:
    files = ["ADM/train/nature/1.png", "ADM/val/nature/1.png", "ADM/val/nature/ILSVRC2012_val_00000001.JPEG"]
    groups = [record.group for record in GenImage("g", tree(files)).records()]
    names = ["ADM/train/nature/1", "ADM/val/nature/1", "nature/ILSVRC2012_val_00000001"]
    assert groups == [f"g/{name}" for name in names]


def test_files_of_the_same_number_are_unrelated_in_aigibench(tree: Tree) -> None:
    files = ["test/WFIR/0_real/1.png", "test/WFIR/1_fake/1.png", "test/SocialRF/0_real/1.png"]
    assert len({record.group for record in GenImage("g", tree(files)).records()}) == 3


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("train/ai/1.png", "do not say whether it is real"),
        ("Midjourney/train/1.png", "do not say whether it is real"),
        ("Midjourney/train/ai/nature/1.png", "do not say whether it is real"),
        ("_new/train/ai/1.png", "not a generator's name"),
    ],
)
def test_a_tree_that_does_not_name_label_and_generator_is_refused(
    tree: Tree, path: str, complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint) as caught:
        one(tree, path)
    assert path in str(caught.value)


def test_the_published_numbers_add_up_to_the_published_totals() -> None:
    # 7 generators x 168 images of 1,000 classes, and 174 by Stable Diffusion 1.5.
    assert sum(map(sum, GENERATED_BY.values())) == 1_350_000


def images(folder: str, domain: str, label: int, count: int, split: str) -> list[RawFile]:
    method = domain if label else "real"
    return [
        RawFile(f"{folder}/{n}.png", "image", method, domain, label, f"{folder}{n}", own_split=split)  # type: ignore[arg-type]
        for n in range(count)
    ]


def test_only_the_generators_on_disk_are_counted() -> None:
    records = images("VQDM/val/ai", "vqdm", 1, 5_999, "test")
    counts = {count.name: (count.found, count.expected) for count in GenImage.expected_counts(records)}
    assert counts == {"vqdm, ai, train": (0, 162_000), "vqdm, ai, test": (5_999, 6_000)}


def test_photographs_are_counted_once_all_generators_are_there() -> None:
    records = [
        record
        for generator in GENERATED_BY
        for record in images(f"{generator}/val/nature", generator, 0, 6_250, "test")
    ]
    counts = {count.name: count.found for count in GenImage.expected_counts(records)}
    # 8 x 6,250
    assert (counts["nature, train"], counts["nature, test"]) == (0, 50_000)
    assert counts["sd15, ai, train"] == 0


def test_the_five_sets_of_aigibench_whose_numbers_are_published() -> None:
    records = images("test/WFIR/0_real", "wfir", 0, 1_000, "test")
    records += images("test/WFIR/1_fake", "wfir", 1, 999, "test")
    records += images("test/FLUX1-dev/1_fake", "flux1-dev", 1, 7, "test")
    counts = {count.name: (count.found, count.is_met) for count in GenImage.expected_counts(records)}
    assert counts == {"wfir, real": (1_000, True), "wfir, fake": (999, False)}

import pytest

from fakeforensics.errors import UserError
from fakeforensics.sources.gan_instances import GanInstances
from tests.unit.sources.conftest import Tree


def test_folders_say_method_and_instance(tree: Tree) -> None:
    real, fake = GanInstances("p", tree(["PGGAN/seed_2/1.png", "celeba/000001.jpg"])).records()[::-1]
    assert (real.method, real.label, real.instance, real.domain) == ("real", 0, "", "celeba")
    assert (fake.method, fake.label, fake.instance, fake.domain) == ("pggan", 1, "pggan/seed_2", "celeba")
    assert (real.own_split, fake.own_split) == ("", "")


def test_only_aligned_real_images_are_cropped(tree: Tree) -> None:
    root = tree(["celeba/000001.jpg", "pggan/1/1.png"])
    real, fake = GanInstances("p", root).records()
    # 64 pixels to each side of x 89 and y 121.
    assert (real.crop_box, fake.crop_box) == ((25, 57, 153, 185), None)
    assert GanInstances("p", root, {"window": None}).records()[0].crop_box is None


def test_a_sample_outside_an_instance_is_refused(tree: Tree) -> None:
    with pytest.raises(UserError, match="is not in the folder of an instance"):
        GanInstances("p", tree(["pggan/1.png"])).records()


@pytest.mark.parametrize("path", ["train/celeba/1.jpg", "celeba/test/1.jpg", "pggan/seed_1/test/1.png"])
def test_split_folders_are_refused(tree: Tree, path: str) -> None:
    # `train/celeba/1.jpg` would else be a fake by a method called train.
    with pytest.raises(UserError, match="is named like a split, but this layout has no such"):
        GanInstances("p", tree([path])).records()


def test_the_folder_of_real_images_may_have_capitals(tree: Tree) -> None:
    (photo,) = GanInstances("p", tree(["CelebA/img_align_celeba/000001.jpg"])).records()
    assert (photo.label, photo.method, photo.instance) == (0, "real", "")

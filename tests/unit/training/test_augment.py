import numpy as np
import pytest

from fakeforensics.images.transforms import blur, jpeg
from fakeforensics.params import AugmentParams
from fakeforensics.training.augment import Augment

IMAGE = np.random.default_rng(0).integers(0, 256, (48, 52, 3)).astype(np.uint8)
OFF = {"blur_prob": 0.0, "jpeg_prob": 0.0, "flip_prob": 0.0}


def augment(seed=0, **params):
    return Augment(AugmentParams(**(OFF | params)), crop_size=32, seed=seed)


def test_the_same_seed_epoch_and_place_give_the_same_image():
    always = {"blur_prob": 1.0, "jpeg_prob": 1.0, "flip_prob": 0.5}
    first, again = augment(**always), augment(**always)
    for place in range(5):
        assert np.array_equal(first(IMAGE, 2, place), again(IMAGE, 2, place))


@pytest.mark.parametrize("change", [{"seed": 1}, {"epoch": 1}, {"place": 1}])
def test_seed_epoch_and_place_each_matter(change):
    def image(seed=0, epoch=0, place=0):
        return augment(seed, blur_prob=1.0, blur_sigma=(1.0, 3.0))(IMAGE, epoch, place)

    assert not np.array_equal(image(), image(**change))


def test_neither_numpys_nor_the_caller_s_random_state_is_touched():
    np.random.seed(0)  # noqa: NPY002  (the global state is what is tested)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    augment(blur_prob=1.0, jpeg_prob=1.0)(IMAGE, 0, 0)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_without_blur_jpeg_and_flip_it_is_a_crop():
    crop = augment()(IMAGE, 0, 0)
    places = [
        (top, left)
        for top in range(17)
        for left in range(21)
        if np.array_equal(IMAGE[top : top + 32, left : left + 32], crop)
    ]
    assert len(places) == 1


def test_crops_reach_every_place():
    marked = np.zeros((34, 33, 3), np.uint8)
    marked[..., 0] = np.arange(34)[:, None]
    marked[..., 1] = np.arange(33)
    corners = {tuple(augment()(marked, 0, place)[0, 0, :2]) for place in range(200)}
    assert corners == {(top, left) for top in (0, 1, 2) for left in (0, 1)}


def test_flip_mirrors_left_and_right():
    plain = augment()(IMAGE, 0, 0)
    assert np.array_equal(augment(flip_prob=1.0)(IMAGE, 0, 0), plain[:, ::-1])


def test_flips_come_as_often_as_asked():
    plain, flipping = augment(), augment(flip_prob=0.5)
    flips = sum(not np.array_equal(plain(IMAGE, 0, n), flipping(IMAGE, 0, n)) for n in range(400))
    # 200 expected; five standard deviations of 10
    assert 150 < flips < 250


def test_order_is_blur_then_jpeg_then_crop_then_flip():
    made = augment(blur_prob=1.0, blur_sigma=(2.0, 2.0), jpeg_prob=1.0, jpeg_quality=(40, 40), flip_prob=1.0)
    whole = jpeg(blur(IMAGE, 2.0), 40)
    got = made(IMAGE, 0, 0)[:, ::-1]
    assert any(
        np.array_equal(whole[top : top + 32, left : left + 32], got)
        for top in range(17)
        for left in range(21)
    )


def test_turning_blur_on_moves_no_crop():
    marked = np.zeros((48, 52, 3), np.uint8)
    marked[..., 0] = 4 * np.arange(48)[:, None]
    still, blurred = augment()(marked, 0, 0), augment(blur_prob=1.0, blur_sigma=(0.5, 0.5))(marked, 0, 0)
    assert abs(int(still[16, 16, 0]) - int(blurred[16, 16, 0])) <= 1


def test_jpeg_quality_covers_both_ends(monkeypatch):
    seen = set()
    monkeypatch.setattr(
        "fakeforensics.training.augment.jpeg", lambda image, quality: seen.add(quality) or image
    )
    made = augment(jpeg_prob=1.0, jpeg_quality=(30, 33))
    for place in range(100):
        made(IMAGE, 0, place)
    assert seen == {30, 31, 32, 33}


def test_small_images_are_padded_with_black():
    crop = augment()(np.full((20, 40, 3), 200, np.uint8), 0, 0)
    assert crop.shape == (32, 32, 3)
    assert (crop[:6] == 0).all()
    assert (crop[6:26] == 200).all()

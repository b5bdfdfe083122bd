from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from fakeforensics.errors import UserError
from fakeforensics.images.dataset import Loader, ManifestDataset
from fakeforensics.images.on_device import DeviceLoader
from fakeforensics.images.pixels import PixelStore
from fakeforensics.images.transforms import blur, jpeg, resize
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.params import AugmentParams, TrainParams
from fakeforensics.training.data import Augment, RunData, TrainBatches
from tests.tiny_images import tiny_manifest

# on a machine of one core
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")
LABELS = [0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 1]
PREPROCESS = Preprocess(crop_size=32)
CPU = torch.device("cpu")
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


def test_without_blur_jpeg_and_flip_it_is_a_crop():
    crop = augment()(IMAGE, 0, 0)
    places = [
        (top, left)
        for top in range(17)
        for left in range(21)
        if np.array_equal(IMAGE[top : top + 32, left : left + 32], crop)
    ]
    assert len(places) == 1


def test_a_center_crop_is_that_of_scoring():
    for place in range(3):
        assert np.array_equal(augment(crop="center")(IMAGE, 0, place), PREPROCESS.crop(IMAGE))


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


def test_the_shorter_side_is_resized_before_anything_else():
    crop = augment(resize=32)(IMAGE, 0, 0)
    whole = resize(IMAGE, 32 / 48)
    assert whole.shape == (32, 35, 3)
    assert any(np.array_equal(whole[:, left : left + 32], crop) for left in range(4))


def test_a_vertical_flip_turns_top_and_bottom():
    plain = augment()(IMAGE, 0, 0)
    assert np.array_equal(augment(vertical_flip_prob=1.0)(IMAGE, 0, 0), plain[::-1])


def test_each_encoder_takes_its_share(monkeypatch):
    seen = []
    for name in ("jpeg", "jpeg_by_pillow"):
        monkeypatch.setattr(
            f"fakeforensics.training.data.{name}", lambda image, _, name=name: seen.append(name) or image
        )
    for method, expected in (("cv2", {"jpeg"}), ("pil", {"jpeg_by_pillow"})):
        seen.clear()
        augment(jpeg_prob=1.0, jpeg_method=method)(IMAGE, 0, 0)
        assert set(seen) == expected
    seen.clear()
    both = augment(jpeg_prob=1.0, jpeg_method="both")
    for place in range(400):
        both(IMAGE, 0, place)
    # 200 expected; five standard deviations of 10
    assert 150 < seen.count("jpeg") < 250


def test_turning_blur_on_moves_no_crop():
    marked = np.zeros((48, 52, 3), np.uint8)
    marked[..., 0] = 4 * np.arange(48)[:, None]
    still, blurred = augment()(marked, 0, 0), augment(blur_prob=1.0, blur_sigma=(0.5, 0.5))(marked, 0, 0)
    assert abs(int(still[16, 16, 0]) - int(blurred[16, 16, 0])) <= 1


def test_jpeg_quality_covers_both_ends(monkeypatch):
    seen = set()
    monkeypatch.setattr("fakeforensics.training.data.jpeg", lambda image, quality: seen.add(quality) or image)
    made = augment(jpeg_prob=1.0, jpeg_quality=(30, 33))
    for place in range(100):
        made(IMAGE, 0, place)
    assert seen == {30, 31, 32, 33}


def test_small_images_are_padded_with_black():
    crop = augment()(np.full((20, 40, 3), 200, np.uint8), 0, 0)
    assert crop.shape == (32, 32, 3)
    assert (crop[:6] == 0).all()
    assert (crop[6:26] == 200).all()


def batches(count, size, epoch=0, seed=0, rank=0, world=1, methods=None, labels=None, balance="none"):
    labels = np.arange(count) % 2 if labels is None else labels
    methods = np.where(labels, "gan", "real") if methods is None else methods
    made = TrainBatches(methods, labels, size, seed, balance, rank, world)
    made.epoch = epoch
    return made


def rows(sampler):
    return [[draw.row for draw in batch] for batch in sampler]


@given(st.integers(1, 200), st.integers(1, 70))
def test_every_image_comes_once_an_epoch(count, size):
    sampler = batches(count, size)
    made = rows(sampler)
    assert sorted(row for batch in made for row in batch) == list(range(count))
    assert [len(batch) for batch in made] == [sampler.global_size(k) for k in range(len(sampler))]


def test_the_last_batch_is_kept_unless_it_is_a_single_image():
    assert [len(batch) for batch in batches(10, 4)] == [4, 4, 2]
    # batch normalization cannot train on one image: the ninth joins the second batch
    assert [len(batch) for batch in batches(9, 4)] == [4, 5]


def test_epochs_and_seeds_differ_and_repeat():
    assert rows(batches(50, 8)) == rows(batches(50, 8))
    assert rows(batches(50, 8)) != rows(batches(50, 8, epoch=1))
    assert rows(batches(50, 8)) != rows(batches(50, 8, seed=1))


def test_the_epoch_is_looked_up_when_batches_are_begun():
    sampler = TrainBatches(np.array(["real"] * 5), np.zeros(5), 2, 0)
    for epoch in (0, 4, 7):
        sampler.epoch = epoch
        assert {draw.epoch for batch in sampler for draw in batch} == {epoch}


@given(st.integers(8, 120), st.integers(2, 4))
def test_processes_share_out_each_global_batch(count, world):
    assume(count % (4 * world) == 0 or count % (4 * world) >= 2 * world)
    whole = list(batches(count, 4 * world))
    shares = [list(batches(count, 4 * world, rank=rank, world=world)) for rank in range(world)]
    assert [sorted(batch, key=lambda draw: draw.place) for batch in whole] == [
        sorted((draw for share in parts for draw in share), key=lambda draw: draw.place)
        for parts in zip(*shares, strict=True)
    ]
    assert all(len(batch) >= 2 for share in shares for batch in share)


def test_balance_by_class_draws_real_and_fake_equally_often():
    labels = np.array([0] * 900 + [1] * 100)
    drawn = Counter(
        labels[draw.row] for batch in batches(1000, 50, labels=labels, balance="class") for draw in batch
    )
    # 500 expected; five standard deviations of √(1000 · ¼) ≈ 16
    assert abs(drawn[1] - 500) < 80


def test_balance_by_method_draws_methods_of_a_class_equally_often():
    labels = np.array([0] * 400 + [1] * 600)
    methods = np.array(["real"] * 400 + ["big"] * 500 + ["small"] * 100)
    sampler = batches(1000, 50, labels=labels, methods=methods, balance="method")
    drawn = Counter(methods[draw.row] for batch in sampler for draw in batch)
    # half the draws are real, a quarter each kind of fake; five deviations of about 16 and 14
    assert abs(drawn["real"] - 500) < 80
    assert abs(drawn["big"] - 250) < 70
    assert abs(drawn["small"] - 250) < 70


def test_an_image_drawn_twice_is_augmented_in_two_ways():
    sampler = batches(20, 5, labels=np.array([0] * 19 + [1]), balance="class")
    draws = [draw for batch in sampler for draw in batch]
    assert len({draw.place for draw in draws}) == len(draws)
    assert len({draw.row for draw in draws}) < len(draws)


def test_too_small_a_rest_for_two_images_a_process_joins_the_batch_before():
    shares = [rows(batches(19, 8, rank=rank, world=2)) for rank in range(2)]
    # 19 = 8 + 11: a third batch of 3 would leave one process a single image
    assert [[len(batch) for batch in share] for share in shares] == [[4, 6], [4, 5]]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    return tiny_manifest(root, LABELS), root / "data/images"


def run_data(project, world=1, rank=0, augment=None, store=None, on_device=False, **train):
    manifest, images = project
    params = TrainParams(**{"crop_size": 32, "batch_size": 4, "workers": 0} | train)
    augmented = Augment(augment or AugmentParams(), 32, seed=0)
    val = manifest.iloc[3:].reset_index(drop=True)
    return RunData(manifest, val, images, params, augmented, PREPROCESS, CPU, rank, world, store, on_device)


def test_a_run_has_augmented_plain_and_real_images(project):
    data, dataset = run_data(project), ManifestDataset(*project, PREPROCESS.crop)
    rows = torch.cat([batch.rows for batch in data.train])
    assert sorted(rows.tolist()) == list(range(13))
    assert rows.tolist() != list(range(13))
    assert torch.cat([batch.rows for batch in data.val]).tolist() == list(range(10))
    whole = dataset[range(13)]
    assert torch.equal(torch.cat(list(data.plain)), PREPROCESS.normalize(whole.images))
    assert data.labels.tolist() == LABELS
    assert list(data.train_keys) == [f"src/{row:04d}" for row in range(13)]
    assert list(data.val_keys) == data.train_keys[3:]
    real = [row for row, label in enumerate(LABELS) if label == 0]
    expected = PREPROCESS.normalize(dataset[real].images)
    for _ in range(2):  # as often as they are asked for
        assert torch.equal(torch.cat(list(data.reals)), expected)


def test_each_epoch_has_its_own_order_and_augmentation_in_a_kept_process_too(project):
    plain, apart = run_data(project), run_data(project, workers=1)
    orders = []
    for epoch in (0, 1, 0):
        plain.order.epoch = apart.order.epoch = epoch
        here, there = (list(data.train) for data in (plain, apart))
        for one, other in zip(here, there, strict=True):
            assert torch.equal(one.images, other.images)
        orders.append(torch.cat([batch.rows for batch in here]).tolist())
    assert orders[0] == orders[2] != orders[1]


AUGMENTS = {
    "cuts": AugmentParams(vertical_flip_prob=0.5),
    "center": AugmentParams(crop="center", flip_prob=0.0),
    "all": AugmentParams(resize=40, blur_prob=0.5, jpeg_prob=0.5, jpeg_method="both", vertical_flip_prob=0.5),
}


@pytest.mark.parametrize("name", AUGMENTS)
@pytest.mark.parametrize("on_device", [False, True])
@pytest.mark.parametrize("side", [36, 28])  # larger and smaller than the crop
def test_kept_pixels_give_the_batches_of_decoding(tmp_path, name, on_device, side):
    project = tiny_manifest(tmp_path, LABELS, side=side), tmp_path / "data/images"
    store = PixelStore(tmp_path / "pixels", 1.0)
    decoding = run_data(project, augment=AUGMENTS[name])
    kept = run_data(project, augment=AUGMENTS[name], store=store, on_device=on_device)
    is_there = on_device and name != "all" and side == 36
    assert isinstance(kept.train, DeviceLoader) == is_there
    for data in (decoding, kept):
        data.use_labels(data.labels + 5)
    for epoch in range(2):
        decoding.order.epoch = kept.order.epoch = epoch
        for one, other in zip(decoding.train, kept.train, strict=True):
            assert all(map(torch.equal, one, other))
            assert other.images.is_contiguous(memory_format=torch.channels_last)
    for one, other in zip(decoding.val, kept.val, strict=True):
        assert all(map(torch.equal, one, other))
    assert torch.equal(torch.cat(list(kept.reals)), torch.cat(list(decoding.reals)))


def test_images_of_two_sizes_are_not_brought_to_the_device(tmp_path, caplog):
    manifests = [tiny_manifest(tmp_path, [0, 1], name, side=side) for name, side in (("a", 36), ("b", 40))]
    project = pd.concat(manifests, ignore_index=True), tmp_path / "data/images"
    data = run_data(project, store=PixelStore(tmp_path / "pixels", 1.0), on_device=True)
    assert isinstance(data.train, Loader)
    assert "images of 2 different sizes" in caplog.text


def test_reals_and_validation_are_shared_out_whole(project):
    shares = [run_data(project, world=2, rank=rank) for rank in range(2)]
    rows = [torch.cat([batch.rows for batch in data.val]).tolist() for data in shares]
    assert sorted(rows[0] + rows[1]) == list(range(10))
    assert sum(len(images) for data in shares for images in data.reals) == LABELS.count(0)
    assert [data.size for data in shares] == [2, 2]


@pytest.mark.parametrize("batch_size", [2, 5])
def test_a_batch_that_cannot_be_shared_out_is_refused(project, batch_size):
    with pytest.raises(UserError, match=rf"`train.batch_size` {batch_size} is not a multiple of the 3"):
        run_data(project, world=3, batch_size=batch_size)


def test_reals_and_a_reference_set_are_drawn_equally_often_whatever_its_classes():
    # 2 reals and 6 reference images of three classes: half of all draws for each, so 1/4 and 1/12 an image
    labels = np.array([0, 0, 2, 2, 3, 3, 4, 4])
    batches = TrainBatches(np.full(8, "any"), labels, 4, seed=0, balance="class")
    assert batches.weights == pytest.approx([1 / 4] * 2 + [1 / 12] * 6)


def test_labels_of_a_reference_set_are_kept(project):
    manifest, images = project
    labeled = pd.concat([manifest, manifest.iloc[:2].assign(label=[2, 3])], ignore_index=True)
    data = run_data((labeled, images))
    assert data.labels.tolist() == [*LABELS, 2, 3]
    # they are no reals
    assert sum(len(batch) for batch in data.reals) == LABELS.count(0)

import logging
import os
import pickle
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.images import pixels as module
from fakeforensics.images.codec import decode
from fakeforensics.images.dataset import Loader, ManifestDataset, OrderedBatches
from fakeforensics.images.pixels import PixelStore
from fakeforensics.images.reader import ImageReader
from fakeforensics.images.rows import Rows
from fakeforensics.models.preprocess import Preprocess
from tests.tiny_images import tiny_manifest

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")
LABELS = [0, 1, 1, 0, 1, 0, 0]
IMAGE = 36 * 36 * 3  # bytes
CROP = Preprocess(crop_size=32).crop


@pytest.fixture
def project(tmp_path):
    manifest = tiny_manifest(tmp_path, LABELS)
    manifest.loc[6, manifest.columns.drop(["key"])] = manifest.loc[2, manifest.columns.drop(["key"])]
    return Rows(manifest), tmp_path / "data/images", tmp_path / "pixels"


def store(folder, disk_gb=1.0):
    return PixelStore(folder, disk_gb)


def decoded(rows, images):
    reader = ImageReader(images)
    return [decode(rows.read(row, reader)) for row in range(len(rows))]


def parts(folder):
    return sorted(folder.glob("*/*/"))


def assert_same(found, rows, images):
    for row, image in enumerate(decoded(rows, images)):
        assert np.array_equal(found.image(row), image)
        assert found.is_sound(row)


def test_the_kept_pixels_are_those_of_decoding(project):
    rows, images, folder = project
    assert_same(store(folder).open(rows, images), rows, images)
    # six images of 36 x 36 pixels, because the seventh is the third again
    assert sum(path.stat().st_size for path in folder.rglob("pixels.bin")) == 6 * IMAGE


def test_images_of_many_sizes_are_kept(tmp_path):
    manifests = [tiny_manifest(tmp_path, [0, 1], f"s{side}", side, side) for side in (32, 40, 56)]
    rows = Rows(pd.concat(manifests, ignore_index=True))
    found = store(tmp_path / "pixels").open(rows, tmp_path / "data/images")
    assert [found.image(row).shape[0] for row in range(6)] == [32, 32, 40, 40, 56, 56]
    assert_same(found, rows, tmp_path / "data/images")


def test_what_is_kept_is_not_decoded_again_and_only_the_rest_is_added(project, monkeypatch):
    rows, images, folder = project
    # Of these five images only the fourth, which has another label, is not among the others: the random
    # numbers are the same.
    some = Rows(tiny_manifest(images.parents[1] / "other", [0, 1, 1, 1, 1]))
    store(folder).open(rows, images)
    monkeypatch.setattr("fakeforensics.images.rows.decode", None)  # calling it would fail
    assert store(folder).open(rows, images) is not None
    monkeypatch.undo()
    store(folder).open(some, images.parents[1] / "other/data/images")
    assert sum(path.stat().st_size for path in folder.rglob("pixels.bin")) == (6 + 1) * IMAGE


def test_full_parts_are_kept_when_a_later_image_cannot_be_read(project, monkeypatch):
    rows, images, folder = project
    monkeypatch.setattr(module, "_PART_BYTES", 2 * IMAGE)
    monkeypatch.setattr(module, "_SAMPLE", 1)
    shard = next(images.glob("*/*.tar"))
    whole = shard.read_bytes()
    with shard.open("r+b") as file:
        file.seek(rows.place(5).offset)
        file.write(b"damaged")
    monkeypatch.setattr(module, "_AHEAD", 1)
    with pytest.raises(UserError, match=r"src/0005 at [0-9]+ is not the one in the manifest"):
        store(folder).open(rows, images)
    before = {path: path.stat().st_ino for path in parts(folder)}
    assert len(before) == 2
    shard.write_bytes(whole)
    assert_same(store(folder).open(rows, images), rows, images)
    assert len(parts(folder)) == 3
    assert before.items() <= {path: path.stat().st_ino for path in parts(folder)}.items()


@pytest.mark.parametrize("disk_gb", [0.0, 5 * IMAGE / 1e9])
def test_beyond_the_limit_nothing_is_kept(project, disk_gb, caplog):
    rows, images, folder = project
    assert store(folder, disk_gb).open(rows, images) is None
    assert not list(folder.rglob("pixels.bin"))
    if disk_gb:
        assert "the pixels of 6 of 7 images need 0.0 GB, but `pixels.disk_gb` allows" in caplog.text


def test_a_disk_without_room_keeps_nothing(project, monkeypatch, caplog):
    rows, images, folder = project
    usage = shutil.disk_usage(images)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage._replace(free=2**30))
    assert store(folder).open(rows, images) is None
    assert "0.0 GB of the disk may be filled" in caplog.text


def test_images_larger_than_the_sample_promised_end_it(tmp_path, monkeypatch, caplog):
    small, large = (tiny_manifest(tmp_path, [0, 1], name, 1, side) for name, side in (("a", 32), ("b", 300)))
    rows = Rows(pd.concat([small, large], ignore_index=True))
    monkeypatch.setattr(module, "_SAMPLE", 1)
    monkeypatch.setattr(module, "_PART_BYTES", 1)
    assert store(tmp_path / "pixels", 1e-4).open(rows, tmp_path / "data/images") is None
    assert "larger than estimated from a sample" in caplog.text


def test_only_parts_that_nobody_used_lately_give_way(project, monkeypatch):
    rows, images, folder = project
    other = images.parents[1] / "other"
    more = Rows(tiny_manifest(other, [0, 1, 1], seed=5))
    limit = 8 * IMAGE / 1e9  # six and three are too many
    store(folder, limit).open(rows, images)
    (first,) = parts(folder)
    assert store(folder, limit).open(more, other / "data/images") is None
    old = time.time() - 2 * 24 * 3600
    os.utime(first, (old, old))
    mapped = store(folder, limit).open(rows, images)  # this uses it
    assert store(folder, limit).open(more, other / "data/images") is None
    os.utime(first, (old, old))
    assert store(folder, limit).open(more, other / "data/images") is not None
    assert not first.exists()
    assert_same(mapped, rows, images)  # whoever has it open reads on


def test_a_changed_byte_is_noticed_and_the_image_decoded(project, caplog):
    rows, images, folder = project
    store(folder).open(rows, images)
    (file,) = folder.rglob("pixels.bin")
    data = bytearray(file.read_bytes())
    data[3 * IMAGE + 700] ^= 1
    file.write_bytes(data)
    found = store(folder).open(rows, images)
    dataset = ManifestDataset(rows, images, CROP, pixels=found)
    expected = ManifestDataset(rows, images, CROP)[range(7)].images
    for _ in range(2):
        assert torch.equal(dataset[range(7)].images, expected)
    assert "damaged and now deleted" in caplog.text
    assert not parts(folder)


@pytest.mark.parametrize("name", ["table.npy", "pixels.bin"])
@pytest.mark.parametrize("damage", ["cut", "gone", "other"])
def test_a_damaged_part_is_made_again(project, name, damage):
    rows, images, folder = project
    store(folder).open(rows, images)
    (file,) = folder.rglob(name)
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(b"" if damage == "other" else file.read_bytes()[:-30])
    found = store(folder).open(rows, images)
    batch = ManifestDataset(rows, images, CROP, pixels=found)[range(7)]
    assert torch.equal(batch.images, ManifestDataset(rows, images, CROP)[range(7)].images)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_decoding(project, workers):
    rows, images, folder = project
    found = store(folder).open(rows, images)

    def batches(pixels):
        dataset = ManifestDataset(rows, images, CROP, pixels=pixels)
        return list(Loader(dataset, OrderedBatches(range(7), 3), workers, torch.device("cpu")))

    for kept, made in zip(batches(found), batches(None), strict=True):
        assert all(map(torch.equal, kept, made))
        assert kept.images.is_contiguous(memory_format=torch.channels_last)


def test_the_networks_draws_do_not_depend_on_the_workers(project):
    rows, images, _ = project
    draws = []
    for workers in (0, 1):
        torch.manual_seed(0)
        list(
            Loader(
                ManifestDataset(rows, images, CROP), OrderedBatches(range(7), 3), workers, torch.device("cpu")
            )
        )
        draws.append(torch.rand(3).tolist())
    assert draws[0] == draws[1]


def test_it_can_be_sent_to_another_process(project):
    rows, images, folder = project
    found = pickle.loads(pickle.dumps(store(folder).open(rows, images)))
    assert_same(found, rows, images)


def _open(project):
    logging.disable()
    rows, images, folder = project
    return [store(folder).open(rows, images).image(row).sum() for row in range(len(rows))]


def test_processes_that_want_the_same_images_decode_them_once(project):
    rows, images, folder = project
    with ProcessPoolExecutor(3, mp_context=get_context("fork")) as processes:
        sums = list(processes.map(_open, [project] * 3))
    assert sums == [[image.sum() for image in decoded(rows, images)]] * 3
    assert len(parts(folder)) == 1

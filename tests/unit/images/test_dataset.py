import gc
import hashlib
import multiprocessing
import pickle

import numpy as np
import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.images.codec import decode
from fakeforensics.images.dataset import Loader, ManifestDataset, OrderedBatches
from fakeforensics.models.preprocess import Preprocess
from tests.tiny_images import tiny_manifest

# on a machine of one core
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")
LABELS = [0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 1]
CROP = Preprocess(crop_size=32).crop


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    return tiny_manifest(root, LABELS), root / "data/images"


@pytest.fixture(scope="module")
def dataset(project):
    return ManifestDataset(*project, CROP)


def loader(dataset, workers):
    return Loader(dataset, OrderedBatches(np.arange(13), 2), workers, torch.device("cpu"), keep=True)


def assert_whole(dataset, batches):
    expected = dataset[range(13)]
    assert torch.equal(torch.cat([batch.images for batch in batches]), expected.images)
    assert torch.cat([batch.labels for batch in batches]).tolist() == LABELS
    assert torch.cat([batch.rows for batch in batches]).tolist() == list(range(13))


def test_a_batch_holds_the_stored_image(project, dataset):
    manifest, images = project
    place = manifest.loc[2]
    stored = (images / "src" / place["shard"]).read_bytes()[place["offset"] :][: place["size"]]
    (image,), (label,), (row,) = dataset[[2]]
    assert np.array_equal(image.permute(1, 2, 0).numpy(), CROP(decode(stored)))
    assert (label, row) == (1, 2)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_each_pass_gives_every_image_once_and_in_order(dataset, workers):
    batches = loader(dataset, workers)
    assert len(batches) == 7
    for _ in range(2):
        found = list(batches)
        assert_whole(dataset, found)
        for batch in found:
            assert batch.images.dtype == torch.uint8
            assert batch.images.is_contiguous(memory_format=torch.channels_last)


def test_a_pass_that_was_broken_off_spoils_none_after_it(dataset):
    batches = loader(dataset, 2)
    for number, _batch in enumerate(batches):
        if number == 2:
            break
    for _ in range(2):
        assert_whole(dataset, list(batches))


def test_processes_are_kept_from_one_pass_to_the_next_and_end_with_the_loader(dataset):
    others = {process.pid for process in multiprocessing.active_children()}
    batches = loader(dataset, 2)
    assert_whole(dataset, list(batches))
    before = {process.pid for process in multiprocessing.active_children()}
    assert len(before - others) == 2
    assert_whole(dataset, list(batches))
    assert {process.pid for process in multiprocessing.active_children()} == before
    del batches
    gc.collect()
    assert {process.pid for process in multiprocessing.active_children()} <= others


def test_it_can_be_sent_to_another_process(dataset):
    images = dataset[[0, 1]].images  # its threads stay behind
    assert torch.equal(pickle.loads(pickle.dumps(dataset))[[0, 1]].images, images)


def test_an_undecodable_image_is_an_error_naming_it_never_another_image(project):
    manifest, images = project
    shard = images / "src" / manifest.loc[1, "shard"]
    stored = shard.read_bytes()
    cut = stored[manifest.loc[1, "offset"] + 100 :][: manifest.loc[1, "size"]]
    broken = manifest.copy()
    broken.loc[1, "offset"] += 100
    broken.loc[1, "sha256"] = hashlib.sha256(cut).hexdigest()
    dataset = ManifestDataset(broken, images, CROP)
    with pytest.raises(UserError, match=r"src/0001 at [0-9]+ cannot be decoded"):
        dataset[[0, 1]]


@pytest.mark.parametrize("workers", [0, 2])
def test_another_image_in_the_place_of_one_is_named(project, workers):
    manifest, images = project
    swapped = manifest.copy()
    swapped.loc[3, ["offset", "size"]] = manifest.loc[5, ["offset", "size"]]  # decodes well
    batches = loader(ManifestDataset(swapped, images, CROP), workers)
    with pytest.raises(UserError, match=r"src/0003 at [0-9]+ is not the one in the manifest"):
        list(batches)


@pytest.mark.parametrize("workers", [0, 2])
def test_bytes_are_compared_when_they_are_first_read(tmp_path, workers):
    manifest = tiny_manifest(tmp_path, LABELS)
    root = tmp_path / "data/images"
    batches = loader(ManifestDataset(manifest, root, CROP), workers)
    list(batches)
    shard = root / "src" / manifest.loc[3, "shard"]
    data, where = bytearray(shard.read_bytes()), {row: manifest.loc[row, "offset"] for row in (3, 5)}
    size = min(manifest.loc[row, "size"] for row in (3, 5))
    data[where[3] : where[3] + size] = data[where[5] : where[5] + size]
    stored = manifest.copy()
    with shard.open("r+b") as file:
        file.write(data)
    list(batches)  # each image of this dataset was compared
    with pytest.raises(UserError, match="src/0003"):
        list(loader(ManifestDataset(stored, root, CROP), workers))
    list(loader(ManifestDataset(stored, root, CROP, compare=False), workers))


@pytest.mark.parametrize("world", [1, 2, 3])
def test_ordered_batches_share_out_without_padding(world):
    chosen = np.array([3, 5, 7, 11, 13, 17, 19])
    shares = [OrderedBatches(chosen, 2, rank, world) for rank in range(world)]
    assert sorted(row for share in shares for batch in share for row in batch) == chosen.tolist()
    assert [len(list(share)) for share in shares] == [len(share) for share in shares]

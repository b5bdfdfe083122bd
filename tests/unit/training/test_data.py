import gc
import multiprocessing
import sys

import pytest
import torch

from fakeforensics.models.preprocess import Preprocess
from fakeforensics.training.dataset import ManifestDataset, collate
from fakeforensics.training.loading import Loader
from fakeforensics.training.sampling import OrderedBatches
from fakeforensics.training.slots import Parcel, Slots
from tests.tiny_images import tiny_manifest

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),  # on a machine of one core
    pytest.mark.skipif(torch.cuda.is_available(), reason="says where batches lie without a GPU"),
]
LABELS = [0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 1]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    return ManifestDataset(tiny_manifest(root, LABELS), root / "data/images", Preprocess(crop_size=32).crop)


def loader(dataset, workers, size=2, crop_size=32, batch_size=2):
    rows = torch.arange(len(dataset)).numpy()
    return Loader(dataset, OrderedBatches(rows, batch_size), size, crop_size, workers)


def assert_whole(dataset, batches):
    assert torch.equal(
        torch.cat([batch.images for batch in batches]), collate([*map(dataset.__getitem__, range(13))]).images
    )
    assert torch.cat([batch.labels for batch in batches]).tolist() == LABELS
    assert torch.cat([batch.rows for batch in batches]).tolist() == list(range(13))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_each_pass_gives_every_image_once_and_in_order(dataset, workers):
    # Seven batches a pass go through four slots a process, so that each is used again.
    batches = loader(dataset, workers)
    assert len(batches) == 7
    for _ in range(3):
        assert_whole(dataset, list(batches))


def test_images_lie_channels_last(dataset):
    for workers in (0, 1):
        first = next(iter(loader(dataset, workers)))
        assert first.images.is_contiguous(memory_format=torch.channels_last)
        assert first.images.dtype == torch.uint8


@pytest.mark.skipif(sys.platform != "linux", reason="memory is shared with forked processes")
def test_what_is_sent_are_places_not_tensors(dataset, monkeypatch):
    seen = []
    look = Slots.look
    monkeypatch.setattr(Slots, "look", lambda self, parcel: seen.append(parcel) or look(self, parcel))
    list(loader(dataset, 1))
    assert [parcel.images for parcel in seen] == [2, 2, 2, 2, 2, 2, 1]
    assert {parcel.slot for parcel in seen} <= set(range(4))
    assert all(isinstance(parcel, Parcel) for parcel in seen)


@pytest.mark.parametrize(("size", "crop_size"), [(1, 32), (2, 40)])
def test_batches_that_do_not_fit_arrive_all_the_same(dataset, size, crop_size):
    assert_whole(dataset, list(loader(dataset, 2, size=size, crop_size=crop_size)))


def test_a_pass_that_was_broken_off_spoils_none_after_it(dataset):
    batches = loader(dataset, 2)
    for _ in range(3):
        for number, _batch in enumerate(batches):
            if number == 2:
                break
    for _ in range(2):
        assert_whole(dataset, list(batches))


def test_processes_are_kept_from_one_pass_to_the_next(dataset):
    batches = loader(dataset, 2)
    # By count, as Lightning does, which never asks for a batch too many.
    found = iter(batches)
    assert_whole(dataset, [next(found) for _ in range(len(batches))])
    before = {process.pid for process in multiprocessing.active_children()}
    assert_whole(dataset, list(batches))
    assert {process.pid for process in multiprocessing.active_children()} == before
    assert len(before) >= 2


def test_closing_ends_the_processes_and_a_pass_after_it_starts_anew(dataset):
    others = {process.pid for process in multiprocessing.active_children()}
    batches = loader(dataset, 2)
    assert_whole(dataset, list(batches))
    assert {process.pid for process in multiprocessing.active_children()} > others
    batches.close()
    gc.collect()
    assert {process.pid for process in multiprocessing.active_children()} <= others
    assert_whole(dataset, list(batches))


def test_a_pass_begun_beside_one_that_was_broken_off_is_whole(dataset):
    batches = loader(dataset, 2)
    old = iter(batches)  # still referred to, as by an exception's traceback
    next(old)
    assert_whole(dataset, list(batches))
    assert_whole(dataset, list(batches))
    old.close()
    assert_whole(dataset, list(batches))

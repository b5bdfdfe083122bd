import pandas as pd
import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.images.dataset import ManifestDataset, collate
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.params import AugmentParams, TrainParams
from fakeforensics.training.augment import Augment
from fakeforensics.training.data import RunData
from tests.tiny_images import tiny_manifest

# on a machine of one core
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")
LABELS = [0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 1]
PREPROCESS = Preprocess(crop_size=32)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    return tiny_manifest(root, LABELS), root / "data/images"


def run_data(project, world=1, rank=0, **train):
    manifest, images = project
    params = TrainParams(**{"crop_size": 32, "batch_size": 4, "workers": 0} | train)
    augment = Augment(AugmentParams(), 32, seed=0)
    val = manifest.iloc[3:].reset_index(drop=True)
    return RunData(manifest, val, images, params, augment, PREPROCESS, 0, CPU, rank, world)


def test_a_run_has_augmented_plain_and_real_images(project):
    data, dataset = run_data(project), ManifestDataset(*project, PREPROCESS.crop)
    rows = torch.cat([batch.rows for batch in data.train])
    assert sorted(rows.tolist()) == list(range(13))
    assert rows.tolist() != list(range(13))
    assert torch.cat([batch.rows for batch in data.val]).tolist() == list(range(10))
    whole = collate([*map(dataset.__getitem__, range(13))])
    assert torch.equal(torch.cat([batch.images for batch in data.all_training()]), whole.images)
    assert data.labels.tolist() == LABELS
    assert data.train_keys == [f"src/{row:04d}" for row in range(13)]
    assert data.val_keys == data.train_keys[3:]
    real = [row for row, label in enumerate(LABELS) if label == 0]
    expected = PREPROCESS.normalize(collate([dataset[row] for row in real]).images)
    for _ in range(2):  # as often as they are asked for
        assert torch.equal(torch.cat(list(data.reals)), expected)


def test_each_epoch_has_an_order_of_its_own(project):
    data = run_data(project)

    def order(epoch):
        data.order.epoch = epoch
        return torch.cat([batch.rows for batch in data.train]).tolist()

    first, second = order(0), order(1)
    assert first != second
    assert order(0) == first


def test_a_kept_process_learns_of_the_next_epoch(project):
    plain, apart = run_data(project), run_data(project, workers=1)
    for epoch in range(2):
        plain.order.epoch = apart.order.epoch = epoch
        here, there = (torch.cat([batch.images for batch in data.train]) for data in (plain, apart))
        assert torch.equal(here, there)


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


def test_labels_of_a_reference_set_are_kept(project):
    manifest, images = project
    labeled = pd.concat([manifest, manifest.iloc[:2].assign(label=[2, 3])], ignore_index=True)
    data = run_data((labeled, images))
    assert data.labels.tolist() == [*LABELS, 2, 3]
    # they are no reals
    assert sum(len(batch) for batch in data.reals) == LABELS.count(0)

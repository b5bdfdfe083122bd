import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from fakeforensics.errors import UserError
from fakeforensics.images.images import decode
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.params import AugmentParams
from fakeforensics.training.augment import Augment
from fakeforensics.training.dataset import AugmentedDataset, Draw, ManifestDataset, collate, start_worker
from tests.tiny_images import tiny_manifest

CROP = Preprocess(crop_size=32).crop


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    return tiny_manifest(root, [0, 1, 1, 0, 1]), root / "data/images"


def test_a_sample_is_the_stored_image(project):
    manifest, images = project
    place = manifest.loc[2]
    stored = (images / "src" / place["shard"]).read_bytes()[place["offset"] :][: place["size"]]
    sample = ManifestDataset(manifest, images, CROP)[2]
    assert np.array_equal(sample.image.permute(1, 2, 0).numpy(), CROP(decode(stored)))
    assert (sample.label, sample.row) == (1, 2)


def test_a_batch_is_uint8_and_channels_last(project):
    dataset = ManifestDataset(*project, CROP)
    batch = collate(dataset.__getitems__([0, 1, 4]))
    assert batch.images.dtype == torch.uint8
    assert batch.images.shape == (3, 3, 32, 32)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.labels.tolist() == [0.0, 1.0, 1.0]
    assert batch.rows.tolist() == [0, 1, 4]
    assert torch.equal(batch.images[2], dataset[4].image)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on a machine of one core
@pytest.mark.parametrize("workers", [0, 2])
def test_workers_change_nothing(project, workers):
    augment = Augment(AugmentParams(blur_prob=0.5, jpeg_prob=0.5), 32, seed=0)
    dataset = AugmentedDataset(*project, augment)
    draws = [[Draw(1, 0, 3), Draw(1, 1, 0)], [Draw(1, 2, 4)]]
    loader = DataLoader(
        dataset, batch_sampler=draws, num_workers=workers, collate_fn=collate, worker_init_fn=start_worker
    )
    got = torch.cat([batch.images for batch in loader])
    assert torch.equal(got, torch.stack([dataset[draw].image for batch in draws for draw in batch]))


def test_it_can_be_sent_to_another_process(project):
    dataset = ManifestDataset(*project, CROP)
    dataset.__getitems__([0, 1])
    assert torch.equal(pickle.loads(pickle.dumps(dataset))[1].image, dataset[1].image)


def test_an_undecodable_image_is_an_error_naming_it_never_another_image(project):
    manifest, images = project
    broken = manifest.copy()
    broken.loc[1, "offset"] += 100
    dataset = ManifestDataset(broken, images, CROP)
    with pytest.raises(UserError, match="src/0001"):
        dataset.__getitems__([0, 1])

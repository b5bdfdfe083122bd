import os

import numpy as np
import pytest
import torch

from fakeforensics.models import features as module
from fakeforensics.models.card import Architecture
from fakeforensics.models.features import FeatureStore
from fakeforensics.models.registry import build_detector
from tests.thin_resnet import thin_networks

IMAGES = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
DIGESTS = [f"{number:064x}" for number in range(5)]


@pytest.fixture(scope="module", autouse=True)
def _thin_networks():
    with thin_networks():
        yield


class Batches:
    """Counts how often the images are read."""

    read = 0

    def __iter__(self):
        self.read += 1
        yield from IMAGES.split(2)


def head(seed=0, **settings):
    torch.manual_seed(seed)
    return build_detector("oc_svm", Architecture(crop_size=32), settings).eval()


def ask(store, one, batches, digests=DIGESTS, batch_size=2, condition="clean"):
    return store.features(one, one.preprocess, batches, digests, batch_size=batch_size, condition=condition)


def test_two_heads_on_one_backbone_read_the_images_once(tmp_path):
    batches = Batches()
    first = ask(FeatureStore(tmp_path), head(), batches)
    other = ask(FeatureStore(tmp_path), head(nu=0.5), batches)
    assert batches.read == 1
    assert np.array_equal(first, other)
    with torch.inference_mode():
        assert np.array_equal(first[:2], head().features(IMAGES[:2]).numpy())


@pytest.mark.parametrize(
    ("seed", "change"),
    [
        (1, {}),  # another start of the backbone
        (0, {"digests": DIGESTS[::-1]}),
        (0, {"condition": "blur_2"}),
        (0, {"batch_size": 3}),
    ],
)
def test_what_changes_the_features_is_another_file(tmp_path, seed, change):
    batches = Batches()
    ask(FeatureStore(tmp_path), head(), batches)
    ask(FeatureStore(tmp_path), head(seed), batches, **change)
    assert batches.read == 2


def test_without_a_folder_nothing_is_kept(tmp_path):
    batches = Batches()
    for _ in range(2):
        ask(FeatureStore(None), head(), batches)
    assert batches.read == 2
    assert not [*tmp_path.iterdir()]


def test_what_was_used_longest_ago_is_deleted_first(tmp_path, monkeypatch):
    batches = Batches()
    store = FeatureStore(tmp_path)
    ask(store, head(), batches)
    (old,) = tmp_path.iterdir()
    os.utime(old, (1, 1))
    # room for one table of 5 x 512 float32 and its header, not for two
    monkeypatch.setattr(module, "LARGEST_STORE", 5 * 512 * 4 + 1000)
    ask(store, head(), batches, condition="blur_2")
    assert len([*tmp_path.iterdir()]) == 1
    assert not old.exists()


def test_a_table_that_is_too_large_is_computed_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_TABLE", 100)
    batches = Batches()
    for _ in range(2):
        ask(FeatureStore(tmp_path), head(), batches)
    assert batches.read == 2


@pytest.mark.parametrize("size", [0, 4, 100, -1])
def test_a_damaged_table_is_computed_again(tmp_path, size):
    batches = Batches()
    first = np.array(ask(FeatureStore(tmp_path), head(), batches))
    (path,) = tmp_path.glob("*.npy")
    path.write_bytes(path.read_bytes()[:size])
    assert np.array_equal(ask(FeatureStore(tmp_path), head(), batches), first)
    assert batches.read == 2

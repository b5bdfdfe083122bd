import logging

import pandas as pd
import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.models.registry import detector_class
from fakeforensics.training.guards import (
    FiniteLoss,
    check_classes,
    out_of_memory,
    visible,
    warn_of_collapse,
)

KEYS = [f"src/{n}" for n in range(20)]
CPU, GPU = torch.device("cpu"), torch.device("cuda")


def manifest(real, fake):
    return pd.DataFrame({"label": [0] * real + [1] * fake})


BOTH = manifest(3, 3)


DETECTORS = {name: detector_class(name) for name in ("bce", "sad", "joint", "deep_svdd", "oc_svm")}


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("fake", [0, 3])
def test_reals_are_needed_by_all(name, fake):
    with pytest.raises(UserError, match=f"the train split has no real images, which the detector '{name}'"):
        check_classes(manifest(0, fake), BOTH, DETECTORS[name])
    with pytest.raises(UserError, match="the val split has no real images"):
        check_classes(BOTH, manifest(0, 3), DETECTORS[name])


@pytest.mark.parametrize("name", ["bce", "sad", "joint"])
def test_fakes_are_needed_in_both_splits_by_who_sees_them(name):
    with pytest.raises(UserError, match=r"train split has no fake(?s:.*)3 real, 0 fake(?s:.*)`detectors`"):
        check_classes(manifest(3, 0), BOTH, DETECTORS[name])
    with pytest.raises(UserError, match="the val split has no fake images"):
        check_classes(BOTH, manifest(3, 0), DETECTORS[name])


@pytest.mark.parametrize("name", ["deep_svdd", "oc_svm"])
def test_a_one_class_detector_needs_none(name):
    check_classes(manifest(3, 0), manifest(3, 0), DETECTORS[name])


@pytest.mark.parametrize(
    ("sees", "keys"), [("reals", [0, 3]), ("reals+reference", [0, 3]), ("reals+fakes", [0, 1, 2, 3])]
)
def test_fakes_are_kept_from_whoever_does_not_see_them(sees, keys):
    rows = visible(pd.DataFrame({"label": [0, 1, 1, 0], "key": range(4)}), sees)
    assert rows["key"].tolist() == keys
    assert rows.index.tolist() == list(range(len(keys)))


def test_a_loss_that_is_not_finite_names_the_images():
    guard = FiniteLoss(KEYS, CPU)
    guard.watch("epoch 2, batch 0", torch.ones(2), torch.tensor([0, 1]))
    with pytest.raises(UserError, match=r"epoch 2, batch 1(?s:.*)nan for 1 of 3 images: src/7"):
        guard.watch("epoch 2, batch 1", torch.tensor([1.0, float("nan"), 2.0]), torch.tensor([5, 7, 9]))


def test_many_images_are_counted_rather_than_listed():
    guard = FiniteLoss(KEYS, CPU)
    with pytest.raises(UserError, match=r"inf for 12 of 12 images: src/0, .*src/7 and 4 more"):
        guard.watch("epoch 0, batch 0", torch.full((12,), float("inf")), torch.arange(12))


def test_a_gpu_is_not_waited_for_at_each_batch_and_the_check_still_names_its_own():
    guard = FiniteLoss(KEYS, GPU)
    guard.watch("epoch 0, batch 0", torch.tensor([float("inf")]), torch.tensor([4]))
    for number in range(1, 49):
        guard.watch(f"epoch 0, batch {number}", torch.zeros(1), torch.tensor([5]))
    # the fiftieth
    with pytest.raises(UserError, match=r"epoch 0, batch 0\n(?s:.*)src/4"):
        guard.watch("epoch 0, batch 49", torch.zeros(1), torch.tensor([6]))


def test_the_end_of_an_epoch_checks_what_is_waiting():
    guard = FiniteLoss(KEYS, GPU)
    guard.watch("epoch 0, batch 0", torch.tensor([float("nan")]), torch.tensor([4]))
    with pytest.raises(UserError, match="src/4"):
        guard.check()
    guard.check()  # what was told is not told again


def test_collapse_is_told_with_numbers(caplog):
    with caplog.at_level(logging.WARNING):
        # both distances below a ten-thousandth of the first epoch's 5
        assert warn_of_collapse(3, 1e-4, 2e-4, 5.0)
    assert "epoch 3" in caplog.text
    assert "from 5 to 0.0001 and that of fakes to 0.0002" in caplog.text


@pytest.mark.parametrize(("real", "fake"), [(1e-4, 3.0), (1.0, 1e-9), (1.0, None)])
def test_no_collapse_while_either_class_keeps_its_distance(real, fake):
    assert not warn_of_collapse(3, real, fake, 5.0)


def test_one_class_collapse_needs_no_fakes(caplog):
    with caplog.at_level(logging.WARNING):
        assert warn_of_collapse(3, 1e-9, None, 5.0)
    assert "fakes" not in caplog.text


def test_out_of_memory_says_what_to_lower():
    known = out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), 64, 224)
    assert "`train.batch_size` (now 64)" in str(known)
    assert "CUDA out of memory" in str(known)
    assert out_of_memory(RuntimeError("shapes differ"), 64, 224) is None


def test_workers_out_of_shared_memory_are_told_from_the_device_out_of_memory():
    # torch's words where /dev/shm is small, as it is in a container by default
    text = (
        "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's workers "
        "are out of shared memory. Please try to raise your shared memory limit."
    )
    known = out_of_memory(RuntimeError(text), 64, 224)
    assert "/dev/shm" in str(known)
    assert "`train.workers`" in str(known)

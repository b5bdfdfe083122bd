import logging

import pandas as pd
import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.objectives.registry import build_objective
from fakeforensics.training.guards import FiniteLoss, check_classes, out_of_memory, warn_of_collapse

KEYS = [f"src/{n}" for n in range(20)]


def manifest(real, fake):
    return pd.DataFrame({"label": [0] * real + [1] * fake})


BOTH = manifest(3, 3)


@pytest.mark.parametrize("objective", ["bce", "sad", "joint"])
@pytest.mark.parametrize("fake", [0, 3])
def test_reals_are_needed_by_all(objective, fake):
    with pytest.raises(UserError, match="the train split has no real images"):
        check_classes(manifest(0, fake), BOTH, build_objective(objective, 0.1))
    with pytest.raises(UserError, match="the val split has no real images"):
        check_classes(BOTH, manifest(0, 3), build_objective(objective, 0.1))


@pytest.mark.parametrize("objective", ["bce", "joint"])
def test_fakes_are_needed_by_a_classifier(objective):
    with pytest.raises(UserError, match=r"no fake images(?s:.*)3 real, 0 fake(?s:.*)`sad` alone"):
        check_classes(manifest(3, 0), manifest(3, 0), build_objective(objective, 0.1))


def test_sad_trains_without_fakes_and_then_validates_without():
    check_classes(manifest(3, 0), manifest(3, 0), build_objective("sad"))
    check_classes(manifest(3, 0), BOTH, build_objective("sad"))


def test_validation_needs_the_classes_that_training_has():
    with pytest.raises(UserError, match="the val split has no fake images"):
        check_classes(BOTH, manifest(3, 0), build_objective("sad"))


def test_a_loss_that_is_not_finite_names_the_images():
    guard = FiniteLoss(KEYS, delay=0)
    guard.watch("epoch 2, batch 0", torch.ones(2), torch.tensor([0, 1]))
    with pytest.raises(UserError, match=r"epoch 2, batch 1(?s:.*)nan for 1 of 3 images: src/7"):
        guard.watch("epoch 2, batch 1", torch.tensor([1.0, float("nan"), 2.0]), torch.tensor([5, 7, 9]))


def test_many_images_are_counted_rather_than_listed():
    guard = FiniteLoss(KEYS, delay=0)
    with pytest.raises(UserError, match=r"inf for 12 of 12 images: src/0, .*src/7 and 4 more"):
        guard.watch("epoch 0, batch 0", torch.full((12,), float("inf")), torch.arange(12))


def test_a_delayed_check_still_names_its_own_batch():
    guard = FiniteLoss(KEYS, delay=2)
    guard.watch("epoch 0, batch 0", torch.tensor([float("inf")]), torch.tensor([4]))
    guard.watch("epoch 0, batch 1", torch.zeros(1), torch.tensor([5]))
    with pytest.raises(UserError, match=r"batch 0(?s:.*)src/4"):
        guard.watch("epoch 0, batch 2", torch.zeros(1), torch.tensor([6]))


def test_the_end_of_an_epoch_checks_what_is_waiting():
    guard = FiniteLoss(KEYS, delay=4)
    guard.watch("epoch 0, batch 0", torch.tensor([float("nan")]), torch.tensor([4]))
    with pytest.raises(UserError, match="src/4"):
        guard.flush()


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

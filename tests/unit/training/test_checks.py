import logging

import pandas as pd
import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.models.registry import detector_class
from fakeforensics.params import TrainParams
from fakeforensics.training.checks import (
    FiniteLoss,
    check_classes,
    explain_out_of_memory,
    warn_of_collapse,
    warn_of_small_shares,
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


def test_a_loss_that_is_not_finite_names_the_images():
    finite = FiniteLoss(KEYS, CPU)
    finite.watch("epoch 2, batch 0", torch.ones(2), torch.tensor([0, 1]))
    with pytest.raises(UserError, match=r"epoch 2, batch 1(?s:.*)nan for 1 of 3 images: src/7"):
        finite.watch("epoch 2, batch 1", torch.tensor([1.0, float("nan"), 2.0]), torch.tensor([5, 7, 9]))


def test_many_images_are_counted_rather_than_listed():
    finite = FiniteLoss(KEYS, CPU)
    with pytest.raises(UserError, match=r"inf for 12 of 12 images: src/0, .*src/7 and 4 more"):
        finite.watch("epoch 0, batch 0", torch.full((12,), float("inf")), torch.arange(12))


def test_a_gpu_is_not_waited_for_at_each_batch_and_the_check_still_names_its_own():
    finite = FiniteLoss(KEYS, GPU)
    finite.watch("epoch 0, batch 0", torch.tensor([float("inf")]), torch.tensor([4]))
    for number in range(1, 49):
        finite.watch(f"epoch 0, batch {number}", torch.zeros(1), torch.tensor([5]))
    # the fiftieth
    with pytest.raises(UserError, match=r"epoch 0, batch 0\n(?s:.*)src/4"):
        finite.watch("epoch 0, batch 49", torch.zeros(1), torch.tensor([6]))


def test_the_end_of_an_epoch_checks_what_is_waiting():
    finite = FiniteLoss(KEYS, GPU)
    finite.watch("epoch 0, batch 0", torch.tensor([float("nan")]), torch.tensor([4]))
    with pytest.raises(UserError, match="src/4"):
        finite.check()
    finite.check()  # an error is reported once


def test_a_collapse_is_warned_of_with_its_numbers(caplog):
    with caplog.at_level(logging.WARNING):
        # both distances below a ten-thousandth of the first epoch's 5
        warn_of_collapse(3, 1e-4, 2e-4, 5.0)
    assert "epoch 3" in caplog.text
    assert "from 5 to 0.0001 and that of fakes to 0.0002" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        warn_of_collapse(3, 1e-9, None, 5.0)  # a one-class detector has no fakes
    assert "from 5 to 1e-09;" in caplog.text


@pytest.mark.parametrize(("real", "fake"), [(1e-4, 3.0), (1.0, 1e-9), (1.0, None)])
def test_no_collapse_while_either_class_keeps_its_distance(caplog, real, fake):
    with caplog.at_level(logging.WARNING):
        warn_of_collapse(3, real, fake, 5.0)
    assert not caplog.text


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore"),
            r"CUDA out of memory(?s:.*)`train.batch_size` \(now 64\)",
        ),
        # torch's message where /dev/shm is small, as it is in a container by default
        (
            RuntimeError(
                "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's "
                "workers are out of shared memory. Please try to raise your shared memory limit."
            ),
            r"/dev/shm(?s:.*)`train.workers`",
        ),
    ],
)
def test_running_out_of_memory_names_what_to_lower(error, message):
    with pytest.raises(UserError, match=message), explain_out_of_memory(TrainParams()):
        raise error


def test_another_error_stays_as_it_is():
    with pytest.raises(RuntimeError, match="shapes differ"), explain_out_of_memory(TrainParams()):
        raise RuntimeError("shapes differ")


@pytest.mark.parametrize(
    ("batch", "processes", "device", "warned"),
    [
        (64, 16, "cuda", True),  # 4 images each
        (64, 3, "cuda", True),  # 21 and a third
        (64, 2, "cuda", False),  # 32
        (8, 1, "cuda", False),  # one GPU has nothing to wait for
        (64, 16, "cpu", False),
    ],
)
def test_small_shares_of_a_batch_are_warned_of(caplog, batch, processes, device, warned):
    warn_of_small_shares(batch, processes, torch.device(device))
    assert ("train several runs at once" in caplog.text) == warned
    if (batch, processes) == (64, 16) and warned:
        assert "a batch of 64 over 16 GPUs is 4 images per GPU" in caplog.text

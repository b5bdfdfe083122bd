import platform
import subprocess
import sys

import pytest
import torch
from torch import nn

from fakeforensics.models import runtime
from fakeforensics.models.runtime import (
    all_sum,
    average_buffers,
    full_float32,
    keep_freed_memory,
    processes,
    takes_bf16,
    worker_count,
)

COUNT_FAULTS = """
import resource
import torch
from fakeforensics.models.runtime import keep_freed_memory

def faults():
    for step in range(20):  # the first few settle where small remainders of aligned blocks go
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        tensor = torch.ones(64 << 20, dtype=torch.uint8)
        del tensor
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults()
assert keep_freed_memory()
print(before, faults())
"""
cudnn = torch.backends.cudnn


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators are left as they are")
def test_a_tensor_of_the_last_step_is_not_faulted_in_again():
    done = subprocess.run([sys.executable, "-c", COUNT_FAULTS], capture_output=True, text=True, check=True)
    before, kept = map(int, done.stdout.split())
    # 64 MiB are 16,384 pages of 4 KiB; the rest is what the interpreter itself asks for
    assert kept < 100
    assert before > 1000


def test_another_allocator_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert keep_freed_memory.__wrapped__() is False


@pytest.mark.parametrize("before", [True, False])
def test_tf32_is_off_inside_and_as_it_was_outside(before):
    default = cudnn.allow_tf32
    try:
        cudnn.allow_tf32 = before
        with pytest.raises(KeyError), full_float32():
            assert not cudnn.allow_tf32
            raise KeyError
        assert cudnn.allow_tf32 is before
    finally:
        cudnn.allow_tf32 = default


@pytest.mark.parametrize(("precision", "expected"), [("32", False), ("bf16", True)])
def test_precision_as_asked(precision, expected):
    assert takes_bf16(precision) is expected


@pytest.mark.parametrize("flag", [None, "avx512_bf16", "amx_bf16"])
def test_auto_takes_bf16_where_the_cpu_multiplies_it(monkeypatch, flag):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(runtime, "_cpu_has", lambda asked: asked == flag)
    assert takes_bf16("auto") is (flag is not None)


@pytest.fixture
def _one_process(monkeypatch):
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_one_process")
def test_a_gpus_cores_are_shared_out_between_the_processes_of_this_machine(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(runtime.os, "sched_getaffinity", lambda _: set(range(16)))
    # one core of each process's share is left to the process itself
    assert worker_count("auto") == 15
    assert worker_count("auto", devices=4) == 3
    assert worker_count("auto", devices=32) == 1
    monkeypatch.setenv("SLURM_NTASKS", "8")
    monkeypatch.setenv("SLURM_NNODES", "2")
    assert worker_count("auto") == 15  # what Slurm shows a task is its own
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert worker_count("auto") == 7


def test_a_cpu_decodes_in_the_training_process(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert worker_count("auto") == 0
    assert worker_count(3) == 3


@pytest.mark.usefixtures("_one_process")
def test_processes_are_torchruns_or_slurms_or_the_params(monkeypatch):
    assert processes(2) == (2, 1)
    monkeypatch.setenv("SLURM_NTASKS", "8")
    monkeypatch.setenv("SLURM_NNODES", "2")
    assert processes(1) == (4, 2)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    monkeypatch.setenv("WORLD_SIZE", "6")
    assert processes(1) == (3, 2)


def test_one_process_sums_to_itself_and_keeps_its_buffers():
    value = torch.tensor([1.0, 2.0])
    assert torch.equal(all_sum(value), value)
    module = nn.BatchNorm2d(4)
    module.running_mean.fill_(3)
    average_buffers(module)
    assert (module.running_mean == 3).all()

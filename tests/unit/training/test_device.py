import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.params import TrainParams
from fakeforensics.training import device


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_a_gpus_cores_are_shared_out_between_the_processes_of_this_machine(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(device.os, "sched_getaffinity", lambda _: set(range(16)))
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    # one core of each process's share is left to the process itself
    assert device.worker_count("auto") == 15
    assert device.worker_count("auto", devices=4) == 3
    assert device.worker_count("auto", devices=32) == 1
    monkeypatch.setenv("SLURM_NTASKS", "8")
    monkeypatch.setenv("SLURM_NNODES", "2")
    assert device.worker_count("auto") == 15  # what Slurm shows a task is its own
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert device.worker_count("auto") == 7


def test_compiling_pays_on_a_single_gpu_that_can_build(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(device, "_triton_can_build", lambda: True)
    assert device.compile_pays(TrainParams())
    assert not device.compile_pays(TrainParams(devices=2))
    monkeypatch.setattr(device, "_triton_can_build", lambda: False)
    assert not device.compile_pays(TrainParams())


def test_several_processes_cannot_compile(monkeypatch):
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"`train.compile: auto` or `false`"):
        device.compile_pays(TrainParams(compile=True, devices=2))
    assert not device.compile_pays(TrainParams(compile=False, devices=2))


def test_triton_builds_with_a_compiler_and_pythons_headers(monkeypatch, tmp_path):
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(device.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    monkeypatch.setattr(device.shutil, "which", lambda name: name)
    assert not device._triton_can_build()
    (tmp_path / "Python.h").touch()
    assert device._triton_can_build()
    monkeypatch.setattr(device.shutil, "which", lambda name: None)
    assert not device._triton_can_build()


def test_a_cpu_decodes_in_the_training_process_and_compiles_nothing_unasked():
    assert device.worker_count("auto") == 0
    assert device.worker_count(3) == 3
    assert not device.compile_pays(TrainParams())
    assert device.compile_pays(TrainParams(compile=True))


def test_processes_are_torchruns_or_slurms_or_the_params(monkeypatch):
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    assert device.processes(2) == (2, 1)
    monkeypatch.setenv("SLURM_NTASKS", "8")
    monkeypatch.setenv("SLURM_NNODES", "2")
    assert device.processes(1) == (4, 2)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    monkeypatch.setenv("WORLD_SIZE", "6")
    assert device.processes(1) == (3, 2)


def test_other_processes_are_started_unless_something_has(monkeypatch):
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_NTASKS", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert device.starts_processes(2)
    assert not device.starts_processes(1)
    monkeypatch.setenv("LOCAL_RANK", "0")  # torchrun's child, or our own
    assert not device.starts_processes(2)
    monkeypatch.delenv("LOCAL_RANK")
    monkeypatch.setenv("SLURM_NTASKS", "2")
    assert not device.starts_processes(2)


def test_what_the_numbers_depend_on_is_described(monkeypatch):
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    assert device.describe_device(3) == {
        "kind": "cpu",
        "processes": 3,
        "threads": torch.get_num_threads(),
    }

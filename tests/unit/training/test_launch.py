import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.models.runtime import processor
from fakeforensics.params import TrainParams
from fakeforensics.training import launch


@pytest.fixture(autouse=True)
def _one_process_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_NTASKS", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)


def test_auto_compiles_on_a_single_gpu_that_can_build(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(launch, "_triton_can_build", lambda: True)
    assert launch.is_compiled(TrainParams())
    assert not launch.is_compiled(TrainParams(devices=2))
    monkeypatch.setattr(launch, "_triton_can_build", lambda: False)
    assert not launch.is_compiled(TrainParams())


def test_a_cpu_compiles_only_on_request_and_several_processes_never():
    assert not launch.is_compiled(TrainParams())
    assert launch.is_compiled(TrainParams(compile=True))
    assert not launch.is_compiled(TrainParams(compile=False, devices=2))
    with pytest.raises(UserError, match=r"`train.compile: auto` or `false`"):
        launch.is_compiled(TrainParams(compile=True, devices=2))


def test_triton_builds_with_a_compiler_and_pythons_headers(monkeypatch, tmp_path):
    monkeypatch.setattr(launch.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(launch.sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    monkeypatch.setattr(launch.shutil, "which", lambda name: name)
    assert not launch._triton_can_build()
    (tmp_path / "Python.h").touch()
    assert launch._triton_can_build()
    monkeypatch.setattr(launch.shutil, "which", lambda name: None)
    assert not launch._triton_can_build()


def test_what_the_numbers_depend_on_is_described():
    assert launch.describe_device(TrainParams(devices=3, precision="bf16")) == {
        "processor": processor(),
        "processes": 3,
        "threads": torch.get_num_threads(),
        "bf16": True,
        "compiled": False,
    }


@pytest.mark.parametrize(
    ("devices", "environment"),
    [
        (1, {}),
        (2, {"LOCAL_RANK": "0"}),  # torchrun's child, or our own
        (2, {"SLURM_NTASKS": "2"}),
    ],
)
def test_the_work_is_done_here_unless_processes_must_be_started(monkeypatch, devices, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = []
    launch.run_in_processes(devices, done.append, "here")
    assert done == ["here"]

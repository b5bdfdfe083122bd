import pytest
import torch

from fakeforensics.params import TrainParams
from fakeforensics.training import device


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize(("precision", "expected"), [("32", False), ("bf16", True)])
def test_precision_as_asked(precision, expected):
    assert device.takes_bf16(precision) is expected


@pytest.mark.parametrize("flag", [None, "avx512_bf16", "amx_bf16"])
def test_auto_takes_bf16_where_the_cpu_multiplies_it(monkeypatch, flag):
    monkeypatch.setattr(device, "_cpu_has", lambda asked: asked == flag)
    assert device.takes_bf16("auto") is (flag is not None)


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

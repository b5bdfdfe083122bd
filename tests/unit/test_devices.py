import os
import subprocess
import sys

import pytest

from fakeforensics import devices
from fakeforensics.devices import has_gpu, leased, shared_devices
from fakeforensics.errors import UserError

HOLDER = """
import logging, os, sys
from fakeforensics import devices
devices.LOOK_EVERY = 0.1
with devices.leased(int(sys.argv[1]), "a run") as names:
    print(*names, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _fresh(monkeypatch, tmp_path):
    """No device of this machine, and no lock of another process."""
    for name in ("CUDA_VISIBLE_DEVICES", "LOCAL_RANK", "SLURM_NTASKS", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(devices, "_GPU_DEVICES", ())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("FAKEFORENSICS_DEVICES", "cpu:2")


@pytest.fixture
def holders():
    """Starts processes that lease devices, and ends them."""
    started = []

    def start(count=1):
        command = [sys.executable, "-c", HOLDER, str(count)]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen(command, text=True, **pipes)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


def names(process):
    return process.stdout.readline().split()


def test_two_runs_get_different_devices_and_a_third_that_of_the_first_to_be_killed(holders):
    first, second = holders(), holders()
    of_first, of_second = names(first), names(second)
    assert {*of_first, *of_second} == {"cpu-0", "cpu-1"}
    third = holders()
    said = third.stderr.readline()
    assert said.startswith("a run waits for a device of 2: cpu-0 is taken by process ")
    assert f"process {first.pid} on " in said
    assert f"process {second.pid} on " in said
    first.kill()
    assert names(third) == of_first


def test_a_run_of_two_devices_takes_none_while_one_is_taken(holders):
    first = holders()
    of_first = names(first)
    both = holders(2)
    assert both.stderr.readline().startswith("a run waits for 2 devices of 2: ")
    second = holders()
    assert {*of_first, *names(second)} == {"cpu-0", "cpu-1"}
    first.stdin.close()
    second.stdin.close()
    assert names(both) == ["cpu-0", "cpu-1"]


def test_leases_of_one_process_exclude_each_other_and_end_with_their_blocks():
    with leased(1, "one") as one, leased(1, "other") as other:
        assert (one, other) == (("cpu-0",), ("cpu-1",))
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ""  # a GPU would be used by all
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    with leased(2, "both") as both:
        assert both == ("cpu-0", "cpu-1")


def test_more_devices_than_there_are_is_an_error():
    with pytest.raises(UserError, match=r"a run needs 3 devices\n(?s:.*)2: cpu-0, cpu-1"), leased(3, "a run"):
        pass


def test_a_gpu_is_leased_by_the_name_that_makes_it_visible(monkeypatch, tmp_path):
    monkeypatch.delenv("FAKEFORENSICS_DEVICES")
    monkeypatch.setattr(devices, "_GPU_DEVICES", (str(tmp_path),))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,MIG-1/7/0")
    with leased(1, "one"):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "4"
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,MIG-1/7/0")  # as another process sees it
        with leased(1, "other"):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "MIG-1/7/0"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,MIG-1/7/0"


@pytest.mark.parametrize("hides", [True, False])
def test_all_gpus_are_shared_out_and_hiding_them_is_checked(monkeypatch, tmp_path, caplog, hides):
    def count():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        return 3 if visible is None or not hides else len(visible.split(","))

    monkeypatch.delenv("FAKEFORENSICS_DEVICES")
    monkeypatch.setattr(devices, "_GPU_DEVICES", (str(tmp_path),))
    monkeypatch.setattr("torch.cuda.device_count", count)
    with leased(2, "a run") as names:
        assert names == ("0", "1")
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert ("sees 3 GPUs instead of the 2" in caplog.text) != hides


@pytest.mark.parametrize(
    "environment",
    [
        {},  # the machine has no GPU
        {"CUDA_VISIBLE_DEVICES": "3"},  # one GPU
        {"CUDA_VISIBLE_DEVICES": "0,1", "LOCAL_RANK": "1"},  # torchrun has chosen
        {"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_NTASKS": "2"},  # so has Slurm
        {"CUDA_VISIBLE_DEVICES": "0,1", "FAKEFORENSICS_DEVICES": "none"},
    ],
)
def test_elsewhere_nothing_is_leased_and_nothing_changes(monkeypatch, tmp_path, environment):
    monkeypatch.delenv("FAKEFORENSICS_DEVICES")
    if environment:
        monkeypatch.setattr(devices, "_GPU_DEVICES", (str(tmp_path),))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with leased(1, "a run") as none:
        assert none == ()
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == environment.get("CUDA_VISIBLE_DEVICES")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("value", ["cpu", "cpu:0", "cpu:-1", "gpu:2", "all"])
def test_a_setting_that_cannot_be_read_is_an_error(monkeypatch, value):
    monkeypatch.setenv("FAKEFORENSICS_DEVICES", value)
    with pytest.raises(UserError, match="FAKEFORENSICS_DEVICES cannot be read"):
        shared_devices()


def test_the_jobs_of_slurm_have_locks_of_their_own(monkeypatch):
    # Slurm numbers the GPUs of each job from 0.
    with leased(2, "all of this job's"):
        monkeypatch.setattr(devices, "_ours", set())
        monkeypatch.setenv("SLURM_JOB_ID", "12")
        with leased(1, "another job's") as other:
            assert other == ("cpu-0",)


def test_a_hidden_gpu_is_none(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "_GPU_DEVICES", (str(tmp_path),))
    assert has_gpu()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not has_gpu()

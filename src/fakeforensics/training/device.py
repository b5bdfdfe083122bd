"""What the machine offers, and what `auto` makes of it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
from pathlib import Path
from typing import Any

import torch

from fakeforensics.errors import UserError
from fakeforensics.params import TrainParams


def compile_pays(params: TrainParams) -> bool:
    """Whether the training step is compiled.

    `auto` does it on a single GPU that has what Triton needs, among it a C compiler and Python's headers. On
    a CPU a ResNet's time is that of its convolutions, which are the same library's either way; over several
    GPUs the compiler stops at each synchronized batch normalization, so that nothing is fused.

    Raises:
        UserError: If several processes are told to compile it.
    """
    alone = processes(params.devices) == (1, 1)
    if params.compile is True and not alone:
        raise UserError(
            "the training step is compiled in a single process only",
            expected="`train.compile: auto` or `false` with several processes",
            found="true",
        )
    if params.compile != "auto":
        return params.compile
    return (
        alone
        and torch.cuda.is_available()
        and torch.cuda.get_device_capability() >= (7, 0)
        and _triton_can_build()
    )


def worker_count(setting: int | str, devices: int = 1) -> int:
    """Decoding processes for `train.workers`.

    `auto` takes none on a CPU, where they would fight the training step for its cores, and beside a GPU all
    of this process's cores but one: its share of the machine's, or what Slurm gave the task.

    Args:
        setting: A number, or `auto`.
        devices: `train.devices`, over whose processes the machine's cores are shared out.
    """
    if setting != "auto":
        return int(setting)
    if not torch.cuda.is_available():
        return 0
    sharing = 1 if _slurm_started() else processes(devices)[0]
    return max(1, len(os.sched_getaffinity(0)) // sharing - 1)


def processes(devices: int) -> tuple[int, int]:
    """Training processes on this machine, and machines: as torchrun or Slurm started them, else `devices`."""
    environment = os.environ
    if "TORCHELASTIC_RUN_ID" in environment:
        local = int(environment["LOCAL_WORLD_SIZE"])
        return local, int(environment["WORLD_SIZE"]) // local
    if _slurm_started():
        nodes = int(environment["SLURM_NNODES"])
        return int(environment["SLURM_NTASKS"]) // nodes, nodes
    return devices, 1


def describe_device(devices: int) -> dict[str, Any]:
    """What the numbers of a run depend on: the kind of device, how many processes, how many threads."""
    local, nodes = processes(devices)
    return {
        "kind": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "processes": local * nodes,
        "threads": torch.get_num_threads(),
    }


def _slurm_started() -> bool:
    """Whether Slurm started several processes, each with cores of its own."""
    return "TORCHELASTIC_RUN_ID" not in os.environ and int(os.environ.get("SLURM_NTASKS", "1")) > 1


def _triton_can_build() -> bool:
    """Whether what Triton compiles against is here; torch.compile does not do without it, but fails."""
    compiler = any(shutil.which(name) for name in ("cc", "gcc", "clang"))
    headers = Path(sysconfig.get_paths()["include"], "Python.h").is_file()
    return compiler and headers and importlib.util.find_spec("triton") is not None


def starts_processes(devices: int) -> bool:
    """Whether this process has to start the others: `train.devices` asks for them and nothing has yet."""
    return devices > 1 and not _slurm_started() and "LOCAL_RANK" not in os.environ

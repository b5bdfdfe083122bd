"""How this process computes, and with how many others: memory, precision, processes, sums over them."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pyarrow as pa
import torch
from torch import Tensor, distributed, nn

from fakeforensics.devices import started_by_slurm
from fakeforensics.models.processor import processor_name

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of glibc's malloc.h
_NEVER = -1


@cache
def keep_freed_memory() -> bool:
    """Tell glibc's malloc to keep what is freed, for this process from now on.

    By default malloc returns every large tensor to the system when it is freed and requests it again in the
    next step, in which the system zeroes each page. That takes a quarter to a third of a training step
    (docs/decisions/021-speed.md). Kept pages are reused, and the process keeps its largest size. Computed
    numbers do not change.

    Returns:
        Whether the allocator accepted it; an allocator other than glibc's is left alone.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_MMAP_MAX, 0) and libc.mallopt(_TRIM_THRESHOLD, _NEVER))


def release_freed_memory() -> None:
    """Give what is free to the system, once: after reading manifests, and before processes are forked.

    Pages that an allocator keeps would count for this process, and for each that is forked from it.
    """
    pa.default_memory_pool().release_unused()
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def full_float32() -> Iterator[None]:
    """Let float32 convolutions keep all 24 bits of their factors.

    By default a GPU multiplies them as TF32, with 11 bits. The fourth digit of a score would then depend on
    the machine. On a CPU this changes nothing.
    """
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32
    cudnn.allow_tf32 = False
    try:
        yield
    finally:
        cudnn.allow_tf32 = before


def takes_bf16(precision: str) -> bool:
    """Whether a forward pass runs in bfloat16.

    Args:
        precision: `train.precision`. `auto` chooses bfloat16 if the GPU, or without one the CPU, multiplies
        it in
            hardware, which takes half the time of float32. Without such hardware bfloat16 is slower.
    """
    if precision != "auto":
        return precision == "bf16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return _cpu_has("avx512_bf16") or _cpu_has("amx_bf16")


def worker_count(setting: int | str, devices: int = 1) -> int:
    """Decoding processes for `train.workers` or `evaluate.workers`.

    `auto` starts none on a CPU, where they would compete with the training step for its cores. With a GPU it
    starts one for each core of this process but one. A process has its share of the machine's cores, or those
    that Slurm gave the task.

    Args:
        setting: A number, or `auto`.
        devices: `train.devices`; the machine's cores are divided among its processes.
    """
    if setting != "auto":
        return int(setting)
    if not torch.cuda.is_available():
        return 0
    sharing = 1 if started_by_slurm() else processes(devices)[0]
    return max(1, len(os.sched_getaffinity(0)) // sharing - 1)


def processes(devices: int) -> tuple[int, int]:
    """Training processes on this machine, and machines: as torchrun or Slurm started them, else `devices`."""
    environment = os.environ
    if "TORCHELASTIC_RUN_ID" in environment:
        local = int(environment["LOCAL_WORLD_SIZE"])
        return local, int(environment["WORLD_SIZE"]) // local
    if started_by_slurm():
        nodes = int(environment["SLURM_NNODES"])
        return int(environment["SLURM_NTASKS"]) // nodes, nodes
    return devices, 1


def all_sum(value: Tensor) -> Tensor:
    """The sum of `value` over all processes of a run, the same on each."""
    if not _distributed():
        return value
    total = value.clone()
    distributed.all_reduce(total)
    return total


@torch.no_grad()
def average_buffers(module: nn.Module) -> None:
    """Average floating-point buffers over all processes of a run.

    The batch normalization of each process follows its own share of the images. Without averaging, every
    process would validate a slightly different network.
    """
    if not _distributed():
        return
    for buffer in module.buffers():
        if buffer.is_floating_point():
            buffer.copy_(all_sum(buffer) / distributed.get_world_size())


def processor() -> str:
    """What computes here: the GPU's name, or the processor's and the instruction set that PyTorch uses."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{processor_name()}, {torch.backends.cpu.get_cpu_capability()}"


def _distributed() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def _cpu_has(flag: str) -> bool:
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and f" {flag}" in flags.read_text(encoding="utf-8")

"""How this process computes: memory that is kept, float32 that is float32, bfloat16 where it pays."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of glibc's malloc.h
_NEVER = -1


@cache
def keep_freed_memory() -> bool:
    """Tell glibc's malloc to keep what is freed, for this process from now on.

    By default it hands every large tensor back to the system when it is freed and asks for it again in the
    next step, where each of its pages is then faulted in and zeroed: a quarter to a third of a training step
    (docs/benchmarks.md). Kept pages are reused; the process stays as large as it once was. No number that is
    computed changes.

    Returns:
        Whether this system's allocator took it: one other than glibc's is left as it is.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_MMAP_MAX, 0) and libc.mallopt(_TRIM_THRESHOLD, _NEVER))


@contextmanager
def full_float32() -> Iterator[None]:
    """Let float32 convolutions keep all 24 bits of their factors.

    By default a GPU multiplies them as TF32, with 11 bits, so that a score would depend on the machine in its
    fourth digit. On a CPU this changes nothing.
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
        precision: `train.precision`. `auto` takes bfloat16 where the GPU, or else the CPU, multiplies it in
            hardware: half the time of float32 in either case. Without such hardware it would be slower.
    """
    if precision != "auto":
        return precision == "bf16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return _cpu_has("avx512_bf16") or _cpu_has("amx_bf16")


def _cpu_has(flag: str) -> bool:
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and f" {flag}" in flags.read_text(encoding="utf-8")

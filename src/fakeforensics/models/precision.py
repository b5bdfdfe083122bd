"""Float32 that is float32 on GPUs as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


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

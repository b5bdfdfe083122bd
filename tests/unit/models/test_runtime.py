import platform
import subprocess
import sys

import pytest
import torch

from fakeforensics.models import runtime
from fakeforensics.models.runtime import full_float32, keep_freed_memory, takes_bf16

COUNT_FAULTS = """
import resource, sys
import torch
from fakeforensics.models.runtime import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
for step in range(20):  # the first few settle where small remainders of aligned blocks go
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tensor = torch.ones(64 << 20, dtype=torch.uint8)
    del tensor
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
cudnn = torch.backends.cudnn


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators are left as they are")
def test_a_tensor_of_the_last_step_is_not_faulted_in_again():
    faults = {
        mode: int(
            subprocess.run(
                [sys.executable, "-c", COUNT_FAULTS, mode], capture_output=True, text=True, check=True
            ).stdout
        )
        for mode in ("as it is", "keep")
    }
    # 64 MiB are 16,384 pages of 4 KiB; the rest is what the interpreter itself asks for
    assert faults["keep"] < 100
    assert faults["as it is"] > 1000


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

import platform
import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource, sys
import torch
from fakeforensics.models.memory import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
for step in range(20):  # the first few settle where small remainders of aligned blocks go
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tensor = torch.ones(64 << 20, dtype=torch.uint8)
    del tensor
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


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
    from fakeforensics.models.memory import keep_freed_memory

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert keep_freed_memory.__wrapped__() is False

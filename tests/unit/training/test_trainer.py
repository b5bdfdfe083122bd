import signal
import subprocess
import sys
import time

import pytest

from fakeforensics.training.trainer import _end


@pytest.mark.parametrize(("status", "failed"), [(1, True), (0, False)])
def test_the_others_are_ended_and_one_that_had_failed_is_noticed(status, failed):
    first, second = (
        subprocess.Popen([sys.executable, "-c", code])
        for code in (f"raise SystemExit({status})", "import time; time.sleep(600)")
    )
    if not failed:
        first.wait(60)
    others = [first, second]
    # A failure is awaited until it is seen; without one there is no more than the grace to wait.
    assert _end(others, grace=60 if failed else 0.1) is failed
    assert second.wait(60) == -signal.SIGKILL
    assert first.wait(60) == status
    assert others == []  # Lightning's observer of the list finds nothing to kill this process for


def test_a_process_without_others_waits_for_nothing(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits"))
    assert not _end([], grace=600)

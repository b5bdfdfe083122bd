"""Processes that die, stall and run out of memory, and what that costs the others."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from fakeforensics.errors import UserError
from fakeforensics.processes import TaskLostError, TaskTimeoutError, WorkerPool
from tests.unit.worker_tasks import act, end, fail


def reason(future):
    error = future.exception()
    return type(error) if error else future.result().split()[0]


@pytest.fixture(scope="module")
def pool():
    # Above what a server holds that another test's pool made import its modules.
    with WorkerPool(2, memory_mb=4000) as started:
        yield started


def test_results_come_in_order_if_asked(pool):
    orders = ["slow", "a", "b", "c", "d", "e"]
    done = list(pool.map(act, orders, ordered=True))
    assert [item for item, _ in done] == orders
    assert [reason(future) for _, future in done] == orders


def test_results_come_as_they_are_done(pool):
    assert [item for item, _ in pool.map(act, ["slow", "a", "b", "c"])][-1] == "slow"


@pytest.mark.parametrize("deed", ["crash", "leave", "die answering"])
def test_a_process_that_dies_costs_its_task_alone(pool, deed):
    orders = [deed, "a", deed, "b", "c"]
    found = [reason(future) for _, future in pool.map(act, orders, ordered=True)]
    assert found == [TaskLostError, "a", TaskLostError, "b", "c"]


def test_many_deaths_cost_no_other_task_even_while_the_main_process_is_busy(pool):
    # sum() over a range keeps the interpreter lock: for that long nobody reads what workers report.
    orders = ["crash" if number % 3 == 0 else f"{number}" for number in range(12)]
    found = pool.map(act, orders, ordered=True)
    for _ in range(8):
        sum(range(10**7))
    assert [reason(future) for _, future in found] == [
        TaskLostError if order == "crash" else order for order in orders
    ]


def test_what_takes_too_long_is_stopped(pool):
    started = time.monotonic()
    error = pool.submit(act, "stall", seconds=0.3).exception()
    assert isinstance(error, TaskTimeoutError)
    assert str(error) == "it took longer than 0.3 s"
    assert time.monotonic() - started < 60  # not 600 s
    assert reason(pool.submit(act, "a")) == "a"


def test_memory_is_limited(pool):
    assert reason(pool.submit(act, "eat")) in (MemoryError, TaskLostError)


def test_what_a_task_raises_comes_back_whole(pool):
    assert str(pool.submit(act, "refuse").exception()) == str(UserError("no such file", fix="look elsewhere"))


def test_processes_that_cannot_be_prepared_say_why():
    with WorkerPool(1, prepare=fail) as pool, pytest.raises(UserError, match=r"no landmark model"):
        pool.submit(act, "a").result()


def test_processes_that_die_at_once_are_no_fault_of_the_task():
    with WorkerPool(1, prepare=end) as pool, pytest.raises(UserError, match="before they begin to work"):
        pool.submit(act, "a").result()


def test_a_fresh_process_has_done_nothing_else():
    with WorkerPool(1, fresh=True) as pool:
        first, second = (pool.submit(act, "a").result() for _ in range(2))
    assert first != second


def test_closing_waits_for_nobody():
    pool = WorkerPool(2)
    pool.map(act, ["stall"] * 9)
    time.sleep(0.2)
    started = time.monotonic()
    pool.close()
    assert time.monotonic() - started < 30  # not the 600 s of each


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_the_main_process(number, tmp_path):
    (tmp_path / "busy.py").write_text(
        "import os, signal, sys, time\n"
        "from fakeforensics.processes import WorkerPool\n"
        "def stall(_):\n"
        "    os.write(1, f'{os.getpid()}\\n'.encode())\n"  # whole, whatever else is written meanwhile
        "    time.sleep(600)\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job ignores it
        "    with WorkerPool(2) as pool:\n"
        "        list(pool.map(stall, range(4)))\n"
    )
    with subprocess.Popen(
        [sys.executable, tmp_path / "busy.py"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            workers = [int(process.stdout.readline()) for _ in range(2)]
            for _ in range(3):  # on a very busy machine one Ctrl-C was not enough: docs/reliability.md
                process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=15)
                    break
        finally:
            process.kill()
    end = time.monotonic() + 20
    while (alive := [pid for pid in workers if _runs(pid)]) and time.monotonic() < end:
        time.sleep(0.05)
    assert alive == []


def test_ctrl_c_does_not_end_the_imports_of_the_server(tmp_path):
    (tmp_path / "interrupted.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    (tmp_path / "main.py").write_text(
        "import signal\n"
        "from fakeforensics.processes import WorkerPool\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job ignores it
        "    with WorkerPool(1, preload=['interrupted']) as pool:\n"
        "        print(pool.submit(abs, -1).result())\n"
    )
    ended = subprocess.run(
        [sys.executable, tmp_path / "main.py"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1\n", "")


def test_no_other_pool_is_used():
    # Workers of other pools outlive a killed main process: loky's by five minutes.
    root = Path(__file__).parents[2]
    other = re.compile(r"\b(joblib|loky|pebble|ProcessPoolExecutor|multiprocessing\.Pool)\b")
    files = {path for name in ("src", "stages", "examples") for path in (root / name).rglob("*.py")}
    users = {path.relative_to(root).as_posix() for path in files if other.search(path.read_text())}
    assert users == {"src/fakeforensics/processes.py"}


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

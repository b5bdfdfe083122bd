#!/usr/bin/env bash
# Pebble 5.2.3 on CPython 3.11: a ProcessPool matches a dead worker with its task by the acknowledgement that
# the worker sent when it took the task. A thread of the main process reads that. If the worker dies before the
# thread has run, because another thread holds the interpreter lock, the pool raises BrokenProcessPool("All
# workers expired") for every task it has, those that hurt nobody included. A worker that ends with status 0 in
# the midst of its task is not noticed at all: the task's future stays pending for ever.
# Known relatives: github.com/noxdafox/pebble, issues 153 and 163. A pool of one worker that has one task at a
# time does not lose other tasks: it has none.
#
# Exits with 0 while both hold, with 1 when either has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pebble==5.2.3
cat >"$folder/program.py" <<'PYTHON'
import multiprocessing
import os
import sys
import time
from collections import Counter
from concurrent.futures import wait
from importlib.metadata import version

from pebble import ProcessPool


def work(number):
    if number % 3 == 0:
        os._exit(9)
    return number


def leave():
    os._exit(0)


def results_of(tasks):
    """How tasks end, every third of which kills its process, while this thread keeps the interpreter busy."""
    with ProcessPool(2, context=multiprocessing.get_context("forkserver")) as pool:
        futures = [pool.schedule(work, (number,)) for number in range(tasks)]
        end = time.monotonic() + 20
        while time.monotonic() < end:
            sum(range(20_000_000))  # holds the interpreter lock throughout
        done, _ = wait(futures, timeout=60)
        return Counter(type(future.exception()).__name__ for future in done)


def stays_pending():
    pool = ProcessPool(1, context=multiprocessing.get_context("forkserver"))
    future = pool.schedule(leave)
    _, pending = wait([future], timeout=10)
    future.cancel()
    pool.stop()
    pool.join()
    return bool(pending)


if __name__ == "__main__":
    print(f"pebble {version('pebble')}, Python {sys.version.split()[0]}")
    broken = next((found for found in (results_of(121) for _ in range(5)) if found["BrokenProcessPool"]), None)
    pending = stays_pending()
    print(f"tasks by outcome in a run that broke: {dict(broken) if broken else 'none of five broke'}")
    print(f"a task whose process ends with status 0 is {'pending after 10 s' if pending else 'resolved'}")
    sys.exit(0 if broken and pending else 1)
PYTHON
cd "$folder"
"$folder/venv/bin/python" program.py

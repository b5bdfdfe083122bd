"""What worker processes run in test_processes.py. Every new process imports this module, and no pytest."""

import os
import signal
import threading
import time

from fakeforensics.errors import UserError


def act(order):
    """What a name says."""
    if order == "crash":
        os.abort()
    if order == "leave":
        os._exit(0)
    if order == "stall":
        time.sleep(600)
    if (
        order == "die answering"
    ):  # 64 MiB do not fit into a pipe: the process dies in the middle of its answer
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGKILL)).start()
        return bytes(2**26)
    if order == "eat":
        return len(bytearray(2**33))
    if order == "refuse":
        raise UserError("no such file", fix="look elsewhere")
    if order == "slow":
        time.sleep(0.5)
    return f"{order} by {os.getpid()}"


def fail():
    """A process that cannot prepare its work."""
    raise UserError("no landmark model", fix="install it")


def end():
    """A process that dies before it begins to work."""
    os._exit(1)

"""A `python` for pipelines: it forks stages from a process that has loaded torch and all else once.

A stage that is forked differs from `python -m stages.…` in this: its modules are loaded already, from this
folder and not from the clone; its networks are thin, its packages have no model.onnx, and its pictures are
empty. Stages that depend on the clone's own code, and all other programs, are started as always.
"""

from __future__ import annotations

import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from tests.faults.warm import load_everything, run_and_exit

ROOT = Path(__file__).parents[2]
OF_THE_CLONE = ("stages.code", "stages.demo")  # tests edit what these two read or import
SHIM = """#!{python} -IS
import os, sys
if sys.argv[1:2] != ["-m"] or not sys.argv[2].startswith("stages.") or sys.argv[2] in {real}:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
import json, socket
asked = {{"root": os.getcwd(), "command": sys.argv[2:], "environment": dict(os.environ)}}
os.chdir({folder!r})
with socket.socket(socket.AF_UNIX) as server:
    server.connect("socket")
    socket.send_fds(server, [json.dumps(asked).encode() + b"\\n"], [0, 1, 2])
    sys.exit(int(server.recv(16) or 1))
"""


class WarmPython:
    """The process that forks, and a folder for PATH with a `python` that asks it.

    Args:
        folder: An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shim = folder / "python"
        shim.write_text(SHIM.format(python=sys.executable, real=OF_THE_CLONE, folder=str(folder)))
        shim.chmod(0o755)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.pipeline.warm", str(folder)],
            cwd=ROOT,
            # A process with threads must not be forked.
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]), "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def main(folder: str) -> None:
    """Load everything, then fork what is asked for until standard input ends."""
    from tests.pipeline.conftest import leave_out_onnx, leave_out_pictures
    from tests.thin_resnet import thin_networks

    load_everything()
    with thin_networks() as patch, socket.socket(socket.AF_UNIX) as server:
        leave_out_onnx(patch)
        leave_out_pictures(patch)
        os.chdir(folder)
        server.bind("socket")
        server.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        running: dict[socket.socket, int] = {}  # who asked → the forked process
        while True:
            ready, _, _ = select.select([sys.stdin, server, *running], [], [], 0.01 if running else None)
            if sys.stdin in ready:
                return
            if server in ready:
                asker, _ = server.accept()
                running[asker] = _fork(asker, server, [*running])
            for asker, pid in [*running.items()]:
                if asker in ready:  # who asked was killed
                    os.kill(pid, signal.SIGKILL)
                ended, how = os.waitpid(pid, 0 if asker in ready else os.WNOHANG)
                if ended:
                    del running[asker]
                    if asker not in ready:
                        asker.sendall(str(os.waitstatus_to_exitcode(how) & 0xFF).encode())
                    asker.close()


def _fork(asker: socket.socket, server: socket.socket, others: list[socket.socket]) -> int:
    """Fork the stage that was asked for, with the streams of who asked."""
    text, streams, _, _ = socket.recv_fds(asker, 1 << 20, 3)
    while not text.endswith(b"\n"):
        text += asker.recv(1 << 20)
    pid = os.fork()
    if pid == 0:
        for one in (asker, server, *others):
            one.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        _be(json.loads(text))
    for stream in streams:
        os.close(stream)
    return pid


def _be(asked: dict) -> NoReturn:
    """Be the stage."""
    os.chdir(asked["root"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.stdin = open(0)  # noqa: SIM115  the one before belongs to the process that forks
    module, *arguments = asked["command"]
    sys.argv = [module, *arguments]
    sys.modules.pop(module, None)  # it is to run as `__main__`, as with `python -m`
    run_and_exit(lambda: runpy.run_module(module, run_name="__main__", alter_sys=True))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The hardware that a run computes on, and the start of its processes on one machine."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import socket
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, start_processes

from fakeforensics.devices import started_by_slurm
from fakeforensics.errors import UserError
from fakeforensics.models.runtime import processes, processor, takes_bf16
from fakeforensics.params import TrainParams

log = logging.getLogger(__name__)


def is_compiled(params: TrainParams) -> bool:
    """Whether the training step is compiled.

    `auto` compiles on a single GPU if everything that Triton needs is there, such as a C compiler and
    Python's headers. On a CPU most of a ResNet's time goes to convolutions, which come from the same library
    with and without the compiler. With several GPUs the compiler stops at each synchronized batch
    normalization, so it cannot fuse anything.

    Raises:
        UserError: If `train.compile` is true with several processes.
    """
    alone = processes(params.devices) == (1, 1)
    if params.compile is True and not alone:
        raise UserError(
            "the training step is compiled in a single process only",
            expected="`train.compile: auto` or `false` with several processes",
            found="true",
        )
    if params.compile != "auto":
        return params.compile
    return (
        alone
        and torch.cuda.is_available()
        and torch.cuda.get_device_capability() >= (7, 0)
        and _triton_can_build()
    )


def _triton_can_build() -> bool:
    """Whether Triton, a C compiler and Python's headers are there; without them torch.compile fails."""
    compiler = any(shutil.which(name) for name in ("cc", "gcc", "clang"))
    headers = Path(sysconfig.get_paths()["include"], "Python.h").is_file()
    return compiler and headers and importlib.util.find_spec("triton") is not None


def describe_device(params: TrainParams) -> dict[str, Any]:
    """What a run's numbers depend on: device, processes, threads, precision, compilation."""
    local, nodes = processes(params.devices)
    return {
        "processor": processor(),
        "processes": local * nodes,
        "threads": torch.get_num_threads(),
        "bf16": takes_bf16(params.precision),
        "compiled": is_compiled(params),
    }


def run_in_processes(devices: int, work: Callable[..., None], *arguments: Any) -> None:
    """Call a function in several processes.

    If torchrun or Slurm started the processes, or for one device, it is called in this process.

    Args:
        devices: The number of processes, `train.devices`.
        work: The function; it and its arguments must be picklable.
        *arguments: Its arguments.

    Raises:
        UserError: The error of the process that failed first; the other processes are ended.
    """
    if devices == 1 or started_by_slurm() or "LOCAL_RANK" in os.environ:
        work(*arguments)
        return
    log.info("training in %d processes", devices)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    errors: Any = torch.multiprocessing.get_context("spawn").SimpleQueue()
    running: Any = start_processes(  # type: ignore[no-untyped-call]
        _run_one, (devices, port, errors, work, arguments), nprocs=devices, join=False
    )
    try:
        while not running.join():
            pass
    except (ProcessExitedException, ProcessRaisedException):
        # A process may end because its connection to a failed process broke. The failed process has reported
        # the real error.
        if errors.empty():
            raise
        raise errors.get() from None


def _run_one(
    rank: int, world: int, port: int, errors: Any, work: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    place = {"LOCAL_RANK": rank, "NODE_RANK": 0, "WORLD_SIZE": world, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()}, MASTER_ADDR="127.0.0.1")
    try:
        work(*arguments)
    except UserError as error:
        errors.put(error)
        # The interpreter's regular exit would wait for the other processes.
        os._exit(1)

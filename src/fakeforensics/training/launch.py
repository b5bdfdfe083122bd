"""Starting the processes of a training run on one machine."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

import torch
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, start_processes

from fakeforensics.errors import UserError
from fakeforensics.models.detector import HeadDetector
from fakeforensics.models.registry import detector_class
from fakeforensics.params import FacesParams
from fakeforensics.training.device import starts_processes
from fakeforensics.training.run import Places, train_detector
from fakeforensics.training.settings import RunSettings

log = logging.getLogger(__name__)


def run_in_processes(settings: RunSettings, places: Places, faces: FacesParams) -> None:
    """Train in as many processes as `train.devices` asks for; torchrun and Slurm start their own.

    A head is fitted in this process, whatever `train.devices` says.

    Args:
        settings: Of the run.
        places: Where it reads and writes.
        faces: How face crops were cut, for the record.

    Raises:
        UserError: As `train_detector`, from whichever process failed; the others are ended.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    devices = settings.train.devices
    if issubclass(detector_class(settings.detector), HeadDetector):
        # One process fits a head; `devices` concerns the networks of the same list.
        settings = settings.on_machine(settings.train.model_copy(update={"devices": 1}))
        devices = 1
    if not starts_processes(devices):
        train_detector(settings, places, faces)
        return
    log.info("training in %d processes", devices)
    errors: Any = torch.multiprocessing.get_context("spawn").SimpleQueue()
    arguments = (devices, _free_port(), errors, settings, places, faces)
    running: Any = start_processes(  # type: ignore[no-untyped-call]
        _train, arguments, nprocs=devices, join=False, start_method="spawn"
    )
    try:
        while not running.join():
            pass
    except (ProcessExitedException, ProcessRaisedException):
        # A process whose connection broke may end first; what the other one said comes before that.
        if errors.empty():
            raise
        raise errors.get() from None


def _train(
    rank: int,
    world: int,
    port: int,
    errors: Any,
    settings: RunSettings,
    places: Places,
    faces: FacesParams,
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    place = {"LOCAL_RANK": rank, "NODE_RANK": 0, "WORLD_SIZE": world, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()}, MASTER_ADDR="127.0.0.1")
    try:
        train_detector(settings, places, faces)
    except UserError as error:
        errors.put(error)
        # Not by way of the interpreter's end, which would wait for the other processes.
        os._exit(1)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port

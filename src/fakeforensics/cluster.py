"""The workers of a running Dask cluster, on this machine or others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fakeforensics.errors import UserError

# Seconds. The workers of a cluster may wait in the queue of a batch system.
_WORKERS_COME_WITHIN = 600


@contextmanager
def connected(scheduler: str, setting: str) -> Iterator[Any]:
    """Connect to a Dask scheduler and wait until it has a worker.

    Args:
        scheduler: Its address, such as tcp://login-node:8786.
        setting: The option or setting that holds the address, for messages.

    Yields:
        Dask's client.

    Raises:
        UserError: If Dask is not installed, nothing answers there, or no worker comes within 10 minutes.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise UserError(
            f"{setting} asks for Dask, which is not installed", fix="pip install 'fake-forensics[cluster]'"
        ) from None
    try:
        connect: Any = Client
        client = connect(scheduler, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"no Dask scheduler answers at {scheduler}",
            found=str(error),
            fix=f"check {setting}, and that `dask scheduler` runs there",
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=_WORKERS_COME_WITHIN)
        except TimeoutError:
            raise UserError(
                f"the Dask cluster at {scheduler} has no worker",
                fix="start workers with `dask worker`, or find out why they wait in the batch system's queue",
            ) from None
        yield client

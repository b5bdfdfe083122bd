"""Handing tasks to the processes of this machine or of a Dask cluster, and surviving the death of one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from fakeforensics.errors import UserError
from fakeforensics.params import FacesParams

# Seconds; a batch system may keep a cluster's workers in its queue for a while.
_WORKERS_COME_WITHIN = 600
Task = TypeVar("Task")
Done = TypeVar("Done")


class WorkerDiedError(Exception):
    """A worker process ended in the midst of its task: killed for memory, or crashed by a damaged file."""


def fan_out(work: Callable[[Task], Done], tasks: Sequence[Task], params: FacesParams) -> Iterator[Done]:
    """Do all tasks and yield their results as they come.

    Args:
        work: Does one task; picklable.
        tasks: What to do.
        params: `workers`, `executor` and `scheduler` count.

    Raises:
        WorkerDiedError: If a worker process ended without a result.
        UserError: If there is no Dask scheduler at the given address.
    """
    workers = params.workers or os.cpu_count() or 1
    if params.executor == "local" and (workers == 1 or len(tasks) == 1):
        yield from map(work, tasks)
        return
    from joblib import Parallel, delayed

    if params.executor == "dask":
        with _dask(params.scheduler):
            from distributed import KilledWorker

            parallel = Parallel(n_jobs=-1, batch_size=1, return_as="generator_unordered")
            try:
                results = parallel(delayed(work)(task) for task in tasks)
            except TimeoutError:
                raise UserError(
                    f"the Dask cluster at {params.scheduler} has no worker",
                    fix="start some with `dask worker`, or see why they wait in the batch system's queue",
                ) from None
            yield from _guarded(results, KilledWorker)
        return
    from joblib.externals.loky.process_executor import BrokenProcessPool

    parallel = Parallel(
        n_jobs=workers, batch_size=1, pre_dispatch="2*n_jobs", return_as="generator_unordered"
    )
    yield from _guarded(parallel(delayed(work)(task) for task in tasks), BrokenProcessPool)


def one_by_one(work: Callable[[Task], Done], tasks: Sequence[Task]) -> Iterator[tuple[Task, Done | None]]:
    """Do tasks that may kill their process, each apart from all others.

    Yields:
        Each task with its result, or with None if it killed its process.
    """
    from joblib.externals.loky import ProcessPoolExecutor
    from joblib.externals.loky.process_executor import BrokenProcessPool

    waiting = list(tasks)
    while waiting:
        with ProcessPoolExecutor(max_workers=1) as pool:
            while waiting:
                task = waiting.pop(0)
                try:
                    yield task, pool.submit(work, task).result()
                except BrokenProcessPool:
                    yield task, None
                    break


def _guarded(results: Iterator[Done], death: type[Exception]) -> Iterator[Done]:
    try:
        yield from results
    except death as error:
        raise WorkerDiedError(str(error)) from None


def _dask(scheduler: str | None) -> AbstractContextManager[Any]:
    if scheduler is None:
        raise UserError(
            "faces.executor is `dask`, but faces.scheduler names no cluster",
            expected="an address such as tcp://login-node:8786",
            fix="start one with `dask scheduler` and `dask worker`, or set faces.executor to local",
        )
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise UserError(
            "faces.executor is `dask`, but Dask is not installed", fix="pip install 'fake-forensics[cluster]'"
        ) from None
    try:
        connect: Any = Client
        client = connect(scheduler, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"no Dask scheduler answers at {scheduler}",
            found=str(error),
            fix="check faces.scheduler, and that `dask scheduler` runs there",
        ) from None
    return _DaskBackend(client)


class _DaskBackend:
    """joblib's Dask backend for the length of a block; the client is closed behind it."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._config: AbstractContextManager[Any] = nullcontext()

    def __enter__(self) -> None:
        from joblib import parallel_config

        self._config = parallel_config(
            backend="dask", client=self._client, wait_for_workers_timeout=_WORKERS_COME_WITHIN
        )
        self._config.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._config.__exit__(*error)
        self._client.close()

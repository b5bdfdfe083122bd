"""A pool of isolated processes: a task that crashes, stalls or runs out of memory fails without the others.

Each worker is a `pebble.ProcessPool` with one process and one task at a time, and is replaced when its
process is lost. A single pebble pool with several workers (version 5.2.3) has two faults. It breaks as a
whole if a worker dies before the main process has read the worker's acknowledgement, which happens while
another thread holds the interpreter lock. It stalls if a worker dies while it holds the lock of the pipe that
all workers share.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import connection, forkserver, resource_tracker
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar

from pebble import ProcessExpired, ProcessPool

from fakeforensics.errors import UserError
from fakeforensics.lookahead import look_ahead, uninterrupted

Item = TypeVar("Item")
Result = TypeVar("Result")
# A server process imports the slow libraries once and forks the workers, so a lost worker restarts quickly.
_CONTEXT = multiprocessing.get_context("forkserver")
_LOOK_EVERY = 2.0  # seconds between checks whether a process still exists
_unprepared: BaseException | None = None


class TaskLostError(Exception):
    """The worker process died during the task: its decoder crashed, or it ran out of memory."""


class TaskTimeoutError(TaskLostError):
    """The task exceeded its time limit, and its process was killed."""


def start_server(*preload: str) -> None:
    """Start the server process that forks workers; it imports modules while this process does other work.

    Args:
        preload: Names of modules to import there, as for `WorkerPool`.
    """
    _CONTEXT.set_forkserver_preload([__name__, *preload])
    resource_tracker.ensure_running()  # the server needs it, and its start would unblock Ctrl-C
    # The server inherits the block. Without it, Ctrl-C would end its imports with a traceback.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class WorkerPool:
    """Worker processes that do one task at a time, isolated from each other.

    Workers ignore Ctrl-C, because the main process handles it. They end when the main process dies.

    Args:
        workers: Number of processes; 0 starts one per core.
        prepare: A picklable function that each process calls once before its first task, for example to load
            models. If it raises an exception, each task raises that exception.
        memory_mb: Limit of each process's address space in MiB, set after `prepare`.
        preload: Names of modules to import before workers are forked. Only the first pool of a process
            imports them.
        fresh: Whether each task gets a new process.
    """

    def __init__(
        self,
        workers: int = 0,
        *,
        prepare: Callable[[], object] | None = None,
        memory_mb: int | None = None,
        preload: Sequence[str] = (),
        fresh: bool = False,
    ) -> None:
        start_server(*preload)
        self.workers = workers or os.cpu_count() or 1
        start = partial(
            ProcessPool,
            max_workers=1,
            max_tasks=2 if fresh else 0,  # the first task returns the number of its process
            initializer=_start_worker,
            initargs=(prepare, memory_mb),
            context=_CONTEXT,
        )
        self._workers = [_Worker(start) for _ in range(self.workers)]
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(self.workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(
        self, function: Callable[..., Result], /, *args: Any, seconds: float | None = None
    ) -> Future[Result]:
        """Run a function in a worker.

        Args:
            function: A function at the top level of a module, because workers find it by name.
            *args: Its arguments, picklable.
            seconds: Time limit in seconds, from the start of the task in the worker.

        Returns:
            A future. It raises the exception of `function`, `TaskLostError` if the process died,
            `TaskTimeoutError` if the task took too long, or `UserError` if processes die before their first
            task.
        """
        return self._threads.submit(self._run, function, args, seconds)

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        seconds: float | None = None,
        ordered: bool = False,
    ) -> Iterator[tuple[Item, Future[Result]]]:
        """Run a function for each item. Tasks start immediately, at most two per worker in advance.

        Args:
            function: As for `submit`; it takes one item.
            items: The items.
            seconds: Time limit per task in seconds.
            ordered: Whether results come in the order of `items`, or in the order in which they finish.

        Yields:
            Each item with its finished future.
        """
        return look_ahead(
            partial(self.submit, function, seconds=seconds), items, 2 * self.workers, ordered=ordered
        )

    def close(self) -> None:
        """Stop all processes, also those that are running a task."""
        with uninterrupted():
            self._threads.shutdown(wait=False, cancel_futures=True)
            for worker in self._workers:
                worker.stop()
            self._threads.shutdown()
            for worker in self._workers:
                worker.join()

    def _run(self, function: Callable[..., Result], args: tuple[Any, ...], seconds: float | None) -> Result:
        worker = self._idle.get()
        try:
            return worker.run(function, args, seconds)
        finally:
            self._idle.put(worker)


class _Worker:
    """One process, replaced when it is lost."""

    def __init__(self, start: Callable[[], ProcessPool]) -> None:
        self._start = start
        self._lock = threading.Lock()
        self._stopped = False
        self._future: Future[Any] | None = None
        self._pool: Any = start()

    def run(self, function: Callable[..., Result], args: tuple[Any, ...], seconds: float | None) -> Result:
        if not self._stopped and not self._pool.active:  # the process died between two tasks
            self._replace()
        try:
            process = self._wait(self._schedule(os.getpid, (), None))
        except (ProcessExpired, BrokenProcessPool) as error:
            self._replace()
            raise UserError(
                "the worker processes end before they begin to work",
                found=str(error),
                fix="give them more memory, or start fewer workers",
            ) from None
        try:
            succeeded, value = self._wait(self._schedule(_work, (function, args), seconds), process)
        except TimeoutError:
            self._replace()
            raise TaskTimeoutError(f"it took longer than {seconds:g} s") from None
        except (ProcessExpired, BrokenProcessPool):
            self._replace()
            raise TaskLostError("its process crashed or ran out of memory") from None
        if not succeeded:
            raise value
        result: Result = value
        return result

    def stop(self) -> None:
        """Cancel the current task and stop the process; may be called from any thread."""
        with self._lock:
            self._stopped = True
            if self._future is not None:
                self._future.cancel()
            self._pool.stop()

    def join(self) -> None:
        self._pool.join()

    def _schedule(self, function: Callable[..., Any], args: tuple[Any, ...], seconds: float | None) -> Any:
        with self._lock:
            self._future = self._pool.schedule(function, args, timeout=seconds)
            return self._future

    def _wait(self, future: Future[Any], process: int | None = None) -> Any:
        while True:
            try:
                return future.result(timeout=_LOOK_EVERY)
            except TimeoutError:
                if future.done():
                    return future.result()
            # Pebble does not notice a process that exits with status 0 during its task.
            if process is not None and not _is_alive(process):
                raise BrokenProcessPool
            # Nor does it tell those who schedule a task while it gives up because its process died.
            if not self._pool.active:
                raise BrokenProcessPool

    def _replace(self) -> None:
        with self._lock:
            if not self._stopped:
                self._pool.stop()
                self._pool.join()
                self._pool = self._start()


def _start_worker(prepare: Callable[[], object] | None, memory_mb: int | None) -> None:
    global _unprepared
    # Pebble's signal handler runs between two Python instructions, so a stuck decoder never runs it.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # There is one process per core, so more threads would only compete, above all those of matrix products.
    if "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(1)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)
    try:
        if prepare is not None:
            prepare()
    except Exception as error:  # noqa: BLE001 (each task raises it)
        _unprepared = error
    if memory_mb is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 2**20,) * 2)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _work(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[bool, Any]:
    if _unprepared is not None:
        return False, _unprepared
    try:
        return True, function(*args)
    except Exception as error:  # noqa: BLE001 (the caller gets it)
        return False, error


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True

"""Cutting many files at once, and untrusted ones in a process of their own."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from threading import Event, Timer
from typing import NamedTuple

from fakeforensics.faces.picture import UnreadableError
from fakeforensics.inference.cutting import CutFile, Cutter, Recipe
from fakeforensics.inference.frames import View, spread_frames, views_of
from fakeforensics.inference.inputs import Item

CRASHED = "its decoder crashed or ran out of memory"
_SPAWN = multiprocessing.get_context("spawn")
_cutter: Cutter | None = None


class CuttingPool:
    """Worker processes that cut files; a file that kills its worker costs itself alone.

    Args:
        recipe: How to cut.
        files: How many there are; no more workers than files are started.
        workers: Processes; 0 takes one per core.
    """

    def __init__(self, recipe: Recipe, files: int, workers: int = 0) -> None:
        self._recipe = recipe
        self._workers = max(1, min(workers or os.cpu_count() or 1, files))
        self._pool = self._start()

    def cut(self, items: Sequence[Item]) -> Iterator[CutFile]:
        """Cut files, starting at once; results come in the order of `items`, a few ahead of what is taken."""
        ahead = 2 * self._workers
        waiting = deque((item, self._submit(item)) for item in items[:ahead])
        return self._results(waiting, items[ahead:])

    def _results(
        self, waiting: deque[tuple[Item, Future[CutFile]]], items: Sequence[Item]
    ) -> Iterator[CutFile]:
        for item in items:
            waiting.append((item, self._submit(item)))
            yield self._result(*waiting.popleft())
        while waiting:
            yield self._result(*waiting.popleft())

    def close(self) -> None:
        """Stop the workers."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._workers, _SPAWN, _start_worker, (self._recipe,))

    def _submit(self, item: Item) -> Future[CutFile]:
        try:
            return self._pool.submit(_work, item)
        except BrokenProcessPool:
            self._pool = self._start()
            return self._pool.submit(_work, item)

    def _result(self, item: Item, future: Future[CutFile]) -> CutFile:
        try:
            return future.result()
        except BrokenProcessPool:  # this file, or one beside it, killed a worker: alone it shows which
            return cut_alone(item, self._recipe).file


class Alone(NamedTuple):
    """What a file gave in a process of its own.

    Args:
        file: Its crops.
        views: Frames of it for looking at, shrunk: number, pixels, and by how much they were shrunk.
    """

    file: CutFile
    views: Sequence[View] = ()


def cut_alone(
    item: Item,
    recipe: Recipe,
    seconds: float | None = None,
    megabytes: int | None = None,
    views: int = 0,
) -> Alone:
    """Cut one file in a process of its own, so that a hostile file harms nothing else.

    Args:
        item: The file.
        recipe: How to cut.
        seconds: The process is killed after this time.
        megabytes: Most address space that it may take, in MiB.
        views: Frames with a face to give beside the crops.
    """
    ours, theirs = _SPAWN.Pipe(duplex=False)
    arguments = (item, recipe, theirs, megabytes, views)
    process = _SPAWN.Process(target=_alone, args=arguments, daemon=True)
    process.start()
    theirs.close()
    late = Event()

    def end() -> None:
        late.set()
        process.kill()

    # Killed from aside, for the answer itself may stall as well.
    watch = Timer(seconds or 0, end)
    if seconds is not None:
        watch.start()
    try:
        result = ours.recv()
    except (EOFError, ConnectionResetError):
        reason = f"it took longer than {seconds:g} s" if late.is_set() else CRASHED
        return Alone(CutFile(item.path, (), reason))
    finally:
        watch.cancel()
        process.kill()
        process.join()
        ours.close()
    if not isinstance(result, Alone):
        raise TypeError(f"the process sent {type(result).__name__}")
    return result


def _start_worker(recipe: Recipe) -> None:
    global _cutter
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    _one_thread()
    _cutter = Cutter(recipe)


def _work(item: Item) -> CutFile:
    if _cutter is None:
        raise RuntimeError("the worker was not started")
    return _cutter.cut(item)


def _alone(item: Item, recipe: Recipe, answer: Connection, megabytes: int | None, views: int) -> None:
    _one_thread()
    cutter = Cutter(recipe)
    if megabytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes * 2**20,) * 2)
    try:
        file = cutter.cut(item)
        answer.send(Alone(file, views_of(item, spread_frames(file.cuts, views)) if views else ()))
    except (MemoryError, UnreadableError):  # the second: of frames that decoded a moment ago
        answer.send(Alone(CutFile(item.path, (), CRASHED)))


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)

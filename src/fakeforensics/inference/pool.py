"""Cutting many files at once."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

from fakeforensics.inference.cutting import CutFile, Recipe
from fakeforensics.inference.inputs import Item
from fakeforensics.inference.worker import Worker


class CuttingPool:
    """Worker processes, each with a thread that hands it files.

    A ProcessPoolExecutor breaks as a whole when a file kills its worker, and what is submitted while it
    breaks may never end.

    Args:
        recipe: How to cut.
        files: How many there are; no more workers than files are started.
        workers: Processes; 0 takes one per core.
    """

    def __init__(self, recipe: Recipe, files: int, workers: int = 0) -> None:
        count = max(1, min(workers or os.cpu_count() or 1, files))
        self._threads = ThreadPoolExecutor(count)
        self._workers = [Worker(recipe) for _ in range(count)]
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def cut(self, items: Sequence[Item]) -> Iterator[CutFile]:
        """Cut files, starting at once; results come in the order of `items`, a few ahead of what is taken."""
        ahead = 2 * len(self._workers)
        waiting = deque(self._threads.submit(self._cut, item) for item in items[:ahead])
        return self._results(waiting, items[ahead:])

    def _results(self, waiting: deque[Future[CutFile]], items: Sequence[Item]) -> Iterator[CutFile]:
        for item in items:
            waiting.append(self._threads.submit(self._cut, item))
            yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def close(self) -> None:
        """Stop the workers, whatever they are at."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.kill()
        self._threads.shutdown()
        for worker in self._workers:
            worker.stop()

    def _cut(self, item: Item) -> CutFile:
        worker = self._idle.get()
        try:
            worker.ensure_alive()  # the file before may have killed it
            return worker.cut(item).file
        finally:
            self._idle.put(worker)

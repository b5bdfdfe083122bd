"""Judging files: find the faces, score them, decide."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from fakeforensics.faces.picture import UnreadableError
from fakeforensics.faces.still import read_still
from fakeforensics.images.images import encode_png
from fakeforensics.inference.cutting import Cut, CutFile, Recipe
from fakeforensics.inference.frames import Rgb
from fakeforensics.inference.inputs import Item
from fakeforensics.inference.pool import CuttingPool
from fakeforensics.inference.trained import Trained

if TYPE_CHECKING:
    from fakeforensics.inference.detect import Judge
    from fakeforensics.inference.judgement import Judgement

BATCH = 128


@dataclass(frozen=True)
class Options:
    """How to go about it.

    Args:
        recipe: How crops are cut.
        batch_size: Crops a forward pass; about as many are held in memory.
        workers: Processes that find faces; 0 takes one per core.
    """

    recipe: Recipe
    batch_size: int = BATCH
    workers: int = 0


class _Ready(NamedTuple):
    file: CutFile
    crops: Sequence[Rgb]


class Predictor:
    """Judges files with one model.

    Args:
        trained: The model.
        options: How.
    """

    def __init__(self, trained: Trained, options: Options) -> None:
        self._trained = trained
        self._options = options

    @cached_property
    def judge(self) -> Judge:
        """The loaded model.

        Raises:
            UserError: If it is damaged or foreign.
        """
        from fakeforensics.inference.detect import Judge

        return Judge(self._trained)

    def predict(self, items: Sequence[Item]) -> Iterator[Judgement]:
        """Judge files, in their order; one that fails becomes a judgement with its reason."""
        recipe, batch_size = self._options.recipe, self._options.batch_size
        searched = [item for item in items if not _is_whole_still(item, recipe)]
        with ExitStack() as stack:
            found: Iterator[CutFile] = iter(())
            if searched:
                pool = CuttingPool(recipe, len(searched), self._options.workers)
                stack.callback(pool.close)
                found = pool.cut(searched)
            judge = self.judge  # only now: the workers find faces while this process imports torch
            threads = stack.enter_context(ThreadPoolExecutor(os.cpu_count() or 1))
            at_once = [item for item in items if _is_whole_still(item, recipe)]
            wholes = _ahead(threads, lambda item: _whole(item, judge.crop), at_once, batch_size)

            def ready() -> Iterator[tuple[Item, _Ready]]:
                for item in items:
                    if _is_whole_still(item, recipe):
                        yield item, next(wholes)
                    else:
                        file = next(found)
                        yield item, _Ready(file, list(threads.map(judge.read, file.cuts)))

            yield from _in_batches(judge, ready(), batch_size)


def _in_batches(judge: Judge, files: Iterator[tuple[Item, _Ready]], batch_size: int) -> Iterator[Judgement]:
    waiting: list[tuple[Item, _Ready]] = []
    crops = 0
    for item, ready in files:
        waiting.append((item, ready))
        crops += len(ready.crops)
        if crops >= batch_size:
            yield from _judged(judge, waiting, batch_size)
            waiting, crops = [], 0
    yield from _judged(judge, waiting, batch_size)


def _judged(judge: Judge, waiting: Sequence[tuple[Item, _Ready]], batch_size: int) -> Iterator[Judgement]:
    crops = [crop for _, ready in waiting for crop in ready.crops]
    scores = [
        one
        for start in range(0, len(crops), batch_size)
        for one in judge.score(crops[start : start + batch_size])
    ]
    done = 0
    for item, ready in waiting:
        yield judge.conclude(ready.file, item.kind, scores[done : done + len(ready.crops)])
        done += len(ready.crops)


def _is_whole_still(item: Item, recipe: Recipe) -> bool:
    return recipe.crop == "whole" and item.kind == "image" and item.missing is None


def _whole(item: Item, crop: Callable[[Rgb], Rgb]) -> _Ready:
    """A still taken as it is: the pixels that the crop stage would store, read without a detour."""
    try:
        still = read_still(item.path)
    except UnreadableError as error:
        return _Ready(CutFile(item.path, (), str(error)), ())
    except OSError as error:
        return _Ready(CutFile(item.path, (), f"cannot be opened: {error.strerror}"), ())
    data = still.data if still.plain else encode_png(still.picture.rgb)
    return _Ready(CutFile(item.path, (Cut(data, -1, 0, ()),)), (crop(still.picture.rgb),))


def _ahead(
    threads: ThreadPoolExecutor, work: Callable[[Item], _Ready], items: Sequence[Item], ahead: int
) -> Iterator[_Ready]:
    waiting: deque[Future[_Ready]] = deque()
    for item in items:
        waiting.append(threads.submit(work, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()

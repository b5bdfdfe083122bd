"""Tasks in any executor, a limited number of them in advance, which Ctrl-C can stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
_REACT_EVERY = 0.2  # seconds until a wait for tasks notices Ctrl-C


def look_ahead(
    submit: Callable[[Item], Future[Result]], items: Iterable[Item], ahead: int, *, ordered: bool = False
) -> Iterator[tuple[Item, Future[Result]]]:
    """Submit items to any executor, with a limited number of tasks in advance of the consumer.

    Args:
        submit: Submits one item.
        items: The items. The first `ahead` of them are submitted immediately.
        ahead: The maximum number of tasks that are waiting, running, or finished and not yet consumed.
        ordered: Whether results come in the order of `items`, or in the order in which they finish.

    Yields:
        Each item with its finished future.

    Raises:
        KeyboardInterrupt: After Ctrl-C, as soon as no lock is taken.
    """
    rest = iter(items)
    pending: dict[Future[Result], Item] = {}

    def start(count: int) -> None:
        for item in islice(rest, count):
            with uninterrupted():
                pending[submit(item)] = item

    def results() -> Iterator[tuple[Item, Future[Result]]]:
        while pending:
            with uninterrupted():
                waited = list(pending)[:1] if ordered else list(pending)
                done = wait(waited, _REACT_EVERY, FIRST_COMPLETED).done
                finished = [(pending.pop(future), future) for future in done]
            start(len(finished))
            yield from finished

    start(ahead)
    return results()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay Ctrl-C until the end of the block; in other threads than the main thread it does nothing.

    `concurrent.futures` and `threading` leave a lock locked if KeyboardInterrupt is raised while they take
    it. All threads that need this lock then wait forever, and so does whoever waits for these threads.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield
        return
    asked: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if asked:
            signal.raise_signal(signal.SIGINT)

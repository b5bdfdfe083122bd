"""Shows progress: a bar with the remaining time on a terminal, and one line per minute elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from threading import Lock
from types import TracebackType
from typing import Any, Self, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

SHORT = 1.0  # seconds; shorter work shows no bar
EVERY = 60.0  # seconds between lines if there is no terminal: in a log, a batch system, DVC's queue
_LINE = "{desc}: {n_fmt} of {total_fmt} {unit}, {elapsed} so far, {remaining} left for these {unit}"


class Progress:
    """Shows the progress of one task on standard error; any thread may report.

    A short task shows nothing.

    Args:
        what: The task, such as "scoring of demo/joint".
        unit: What is counted, in the plural.
        total: The total number of units.
    """

    def __init__(self, what: str, unit: str, total: int) -> None:
        terminal = sys.stderr.isatty()
        self._lock = Lock()
        self._bar: Any = tqdm(
            desc=what,
            unit=f" {unit}" if terminal else unit,
            total=total,
            leave=False,
            file=sys.stderr if terminal else _Lines(),
            mininterval=0.1 if terminal else EVERY,
            miniters=None if terminal else 1,
            delay=SHORT if terminal else EVERY,
            bar_format=None if terminal else _LINE,
            dynamic_ncols=terminal,
        )

    def advance(self, count: int = 1, **notes: Any) -> None:
        """Report that `count` more units are done; `notes` are shown after the bar."""
        with self._lock:
            if notes:
                self._bar.set_postfix(notes, refresh=False)
            self._bar.update(count)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()


def track(items: Iterable[Item], what: str, unit: str, total: int) -> Iterator[Item]:
    """Yield `items` and show how many were consumed. The other arguments are those of `Progress`."""
    with Progress(what, unit, total) as progress:
        for item in items:
            yield item
            progress.advance()


class _Lines:
    """Writes each state of tqdm's bar as a new line, for output that is not a terminal."""

    def write(self, text: str) -> None:
        if line := text.strip():
            sys.stderr.write(f"{line}\n")

    def flush(self) -> None:
        sys.stderr.flush()

"""A line that says how far the work is; silent when nobody watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

_INTERVAL = 0.2


class Progress:
    """Files done, faces found, rejected, faces a second and time left, on a terminal.

    Args:
        title: What is being worked on.
        total: Files to do.
        stream: Where to write; nothing is written unless it is a terminal.
        clock: Seconds; for tests.
    """

    def __init__(
        self,
        title: str,
        total: int,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream or sys.stderr
        self._shown = self._stream.isatty()
        self._title, self._total, self._clock = title, total, clock
        self._start = clock()
        self._last = float("-inf")
        self.done = 0
        self.resumed = 0
        self.faces = 0
        self.rejected = 0

    def add(self, faces: int, resumed: bool) -> None:
        """Count a finished file.

        Args:
            faces: What it gave; 0 is a rejected file.
            resumed: Whether an earlier, interrupted run had done it.
        """
        self.done += 1
        self.faces += faces
        self.rejected += faces == 0
        self.resumed += resumed
        now = self._clock()
        if self._shown and (now - self._last >= _INTERVAL or self.done == self._total):
            self._last = now
            self._stream.write(f"\r\x1b[K{self.line()}" + ("\n" if self.done == self._total else ""))
            self._stream.flush()

    def line(self) -> str:
        """The current state in one line."""
        seconds = max(self._clock() - self._start, 1e-9)
        fresh = self.done - self.resumed
        left = (self._total - self.done) * seconds / fresh if fresh else float("nan")
        rate = self.faces / seconds if not self.resumed else self.faces * (fresh / self.done) / seconds
        return (
            f"{self._title}: {self.done}/{self._total} files, {self.faces} images, {self.rejected} rejected, "
            f"{rate:.1f} images/s, {_time(left)} left"
        )


def _time(seconds: float) -> str:
    if seconds != seconds:
        return "?"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"

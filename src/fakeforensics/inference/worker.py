"""A process that cuts files which nobody vouches for."""

from __future__ import annotations

import multiprocessing
import resource
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from threading import Event, Timer
from typing import NamedTuple

from fakeforensics.errors import UserError
from fakeforensics.faces.picture import UnreadableError
from fakeforensics.inference.cutting import CutFile, Cutter, Recipe
from fakeforensics.inference.frames import View, spread_frames, views_of
from fakeforensics.inference.inputs import Item

CRASHED = "its decoder crashed or ran out of memory"
_SPAWN = multiprocessing.get_context("spawn")


class Outcome(NamedTuple):
    """What a file gave.

    Args:
        file: Its crops.
        views: Frames of it for looking at, shrunk: number, pixels, and by how much they were shrunk.
    """

    file: CutFile
    views: Sequence[View] = ()


class Worker:
    """A process that cuts one file after the other; a file that kills it costs itself alone.

    Args:
        recipe: How to cut.
        megabytes: Most address space that the process may take, in MiB.
    """

    def __init__(self, recipe: Recipe, megabytes: int | None = None) -> None:
        self._arguments = (recipe, megabytes)
        self._start()

    def cut(self, item: Item, views: int = 0) -> Outcome:
        """Cut a file.

        Args:
            item: The file.
            views: Frames with a face to give beside the crops.

        Raises:
            UserError: If the process lacks what finding faces takes.
        """
        try:
            self._connection.send((item, views))
            outcome = self._connection.recv()
        except (EOFError, OSError):  # the second: it died while it answered
            self.stop()  # the pipe ends a moment before the process does
            return Outcome(CutFile(item.path, (), CRASHED))
        if isinstance(outcome, UserError):
            raise outcome
        if not isinstance(outcome, Outcome):
            raise TypeError(f"the process sent {type(outcome).__name__}")
        return outcome

    def ensure_alive(self) -> None:
        """Start the process again if it died."""
        if not self._process.is_alive():
            self.stop()
            self._start()

    def kill(self) -> None:
        """End the process, from whichever thread; what `cut` waits for is then given up."""
        self._process.kill()

    def stop(self) -> None:
        """End the process and forget it."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _start(self) -> None:
        self._connection, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(theirs, *self._arguments), daemon=True)
        self._process.start()
        theirs.close()


def cut_alone(
    item: Item, recipe: Recipe, seconds: float, megabytes: int | None = None, views: int = 0
) -> Outcome:
    """Cut one file in a process of its own, within limits.

    Args:
        item: The file.
        recipe: How to cut.
        seconds: The process is killed after this time.
        megabytes: Most address space that it may take, in MiB.
        views: Frames with a face to give beside the crops.
    """
    worker = Worker(recipe, megabytes)
    late = Event()

    def end() -> None:
        late.set()
        worker.kill()

    watch = Timer(seconds, end)  # from aside, for the answer itself may stall as well
    watch.start()
    try:
        outcome = worker.cut(item, views)
    finally:
        watch.cancel()
        worker.stop()
    if late.is_set() and outcome.file.reason == CRASHED:
        return Outcome(CutFile(item.path, (), f"it took longer than {seconds:g} s"))
    return outcome


def _serve(connection: Connection, recipe: Recipe, megabytes: int | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    _one_thread()
    try:
        cutter = Cutter(recipe)
    except UserError as error:
        connection.send(error)
        return
    if megabytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes * 2**20,) * 2)
    while True:
        try:
            item, views = connection.recv()
        except EOFError:  # the parent is gone
            return
        connection.send(_outcome(cutter, item, views))


def _outcome(cutter: Cutter, item: Item, views: int) -> Outcome:
    try:
        file = cutter.cut(item)
        return Outcome(file, views_of(item, spread_frames(file.cuts, views)) if views else ())
    except (MemoryError, UnreadableError):  # the second: of frames that decoded a moment ago
        return Outcome(CutFile(item.path, (), CRASHED))


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)

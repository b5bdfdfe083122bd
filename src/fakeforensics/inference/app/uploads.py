"""Cleans the page's private folder of uploads and pictures of results."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

KEEP_SECONDS = 600  # files are deleted after this time


class Held(NamedTuple):
    """The content of a folder: the bytes of its files, and the number of files and folders in it."""

    size: int
    entries: int


def sweep(folder: Path) -> Held:
    """Remove everything that is older than `KEEP_SECONDS`, and count the rest.

    The folder holds pictures of results, uploads that were never scored, and empty files and folders of
    gradio.
    """
    before = time.time() - KEEP_SECONDS
    size = entries = 0
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(place, name)
            with suppress(FileNotFoundError):  # two requests may sweep at once
                status = path.lstat()
                if status.st_mtime < before:
                    path.unlink()
                else:
                    size += status.st_size
                    entries += 1
        if Path(place) == folder:
            continue
        with suppress(OSError):  # a folder that is not empty stays
            if Path(place).stat().st_mtime < before:
                Path(place).rmdir()
                continue
        entries += 1
    return Held(size, entries)

"""The page's private folder: uploads and the pictures of results, and how long they stay."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

# Files are deleted after this many seconds.
KEEP_SECONDS = 600


class Held(NamedTuple):
    """What a folder holds: bytes of its files, and the number of its files and folders."""

    size: int
    entries: int


def sweep(folder: Path) -> Held:
    """Remove what is older than `KEEP_SECONDS`, and count the rest.

    These are pictures of results, uploads that nobody asked to score, and empty files and folders of gradio.
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
        with suppress(OSError):  # one that is not empty stays
            if Path(place).stat().st_mtime < before:
                Path(place).rmdir()
                continue
        entries += 1
    return Held(size, entries)

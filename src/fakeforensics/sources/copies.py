"""Finding files with the same bytes without reading them all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fakeforensics.files import sha256_file
from fakeforensics.sources.probe import Probe
from fakeforensics.sources.record import RawFile


@dataclass(frozen=True)
class Located:
    """A file of a source, and what a quick look showed of it."""

    source: str
    file: Path
    record: RawFile
    probe: Probe

    def __str__(self) -> str:
        return f"{self.source}: {self.record.path}"


def find_copies(files: Iterable[Located]) -> list[list[Located]]:
    """Sets of files with the same bytes, each of two or more, in the order of their first files.

    Only files of the same size and the same sample are hashed whole.
    """
    alike: dict[tuple[int, str], list[Located]] = defaultdict(list)
    for file in files:
        if file.probe.size > 0 and file.probe.sample:
            alike[file.probe.size, file.probe.sample].append(file)
    copies = []
    for candidates in alike.values():
        same: dict[str, list[Located]] = defaultdict(list)
        if len(candidates) > 1:
            for file in candidates:
                same[sha256_file(file.file)].append(file)
        copies += [group for group in same.values() if len(group) > 1]
    return copies

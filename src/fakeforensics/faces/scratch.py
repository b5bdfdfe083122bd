"""The folder where unfinished work survives a kill."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from fakeforensics.params import FacesParams

# These change how the work is done, not its result.
_WITHOUT_EFFECT = {"workers", "executor", "scheduler", "max_rejected", "shard_mb"}
_LIBRARIES = ("dlib-bin", "dlib", "av", "opencv-python-headless", "opencv-python", "numpy")


class Scratch:
    """Parts of one source, under a name that tells settings, code and library versions.

    Args:
        root: Folder of all sources' unfinished work.
        source: The source's name.
        crop: `faces` or `whole`.
        params: The `faces` group.
    """

    def __init__(self, root: Path, source: str, crop: Literal["faces", "whole"], params: FacesParams) -> None:
        self._root = Path(root)
        self._source = source
        self.folder = self._root / f"{source}-{fingerprint(crop, params)}"

    def open(self) -> None:
        """Make the folder; unfinished work of other settings or code is of no use any more and goes."""
        self._parts.mkdir(parents=True, exist_ok=True)
        length = len(self.folder.name)
        for other in self._root.glob(f"{self._source}-*"):
            if other != self.folder and len(other.name) == length:
                shutil.rmtree(other)

    def part(self, path: str) -> Path:
        """Where the part of a raw file is kept."""
        name = hashlib.sha256(os.fsencode(path)).hexdigest()[:32]
        folder = self._parts / name[:2]
        folder.mkdir(exist_ok=True)
        return folder / name

    def remove(self) -> None:
        """Forget everything: the work is finished."""
        shutil.rmtree(self.folder)

    @property
    def _parts(self) -> Path:
        return self.folder / "parts"


def fingerprint(crop: Literal["faces", "whole"], params: FacesParams) -> str:
    """16 hexadecimal digits that change with whatever changes a crop."""
    settings = params.model_dump(mode="json", exclude=_WITHOUT_EFFECT)
    digest = hashlib.sha256(json.dumps([crop, settings, _versions()], sort_keys=True).encode())
    rooms = Path(__file__).parent.parent
    for room in ("faces", "storage"):
        for file in sorted((rooms / room).glob("*.py")):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _versions() -> dict[str, str]:
    found = {}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue  # the same module comes under several names
    return found

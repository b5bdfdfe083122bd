"""How a run is known again: by its fingerprint, under which an unfinished one keeps its checkpoints."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import fakeforensics
from fakeforensics.code import code_hashes
from fakeforensics.files import sha256_file

PACKAGES = ("torch", "torchvision", "lightning", "opencv-python-headless", "numpy", "scikit-learn")


def fingerprint(settings: dict[str, Any], files: list[Path], code: list[str], device: dict[str, Any]) -> str:
    """A run's identity: its parameters, its data, the code and the libraries, and what computes.

    Two runs of one fingerprint go through the same weights, so one may resume where the other was killed, or
    take over what the other finished; any difference gives another fingerprint and a fresh start.

    Args:
        settings: Resolved settings without the protocol's name; a local file of weights counts by its SHA-256
            there or its name.
        files: The manifests, whose rows carry each image's SHA-256.
        code: Modules that compute; what they import counts as well.
        device: Kind, processes and threads.

    Returns:
        32 hexadecimal digits.
    """
    identity = {
        "settings": settings,
        "files": [sha256_file(path) for path in files],
        "code": code_hashes(*code),
        "versions": versions(),
        "device": device,
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]


def versions() -> dict[str, str]:
    """Versions of Python, this package and those whose numbers a detector's weights depend on."""
    return {
        "python": platform.python_version(),
        "fakeforensics": fakeforensics.__version__,
        **{name: version(name) for name in PACKAGES},
    }

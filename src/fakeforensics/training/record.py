"""The fingerprint of a run, and the facts that a trained detector's card records about it."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

import fakeforensics
from fakeforensics.code import code_hashes
from fakeforensics.files import sha256_file
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.params import FacesParams
from fakeforensics.training.settings import RunSettings

PACKAGES = ("torch", "torchvision", "lightning", "opencv-python-headless", "numpy", "scikit-learn")


class Stopwatch:
    """Measures the cost of a run, including the time before interruptions.

    Processor time counts all threads of the first training process, but no decoding processes.
    """

    def __init__(self) -> None:
        self._before = {"seconds": 0.0, "processor_seconds": 0.0}
        self._start = self._now()

    @property
    def spent(self) -> dict[str, float]:
        """`seconds` (elapsed time) and `processor_seconds` up to now."""
        return {name: self._before[name] + now - self._start[name] for name, now in self._now().items()}

    def resume(self, before: dict[str, float]) -> None:
        """Add the time that was spent before an interruption, as `spent` gave it."""
        self._before = before

    @staticmethod
    def _now() -> dict[str, float]:
        return {"seconds": time.monotonic(), "processor_seconds": time.process_time()}


class ImageFacts(NamedTuple):
    """What a card says about the images of a run.

    Attributes:
        crop: `whole` or `faces`, by source.
        counts: Number of images by split, source and method.
    """

    crop: dict[str, str]
    counts: dict[str, dict[str, dict[str, int]]]

    @classmethod
    def of(cls, manifests: Mapping[str, pd.DataFrame], cropped: pd.DataFrame) -> ImageFacts:
        """Count the images of a run.

        Args:
            manifests: The rows of `train` and `val` that the detector sees.
            cropped: Rows whose column `box` tells how the images of each source were cropped.
        """
        whole = cropped["box"].map(len) == 0
        return cls(
            {
                str(name): "whole" if rows.all() else "faces"
                for name, rows in whole.groupby(cropped["source"], sort=True)
            },
            {split: _counts(manifest) for split, manifest in manifests.items()},
        )


def fingerprint(
    settings: RunSettings, faces: FacesParams, files: list[Path], code: list[str], device: dict[str, Any]
) -> str:
    """Hash everything that a run's weights depend on: parameters, data, code, libraries and hardware.

    Two runs with the same fingerprint go through the same weights, so one can resume where the other was
    killed. Any difference gives another fingerprint, and the run starts from the beginning.

    Args:
        settings: The run's settings. The protocol's name does not count. A local file of weights counts by
            the SHA-256 in the settings or by its name.
        faces: The settings of the face crops.
        files: Files of the manifests, whose rows hold the SHA-256 of each image.
        code: Names of the modules that compute; the modules that they import count too.
        device: From `describe_device`.

    Returns:
        32 hexadecimal digits.
    """
    identity = {
        "settings": settings.resolved(),
        "detector": [settings.detector, settings.own],
        "pixels": pixels(faces),
        "files": [sha256_file(path) for path in files],
        "code": code_hashes(*code),
        "versions": versions(),
        "device": device,
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]


def versions() -> dict[str, str]:
    """Versions of Python, of this package, and of the libraries that a detector's weights depend on."""
    return {
        "python": platform.python_version(),
        "fakeforensics": fakeforensics.__version__,
        **{name: version(name) for name in PACKAGES},
    }


def pixels(faces: FacesParams) -> dict[str, Any]:
    """The part of the face settings that decides the pixels of a crop."""
    return faces.deciding("faces")


def card_values(
    settings: RunSettings,
    preprocess: Preprocess,
    faces: FacesParams,
    images: ImageFacts,
    start: dict[str, str],
    history: list[dict[str, Any]],
    best: dict[str, Any],
    device: dict[str, Any],
) -> dict[str, Any]:
    """What `model.json` records about a run: how to use the detector, and how it was trained.

    Args:
        settings: The run's settings.
        preprocess: The steps from a stored image to the network's input.
        faces: The settings of the face crops, so that a new image can be cropped in the same way.
        images: The images that the detector was trained on.
        start: The weights that training started from.
        history: One row per epoch.
        best: The history row whose weights were kept.
        device: From `describe_device`.
    """
    return {
        "protocol": settings.protocol,
        "settings": settings.resolved(),
        "start": start,
        "preprocess": preprocess.model_dump(mode="json"),
        "images": {"crop": images.crop, "faces": pixels(faces)},
        "counts": images.counts,
        "epochs": len(history),
        "best_epoch": best["epoch"],
        "validation_loss": best["val_loss"],
        "versions": versions(),
        "machine": device,
    }


def _counts(manifest: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Images by source and method."""
    return {
        str(source): {
            str(method): int(size) for method, size in rows["method"].value_counts().sort_index().items()
        }
        for source, rows in manifest.groupby("source", sort=True)
    }

"""What identifies a run, and what a trained detector's card records about it."""

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
    """What a run costs, over all its interruptions.

    Processor time is that of the first training process in all its threads; decoding processes do not count.
    """

    def __init__(self) -> None:
        self._before = {"seconds": 0.0, "processor_seconds": 0.0}
        self._start = self._now()

    @property
    def spent(self) -> dict[str, float]:
        """`seconds` and `processor_seconds` up to now."""
        return {name: self._before[name] + now - self._start[name] for name, now in self._now().items()}

    def resume(self, before: dict[str, float]) -> None:
        """Count what was spent before an interruption."""
        self._before = before

    @staticmethod
    def _now() -> dict[str, float]:
        return {"seconds": time.monotonic(), "processor_seconds": time.process_time()}


class ImageFacts(NamedTuple):
    """What a card says about the images of a run.

    Attributes:
        crop: `whole` or `faces` by source.
        counts: Images by split, source and method.
    """

    crop: dict[str, str]
    counts: dict[str, dict[str, dict[str, int]]]

    @classmethod
    def of(cls, manifests: Mapping[str, pd.DataFrame], cropped: pd.DataFrame) -> ImageFacts:
        """Count the images of a run.

        Args:
            manifests: `train` and `val`, as far as the detector saw them.
            cropped: Rows that tell how the images of each source were cropped.
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
    """A run's identity: its parameters, data, code, libraries and hardware.

    Two runs of one fingerprint go through the same weights, so one may resume where the other was killed; any
    difference gives another fingerprint and a fresh start.

    Args:
        settings: The run's settings, whose protocol does not count; a local file of weights counts by its
            SHA-256 there or its name.
        faces: How face crops were made.
        files: The manifests, whose rows carry each image's SHA-256.
        code: Modules that compute; what they import counts as well.
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
    """Versions of Python, this package and those whose numbers a detector's weights depend on."""
    return {
        "python": platform.python_version(),
        "fakeforensics": fakeforensics.__version__,
        **{name: version(name) for name in PACKAGES},
    }


def pixels(faces: FacesParams) -> dict[str, Any]:
    """The part of the face settings that decides a crop's pixels."""
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
        preprocess: From a stored image to the network's input.
        faces: How face crops were made, so that a new image can be treated in the same way.
        images: What the detector was trained on.
        start: What the weights started from.
        history: One row per epoch.
        best: The row whose weights were kept.
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

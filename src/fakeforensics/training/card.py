"""What `model.json` says of a trained detector."""

from __future__ import annotations

from typing import Any

import pandas as pd

from fakeforensics.models.preprocess import Preprocess
from fakeforensics.params import FacesParams
from fakeforensics.training.scratch import versions
from fakeforensics.training.settings import RunSettings

# How the crop stage is run, not what it gives.
_NOT_ABOUT_PIXELS = {"max_rejected", "workers", "executor", "scheduler", "shard_mb"}


def model_card(
    settings: RunSettings,
    preprocess: Preprocess,
    faces: FacesParams,
    manifests: dict[str, pd.DataFrame],
    start: dict[str, str],
    history: list[dict[str, Any]],
    best: dict[str, Any],
) -> dict[str, Any]:
    """Everything that is needed to use a detector and to know where it came from.

    Args:
        settings: Of the run.
        preprocess: From a stored image to the network's input.
        faces: How face crops were cut, for applying the same to a new image.
        manifests: `train` and `val`.
        start: What the weights started from.
        history: One row an epoch.
        best: The row whose weights were kept.
    """
    train = manifests["train"]
    whole = train["box"].map(len) == 0
    return {
        "protocol": settings.protocol,
        "settings": settings.resolved(),
        "start": start,
        "preprocess": preprocess.model_dump(mode="json"),
        "images": {
            "crop": {
                str(name): "whole" if rows.all() else "faces"
                for name, rows in whole.groupby(train["source"], sort=True)
            },
            "faces": pixels(faces),
        },
        "counts": {split: counts(manifest) for split, manifest in manifests.items()},
        "epochs": len(history),
        "best_epoch": best["epoch"],
        "validation_loss": best["val_loss"],
        "versions": versions(),
    }


def pixels(faces: FacesParams) -> dict[str, Any]:
    """The part of the face settings that decides a crop's pixels."""
    return faces.model_dump(mode="json", exclude=_NOT_ABOUT_PIXELS)


def counts(manifest: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Images by source and method."""
    return {
        str(source): {
            str(method): int(size) for method, size in rows["method"].value_counts().sort_index().items()
        }
        for source, rows in manifest.groupby("source", sort=True)
    }

"""Features of whole manifests, computed once and then read by every head that sees the same backbone."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fakeforensics.code import code_hashes
from fakeforensics.files import atomic_path
from fakeforensics.models.detector import FITTED, HeadDetector
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.models.runtime import full_float32

log = logging.getLogger(__name__)

PACKAGES = ("torch", "torchvision", "opencv-python-headless", "numpy")
LARGEST_TABLE = 2 * 2**30  # bytes; a larger one is computed each time
LARGEST_STORE = 8 * 2**30  # bytes; what was used longest ago is deleted first


class FeatureStore:
    """Keeps the features of images in files, one per backbone, list of images and batch size.

    The batch size is part of the key, because another batch size gives other last bits. So a head never
    depends on which head was fitted before it.

    Args:
        folder: Where the files lie; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def features(
        self,
        head: HeadDetector,
        preprocess: Preprocess,
        batches: Iterable[Float[Tensor, "batch 3 h w"]],
        digests: Sequence[str],
        *,
        batch_size: int,
        condition: str,
    ) -> Float[np.ndarray, "n dim"]:
        """The features of images, stored or computed, in float32.

        Args:
            head: The detector, in evaluation mode.
            preprocess: From a stored image to the network's input.
            batches: The normalized images; not read if their features are stored.
            digests: SHA-256 of each stored image, in the same order.
            batch_size: Images per batch.
            condition: What else decides the pixels or the arithmetic, such as a corruption.
        """
        about = _identity(head) | {
            "preprocess": preprocess.model_dump(mode="json"),
            "batch_size": batch_size,
            "condition": condition,
            "device": next((str(one.device.type) for one in head.state_dict().values()), "cpu"),
            "images": hashlib.sha256("\n".join(digests).encode()).hexdigest(),
        }
        name = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]
        path = None if self.folder is None else self.folder / f"{name}.npy"
        if path is not None and path.is_file():
            stored = _load(path)
            if stored is not None and len(stored) == len(digests):
                path.touch()
                log.info("the features of %d images are stored: %s", len(stored), path)
                return stored
        with torch.inference_mode(), full_float32():
            found = torch.cat([head.features(images).float().cpu() for images in batches]).numpy()
        if path is not None and found.nbytes <= LARGEST_TABLE:
            with atomic_path(path) as temporary:
                np.save(temporary, found)
            self._prune()
        return found

    def _prune(self) -> None:
        kept = 0
        files = self.folder.glob("*.npy") if self.folder is not None else ()
        for path in sorted(files, key=lambda path: path.stat().st_mtime_ns, reverse=True):
            kept += path.stat().st_size
            if kept > LARGEST_STORE:
                path.unlink()


def _load(path: Path) -> Float[np.ndarray, "n dim"] | None:
    """A stored table; None if it is damaged, so that its features are computed again."""
    try:
        found: Float[np.ndarray, "n dim"] = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        log.warning("%s: damaged (%s); the features are computed again", path, error)
        return None
    return found


def _identity(head: HeadDetector) -> dict[str, Any]:
    """What decides the features of given pixels: code, versions, architecture, settings and weights."""
    weights = hashlib.sha256()
    for name, tensor in sorted(head.state_dict().items()):
        if not name.startswith(FITTED):
            weights.update(name.encode())
            weights.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return {
        "code": code_hashes(type(head).features.__module__, type(head).build.__module__),
        "versions": {name: version(name) for name in PACKAGES},
        "architecture": head.architecture.model_dump(mode="json"),
        "settings": dict(head.feature_settings),
        "weights": weights.hexdigest(),
    }

"""Scoring the images of a manifest with a trained detector, each image once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import expit

from fakeforensics.errors import UserError
from fakeforensics.models.detector import Detector
from fakeforensics.models.memory import keep_freed_memory
from fakeforensics.models.precision import full_float32
from fakeforensics.models.preprocess import AnyRgb, Preprocess, Rgb
from fakeforensics.scores.table import IDENTITY, VALIDATION
from fakeforensics.training.dataset import ManifestDataset
from fakeforensics.training.loading import Loader
from fakeforensics.training.sampling import OrderedBatches

KEPT = {"bce": ("score_sl", "logit"), "sad": ("score_cd",), "joint": ("score_sl", "logit", "score_cd")}


def score_manifest(
    detector: Detector,
    card: dict[str, Any],
    manifest: pd.DataFrame,
    images_root: Path,
    batch_size: int = 128,
    workers: int = 0,
    transform: Callable[[Rgb], Rgb] | None = None,
) -> pd.DataFrame:
    """Score every image of a manifest.

    An image of several test sets is scored once. Batches hold neighbouring images of the shards, so that
    reading is sequential; no image is left out, and none is augmented.

    Args:
        detector: In evaluation mode.
        card: Its `model.json`: objective and preprocessing.
        manifest: One row for each (test_set, key).
        images_root: The folder of all sources' images.
        batch_size: Images a forward pass.
        workers: Decoding processes; 0 decodes in this one.
        transform: What happens to an image before the centre crop; nothing by default.

    Returns:
        The score table, sorted by test_set and key: key, test_set, method, domain, source, label, group,
        video, frame, and of score_sl (S_SL in [0, 1], equation 3.6), logit and score_cd (S_CD at least 0,
        3.3) those that the objective trains.

    Raises:
        UserError: If the manifest is empty, an image cannot be read, or a score is not finite.
    """
    if manifest.empty:
        raise UserError("there is no image to score", fix="check the protocol's selections in counts.json")
    preprocess = Preprocess(**card["preprocess"])
    images = manifest.drop_duplicates("key").sort_values(["source", "shard", "offset"], ignore_index=True)
    dataset = ManifestDataset(images, images_root, _before_crop(preprocess, transform))
    logits, distances = _forward(detector, preprocess, dataset, batch_size, workers)
    scores = pd.DataFrame(
        {"key": images["key"], "score_sl": expit(logits), "logit": logits, "score_cd": distances}
    )
    kept = KEPT[card["objective"]]
    bad = ~np.isfinite(scores[list(kept)].to_numpy()).all(axis=1)
    if bad.any():
        raise UserError(
            f"the detector gives {int(bad.sum())} of {bad.size} images a score that is not a finite number",
            found=str(scores.loc[bad, "key"].iloc[0]),
            fix="training has diverged: lower train.learning_rate and train again",
        )
    if "test_set" not in manifest or (manifest["test_set"] == "").all():
        manifest = manifest.assign(test_set=VALIDATION)
    table = manifest[list(IDENTITY)].merge(scores[["key", *kept]], on="key", validate="many_to_one")
    return table.sort_values(["test_set", "key"], ignore_index=True)


def _before_crop(preprocess: Preprocess, transform: Callable[[Rgb], Rgb] | None) -> Callable[[Rgb], AnyRgb]:
    if transform is None:
        return preprocess.crop
    return _Chain(transform, preprocess.crop)


class _Chain:
    """Two steps as one; a class, because decoding processes are sent it."""

    def __init__(self, first: Callable[[Rgb], Rgb], second: Callable[[Rgb], AnyRgb]) -> None:
        self.steps = first, second

    def __call__(self, image: Rgb) -> AnyRgb:
        first, second = self.steps
        return second(first(image))


def _forward(
    detector: Detector, preprocess: Preprocess, dataset: ManifestDataset, batch_size: int, workers: int
) -> tuple[np.ndarray, np.ndarray]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        keep_freed_memory()
    batches = OrderedBatches(np.arange(len(dataset)), batch_size)
    loader = Loader(dataset, batches, batch_size, preprocess.crop_size, workers)
    network = detector.to(device).eval().to(memory_format=torch.channels_last)
    # In the rows' order, as the batches are; kept on the device, so that no batch waits for the one before.
    logits, distances = [], []
    with torch.inference_mode(), full_float32():
        for batch in loader:
            output = network(preprocess.normalise(batch.images))
            logits.append(output.logit)
            distances.append(output.distance)
        return torch.cat(logits).double().cpu().numpy(), torch.cat(distances).double().cpu().numpy()

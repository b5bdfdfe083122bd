"""Scoring the images of a manifest with a trained detector, each image once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from fakeforensics.errors import UserError
from fakeforensics.images.dataset import Loader, ManifestDataset, OrderedBatches
from fakeforensics.images.transforms import AnyRgb, Rgb
from fakeforensics.metrics.spec import IDENTITY
from fakeforensics.metrics.table import VALIDATION
from fakeforensics.models.detector import Detector
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.models.runtime import full_float32, keep_freed_memory


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

    An image of several test sets is scored once. Batches hold neighboring images of the shards, so that
    reading is sequential; no image is left out, and none is augmented.

    Args:
        detector: In evaluation mode.
        card: Its `model.json`, for the preprocessing.
        manifest: One row for each (test_set, key).
        images_root: The folder of all sources' images.
        batch_size: Images per forward pass.
        workers: Decoding processes; 0 decodes in this one.
        transform: What happens to an image before the center crop; nothing by default.

    Returns:
        The rows of a score table, sorted by test_set and key: the columns `IDENTITY`, and for each score of
        the detector its column, after the sigmoid in its probability column if it is a logit.

    Raises:
        UserError: If the manifest is empty, an image cannot be read, or a score is not finite.
    """
    if manifest.empty:
        raise UserError("there is no image to score", fix="check the protocol's selections in counts.json")
    preprocess = Preprocess(**card["preprocess"])
    images = manifest.drop_duplicates("key").sort_values(["source", "shard", "offset"], ignore_index=True)
    dataset = ManifestDataset(images, images_root, _before_crop(preprocess, transform))
    values = _forward(detector, preprocess, dataset, batch_size, workers)
    columns: dict[str, Any] = {}
    for score in detector.scores:
        if score.probability_column is not None:
            columns[score.probability_column] = score.probability(values[score.column])
        columns[score.column] = values[score.column]
    scores = pd.DataFrame({"key": images["key"]} | columns)
    bad = ~np.isfinite(scores[list(columns)].to_numpy()).all(axis=1)
    if bad.any():
        raise UserError(
            f"the detector gives {int(bad.sum())} of {bad.size} images a score that is not a finite number",
            found=str(scores.loc[bad, "key"].iloc[0]),
            fix="training has diverged: lower train.learning_rate and train again",
        )
    if "test_set" not in manifest or (manifest["test_set"] == "").all():
        manifest = manifest.assign(test_set=VALIDATION)
    table = manifest[list(IDENTITY)].merge(scores, on="key", validate="many_to_one")
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
) -> dict[str, np.ndarray]:
    """The values of each score column, in the rows' order."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        keep_freed_memory()
    loader = Loader(dataset, OrderedBatches(np.arange(len(dataset)), batch_size), workers, device)
    network = detector.to(device).eval().to(memory_format=torch.channels_last)
    # Kept on the device, so that no batch waits for the one before.
    found: dict[str, list[torch.Tensor]] = {score.column: [] for score in detector.scores}
    with torch.inference_mode(), full_float32():
        for batch in loader:
            values = network.score(preprocess.normalize(batch.images))
            for column, parts in found.items():
                parts.append(values[column].float())
        return {column: torch.cat(parts).double().cpu().numpy() for column, parts in found.items()}

"""Trains and measures a detector on images that lie in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fakeforensics.metrics.ranking import roc_auc
from fakeforensics.models.detector import Detector, HeadDetector, NetworkDetector
from fakeforensics.params import TrainParams
from fakeforensics.training.loop import make_optimizer
from fakeforensics.training.schedule import learning_rate


class Task(NamedTuple):
    """What a detector learns from, and what it is tested on; labels 0 normal, 1 anomaly."""

    images: Float[Tensor, "n 3 h w"]
    labels: Int[np.ndarray, " n"]
    test_images: Float[Tensor, "m 3 h w"]
    test_labels: Int[np.ndarray, " m"]


def fit(
    detector: Detector,
    task: Task,
    train: Mapping[str, Any],
    seed: int,
    start: Mapping[str, Tensor] | None = None,
) -> None:
    """Train or fit a detector; all of its epochs, as the papers on digits do, whatever the validation loss.

    Args:
        detector: From `build`.
        task: Its training images.
        train: What replaces values of the detector's recipe.
        seed: Orders the images and draws what the detector draws.
        start: The LeNet's weights to start from.
    """
    if start is not None:
        detector.backbone.load_state_dict(dict(start))
    if isinstance(detector, HeadDetector):
        detector.eval()
        with torch.inference_mode():
            table = detector.features(task.images).double().numpy()
        detector.set_fitted(detector.fit(table, task.labels, seed))
        return
    assert isinstance(detector, NetworkDetector)
    recipe = {
        name.removeprefix("train."): value
        for name, value in type(detector).recipe.items()
        if name.startswith("train.")
    }
    params = TrainParams.model_validate(recipe | dict(train))
    torch.manual_seed(seed)
    labels = torch.from_numpy(detector.relabel(task.labels, seed)).float()
    plain = task.images if detector.hooks_see == "all" else task.images[torch.from_numpy(task.labels == 0)]
    optimizer = make_optimizer([one for one in detector.parameters() if one.requires_grad], params)
    _call(detector, "on_start", plain)
    per_epoch = -(-len(labels) // params.batch_size)
    detector.train()
    for number, rows in enumerate(steps(len(labels), params, optimizer, seed), start=1):
        images = task.images[rows]
        optimizer.zero_grad()
        loss: Any = detector.losses(images, detector(images), labels[rows]).mean()
        loss.backward()
        optimizer.step()
        if number % per_epoch == 0:
            _call(detector, "on_epoch_end", plain)
            detector.train()
    _call(detector, "on_finish", plain)


@torch.no_grad()
def _call(detector: NetworkDetector, hook: str, images: Tensor) -> None:
    detector.eval()
    getattr(detector, hook)(torch.split(images, 200))


def steps(
    count: int, params: TrainParams, optimizer: torch.optim.Optimizer, seed: int
) -> Iterator[Int[Tensor, " rows"]]:
    """The rows of each step of all epochs, at the epoch's learning rate."""
    for epoch in range(params.max_epochs):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate([{}] * epoch, params)
        order = torch.from_numpy(np.random.default_rng((seed, epoch)).permutation(count))
        yield from torch.split(order, params.batch_size)


def aucs(detector: Detector, task: Task) -> dict[str, float]:
    """The area under the ROC curve of each of the detector's scores, in percent."""
    detector.eval()
    with torch.inference_mode():
        parts = [detector.score(images) for images in torch.split(task.test_images, 500)]
    return {
        score.label: 100
        * roc_auc(torch.cat([part[score.column] for part in parts]).numpy(), task.test_labels)
        for score in detector.scores
    }

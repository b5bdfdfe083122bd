"""The batches of a run: augmented training images, validation images, and the reals for the center."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fakeforensics.errors import UserError
from fakeforensics.images.dataset import Loader, ManifestDataset, OrderedBatches
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.params import TrainParams
from fakeforensics.training.augment import Augment, AugmentedDataset
from fakeforensics.training.device import worker_count
from fakeforensics.training.sampling import TrainBatches


class RunData:
    """Batches from the manifests of a run, shared out between its processes.

    Args:
        train: The training manifest, with every image that the detector may see.
        val: The validation manifest, likewise; never augmented.
        images_root: The folder of all sources' images.
        params: The `train` group.
        augment: Of training images.
        preprocess: Of validation images, and of training images for the center.
        seed: Of the run.
        device: Where the batches are wanted.
        rank: This process, from 0.
        world: Number of processes.

    Raises:
        UserError: If the global batch cannot be shared out evenly.

    Attributes:
        order: How training images make up batches; set its `epoch` before each pass over `train`.
        train: Augmented training batches, in another order each epoch.
        val: Validation images, each once.
        train_keys: Key of each row of the training manifest.
        val_keys: Likewise of the validation manifest.
    """

    def __init__(
        self,
        train: pd.DataFrame,
        val: pd.DataFrame,
        images_root: Path,
        params: TrainParams,
        augment: Augment,
        preprocess: Preprocess,
        seed: int,
        device: torch.device,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.params, self.preprocess, self.device = params, preprocess, device
        self._rank, self._world = rank, world
        self.size, rest = divmod(params.batch_size, world)
        if rest or not self.size:
            raise UserError(
                f"`train.batch_size` {params.batch_size} is not a multiple of the {world} processes",
                fix="change `train.batch_size` or the number of GPUs",
            )
        self._workers = worker_count(params.workers, params.devices)
        augmented = AugmentedDataset(train, images_root, augment)
        self._plain = ManifestDataset(train, images_root, preprocess.crop)
        validation = ManifestDataset(val, images_root, preprocess.crop)
        self.train_keys, self.val_keys = augmented.keys, validation.keys
        self.order = TrainBatches(
            train["method"].to_numpy(dtype=str),
            augmented.labels,
            params.batch_size,
            seed,
            balance=params.balance,
            rank=rank,
            world=world,
        )
        self.train = Loader(augmented, self.order, self._workers, device, keep=True)
        self.val = self._ordered(validation, np.arange(len(validation)))
        self._reals = self._ordered(self._plain, np.flatnonzero(self._plain.labels == 0))

    @property
    def labels(self) -> Int[np.ndarray, " images"]:
        """The label of each training image."""
        return self._plain.labels

    @property
    def reals(self) -> Reals:
        """The real training images, each once, normalized and not augmented."""
        return Reals(self._reals, self.preprocess)

    def all_training(self) -> Loader:
        """All training images, each once, in the manifest's order and not augmented."""
        return self._ordered(self._plain, np.arange(len(self._plain)))

    def _ordered(self, dataset: ManifestDataset, rows: np.ndarray) -> Loader:
        batches = OrderedBatches(rows, self.size, self._rank, self._world)
        return Loader(dataset, batches, self._workers, self.device)


class Reals:
    """Normalized images of a loader, as often as they are asked for."""

    def __init__(self, loader: Loader, preprocess: Preprocess) -> None:
        self._loader, self._preprocess = loader, preprocess

    def __iter__(self) -> Iterator[Float[Tensor, "batch 3 h w"]]:
        for batch in self._loader:
            yield self._preprocess.normalize(batch.images)

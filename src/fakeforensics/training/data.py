"""The three loaders of a run: training, validation, and the real training images for the centre."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd

from fakeforensics.errors import UserError
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.params import TrainParams
from fakeforensics.training.augment import Augment
from fakeforensics.training.dataset import AugmentedDataset, ManifestDataset
from fakeforensics.training.device import worker_count
from fakeforensics.training.loading import Loader
from fakeforensics.training.sampling import OrderedBatches, TrainBatches


class ManifestData(pl.LightningDataModule):
    """Batches from two manifests, shared out between the processes of a run.

    Args:
        train: The training manifest.
        val: The validation manifest; never augmented.
        images_root: The folder of all sources' images.
        params: The `train` group.
        augment: Of training images.
        preprocess: Of validation images, and of training images for the centre.
        seed: Of the run.

    Attributes:
        train: Augmented training images.
        val: Validation images.
        batches: How training images make up batches; there once Lightning has called `setup`.
    """

    batches: TrainBatches

    def __init__(
        self,
        train: pd.DataFrame,
        val: pd.DataFrame,
        images_root: Path,
        params: TrainParams,
        augment: Augment,
        preprocess: Preprocess,
        seed: int,
    ) -> None:
        super().__init__()
        self.params = params
        self.seed = seed
        self.methods = train["method"].to_numpy(dtype=str)
        self.train = AugmentedDataset(train, images_root, augment)
        self.plain = ManifestDataset(train, images_root, preprocess.crop)
        self.val = ManifestDataset(val, images_root, preprocess.crop)
        self._reals: Loader | None = None
        self._loaders: list[Loader] = []

    def setup(self, stage: str) -> None:  # noqa: ARG002
        """Plan this process's share; Lightning calls it when rank and world are known.

        Raises:
            UserError: If the global batch cannot be shared out evenly.
        """
        rank, world = self._place()
        size, rest = divmod(self.params.batch_size, world)
        if rest or not size:
            raise UserError(
                f"`train.batch_size` {self.params.batch_size} is not a multiple of the {world} processes",
                fix="change `train.batch_size` or the number of GPUs",
            )
        self.batches = TrainBatches(
            self.methods,
            self.train.labels,
            self.params.batch_size,
            self.seed,
            epoch=self._epoch,
            balance=self.params.balance,
            rank=rank,
            world=world,
        )

    def train_dataloader(self) -> Loader:
        """Augmented batches, shuffled anew each epoch."""
        return self._loader(self.train, self.batches)

    def val_dataloader(self) -> Loader:
        """Validation images, each once."""
        return self._ordered(self.val, np.arange(len(self.val)))

    def real_dataloader(self) -> Loader:
        """The real training images, each once, not augmented; always the same loader, with its workers."""
        if self._reals is None:
            self._reals = self._ordered(self.plain, np.flatnonzero(self.plain.labels == 0))
        return self._reals

    def teardown(self, stage: str) -> None:  # noqa: ARG002
        """End all decoding processes; Lightning calls it after the last epoch."""
        for loader in self._loaders:
            loader.close()
        self._loaders.clear()
        self._reals = None

    def _ordered(self, dataset: ManifestDataset, rows: np.ndarray) -> Loader:
        rank, world = self._place()
        return self._loader(dataset, OrderedBatches(rows, self.params.batch_size // world, rank, world))

    def _epoch(self) -> int:
        # Not `current_epoch`: in a resumed run it is one behind while workers are sent their first batches.
        if self.trainer is None:
            return 0
        progress: Any = self.trainer.fit_loop.epoch_progress.current
        return int(progress.processed)

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _loader(self, dataset: ManifestDataset, batches: TrainBatches | OrderedBatches) -> Loader:
        _, world = self._place()
        workers = worker_count(self.params.workers, self.params.devices)
        loader = Loader(dataset, batches, self.params.batch_size // world, self.params.crop_size, workers)
        self._loaders.append(loader)
        return loader

"""The loops that the training benchmark compares."""

from __future__ import annotations

import io
import multiprocessing
import time
import warnings
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from fakeforensics.evaluation.scoring import score_manifest
from fakeforensics.models.detector import Detector
from fakeforensics.models.precision import full_float32
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.objectives.registry import build_objective
from fakeforensics.params import AugmentParams, TrainParams
from fakeforensics.storage.shards import ShardReader
from fakeforensics.training.augment import Augment
from fakeforensics.training.data import ManifestData
from fakeforensics.training.dataset import Batch, ManifestDataset, collate
from fakeforensics.training.device import graph_pays, worker_count
from fakeforensics.training.epochs import Epochs
from fakeforensics.training.module import Training
from fakeforensics.training.step import GraphedStep, update
from fakeforensics.training.trainer import build_trainer

LAMBDA = 0.01


class Loop(Protocol):
    """Something that goes through images."""

    def images_per_second(self, steps: int) -> float:
        """The speed over that many steps, without what happens before the first."""


class Clock:
    """The wall clock, or with `processor` this process's processor time.

    The latter hardly notices other work on the machine; it means something with one thread and no workers.
    """

    processor = False

    def now(self) -> float:
        """Seconds."""
        return time.process_time() if self.processor else time.perf_counter()


clock = Clock()


def wait() -> None:
    """Let the device finish what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def lead_in(workers: int) -> int:
    """Steps before the clock starts, of the thousands that a run has.

    In the first ones freed memory finds its place, and a GPU's step is recorded; and workers have batches
    ready by then.
    """
    return 5 + 4 * workers


class _Timer(pl.Callback):
    """Times from the end of the lead-in to that of the last step: loading all batches between counts."""

    def __init__(self, lead: int) -> None:
        self.last_before = lead - 1
        self.begin = self.end = 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, *step: Any) -> None:
        *_, number = step
        if number == self.last_before or trainer.is_last_batch:
            wait()
        self.end = clock.now()
        if number == self.last_before:
            self.begin = self.end


def _module(manifest: pd.DataFrame, images: Path, params: TrainParams, objective: str) -> Training:
    torch.manual_seed(0)
    preprocess = Preprocess(crop_size=params.crop_size)
    augment = Augment(AugmentParams(), params.crop_size, seed=0)
    data = ManifestData(manifest, manifest, images, params, augment, preprocess, seed=0)
    detector = Detector(params.backbone, params.stem).to(memory_format=torch.channels_last)
    return _WithoutFirstCentre(
        detector,
        build_objective(objective, LAMBDA if objective == "joint" else None),
        params,
        preprocess,
        data,
    )


class _WithoutFirstCentre(Training):
    """The first centre belongs to a run's start, not to its loop."""

    def on_train_start(self) -> None:
        """Leave c as it is."""


class RealLoop:
    """Lightning's Trainer as `stages.train` builds it, without validation."""

    def __init__(
        self, manifest: pd.DataFrame, images: Path, params: TrainParams, objective: str, scratch: Path
    ) -> None:
        self.module = _module(manifest, images, params, objective)
        self.params, self.scratch = params, scratch

    def images_per_second(self, steps: int) -> float:
        """See `Loop`."""
        lead = lead_in(worker_count(self.params.workers))
        timer = _Timer(lead)
        trainer: Any = build_trainer(self.params, Epochs(self.scratch, 1), self.scratch)
        trainer.callbacks = [timer]
        trainer.fit_loop.max_epochs = 1
        trainer.limit_val_batches = 0
        trainer.limit_train_batches = lead + steps
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer.fit(self.module, datamodule=self.module.data)
        return steps * self.params.batch_size / (timer.end - timer.begin)


class Ceiling:
    """The same step, bare of any loop, on one batch that already lies on the device."""

    def __init__(self, manifest: pd.DataFrame, images: Path, params: TrainParams, objective: str) -> None:
        self.module = _module(manifest, images, params, objective)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.module.to(self.device)
        optimizer = self.module.configure_optimizers()
        self.step = (
            GraphedStep(self.module.losses, optimizer, params.batch_size)
            if graph_pays(params)
            else partial(update, self.module.losses, optimizer)
        )
        batch = collate(self.module.data.plain.__getitems__(range(params.batch_size)))
        self.batch = Batch(*(value.to(self.device) for value in batch))

    def images_per_second(self, steps: int) -> float:
        """See `Loop`."""
        self.module.train()
        for _ in range(lead_in(0)):
            self.step(self.batch)
        wait()
        begin = clock.now()
        for _ in range(steps):
            self.step(self.batch)
        wait()
        return steps * len(self.batch.labels) / (clock.now() - begin)


class _UsualDataset(Dataset[tuple[Tensor, float]]):
    """PIL and torchvision."""

    def __init__(self, manifest: pd.DataFrame, images: Path, crop_size: int) -> None:
        self.places = list(manifest[["source", "shard", "offset", "size"]].itertuples(index=False, name=None))
        self.labels = manifest["label"].tolist()
        self.reader = ShardReader(images)
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(crop_size, pad_if_needed=True),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        )

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, row: int) -> tuple[Tensor, float]:
        image = Image.open(io.BytesIO(self.reader.read(*self.places[row]))).convert("RGB")
        return self.transform(image), float(self.labels[row])


class UsualLoop:
    """A loop as people usually write it."""

    def __init__(
        self, manifest: pd.DataFrame, images: Path, params: TrainParams, objective: str, workers: int
    ) -> None:
        torch.manual_seed(0)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.detector = Detector(params.backbone, params.stem).to(self.device)
        self.objective = build_objective(objective, LAMBDA if objective == "joint" else None)
        self.optimizer = torch.optim.Adam(self.detector.parameters(), lr=params.learning_rate)
        self.loader: DataLoader[Any] = DataLoader(
            _UsualDataset(manifest, images, params.crop_size),
            batch_size=params.batch_size,
            shuffle=True,
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
        )

    def images_per_second(self, steps: int) -> float:
        """See `Loop`."""
        self.detector.train()
        begin, seen = 0.0, 0
        lead = lead_in(self.loader.num_workers)
        for number, (images, labels) in enumerate(self.loader, start=1):
            output = self.detector(images.to(self.device))
            loss = self.objective.losses(output, labels.float().to(self.device)).mean()
            self.optimizer.zero_grad()
            torch.autograd.backward(loss)
            self.optimizer.step()
            if number > lead:
                seen += len(labels)
            if number == lead:
                wait()
                begin = clock.now()
            if number == lead + steps:
                break
        wait()
        return seen / (clock.now() - begin)


class Apart:
    """A loop in a process of its own, untouched by what ours does to its process (how memory is kept).

    Args:
        build: Makes the loop there.
        arguments: For `build`.
    """

    def __init__(self, build: Callable[..., Loop], *arguments: Any) -> None:
        fresh = multiprocessing.get_context("spawn")
        self.pipe, theirs = fresh.Pipe()
        settings = torch.get_num_threads(), clock.processor
        self.process = fresh.Process(target=_answer, args=(theirs, settings, build, arguments))
        self.process.start()
        theirs.close()

    def images_per_second(self, steps: int) -> float:
        """See `Loop`."""
        self.pipe.send(steps)
        speed: float = self.pipe.recv()
        return speed

    def close(self) -> None:
        """End the process."""
        self.pipe.close()
        self.process.join()


def _answer(
    pipe: Connection, settings: tuple[int, bool], build: Callable[..., Loop], arguments: tuple[Any, ...]
) -> None:
    threads, clock.processor = settings
    torch.set_num_threads(threads)
    loop = build(*arguments)
    while True:
        try:
            steps = pipe.recv()
        except EOFError:
            return
        pipe.send(loop.images_per_second(steps))


class Scoring:
    """What `stages.evaluate` does with a manifest."""

    def __init__(self, manifest: pd.DataFrame, images: Path, params: TrainParams) -> None:
        columns = {name: "" for name in ("domain", "group", "video") if name not in manifest}
        self.manifest = manifest.assign(**columns, frame=-1, test_set="all")
        self.images, self.params = images, params
        self.detector = Detector(params.backbone, params.stem).eval()
        self.card = {"objective": "joint", "preprocess": {"crop_size": params.crop_size}}

    def images_per_second(self, steps: int) -> float:
        """See `Loop`."""
        # Enough for the workers' start, which the ceiling has not, to weigh as little as in a whole test set.
        steps *= 8 if torch.cuda.is_available() and steps > 1 else 1
        rows = self.manifest.iloc[np.arange(steps * self.params.batch_size) % len(self.manifest)]
        rows = rows.assign(key=[f"{number:08d}" for number in range(len(rows))])
        begin = clock.now()
        score_manifest(
            self.detector, self.card, rows, self.images, self.params.batch_size, worker_count("auto")
        )
        wait()
        return len(rows) / (clock.now() - begin)


class ScoringCeiling:
    """The forward pass alone, on one batch that already lies on the device."""

    def __init__(self, manifest: pd.DataFrame, images: Path, params: TrainParams) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        detector = Detector(params.backbone, params.stem).eval().to(memory_format=torch.channels_last)
        self.detector = detector.to(self.device)
        self.preprocess = Preprocess(crop_size=params.crop_size)
        dataset = ManifestDataset(manifest, images, self.preprocess.crop)
        self.batch = collate(dataset.__getitems__(range(params.batch_size))).images.to(self.device)

    @torch.inference_mode()
    @full_float32()
    def images_per_second(self, steps: int) -> float:
        """See `Loop`."""
        self.detector(self.preprocess.normalise(self.batch))
        wait()
        begin = clock.now()
        for _ in range(steps):
            self.detector(self.preprocess.normalise(self.batch))
        wait()
        return steps * len(self.batch) / (clock.now() - begin)

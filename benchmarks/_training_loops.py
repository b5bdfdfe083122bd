"""The loops that the training benchmark compares."""

from __future__ import annotations

import io
import multiprocessing
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from fakeforensics.errors import UserError
from fakeforensics.images.dataset import Batch, Loader, ManifestDataset
from fakeforensics.images.on_device import DeviceLoader
from fakeforensics.images.pixels import PixelStore
from fakeforensics.images.shards import ShardReader
from fakeforensics.models.card import Architecture
from fakeforensics.models.detector import NetworkDetector
from fakeforensics.models.registry import build_detector, detector_class
from fakeforensics.models.runtime import full_float32, keep_freed_memory, worker_count
from fakeforensics.params import AugmentParams, TrainParams
from fakeforensics.scoring import score_manifest
from fakeforensics.training.data import Augment, RunData
from fakeforensics.training.loop import Run, make_fabric

LAMBDA = 0.01


class Loop(Protocol):
    """A loop over images."""

    def images_per_second(self, steps: int) -> float:
        """The speed over that many steps, not counting what happens before the first."""


class Clock:
    """The wall clock, or with `processor` this process's processor time.

    Processor time hardly depends on other work on the machine. It needs one thread and no workers.
    """

    processor = False

    def now(self) -> float:
        """Seconds."""
        return time.process_time() if self.processor else time.perf_counter()


clock = Clock()


def wait() -> None:
    """Wait for the device."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def lead_in(workers: int) -> int:
    """Steps before the clock starts.

    In the first ones memory is allocated, a GPU's step is compiled, and workers fill their queues.
    """
    return 5 + 4 * workers


def build_network(params: TrainParams, name: str, manifest: pd.DataFrame) -> NetworkDetector:
    """A detector that is trained step by step on these images, with its default settings.

    Raises:
        UserError: If it is fitted in another way.
    """
    settings = {"lambda": LAMBDA} if "lambda" in detector_class(name).inherits else {}
    architecture = Architecture(**params.model_dump(include=set(Architecture.model_fields)))
    torch.manual_seed(0)
    detector = build_detector(name, architecture, settings)
    if not isinstance(detector, NetworkDetector):
        raise UserError(
            f"the detector {name!r} is not trained step by step, so that it has no training speed"
        )
    detector.relabel(manifest["label"].to_numpy(dtype=np.int64), seed=0)
    return detector


def _start(
    manifest: pd.DataFrame,
    images: Path,
    params: TrainParams,
    name: str,
    scratch: Path,
    store: PixelStore | None = None,
) -> Run:
    """A run as `stages.train` starts it."""
    if not torch.cuda.is_available():
        keep_freed_memory()
    fabric = make_fabric(1, 1)
    detector = build_network(params, name, manifest)
    augment = Augment(AugmentParams(), params.crop_size, seed=0)
    data = RunData(
        manifest, manifest, images, params, augment, detector.preprocess, fabric.device, store=store
    )
    detector.to(fabric.device).to(memory_format=torch.channels_last)
    return Run(detector, data, params, fabric, scratch)


class _Timed:
    """The first batches of a loader, timed from the end of the lead-in's steps to that of the last step."""

    def __init__(self, loader: Loader | DeviceLoader, lead: int, steps: int) -> None:
        self.loader, self.lead, self.last = loader, lead, lead + steps
        self.begin = self.end = 0.0

    def __len__(self) -> int:
        return self.last

    def __iter__(self) -> Iterator[Batch]:
        for number, batch in enumerate(self.loader, start=1):
            yield batch
            # The step is done; loading the next batch counts.
            if number in (self.lead, self.last):
                wait()
                self.end = clock.now()
            if number == self.lead:
                self.begin = self.end
            if number == self.last:
                return


class RealLoop:
    """An epoch's steps as `stages.train` goes through them, without validation."""

    def __init__(
        self,
        manifest: pd.DataFrame,
        images: Path,
        params: TrainParams,
        detector: str,
        scratch: Path,
        store: PixelStore | None,
    ) -> None:
        self.run = _start(manifest, images, params, detector, scratch, store)
        self.loader = self.run.data.train

    def images_per_second(self, steps: int) -> float:
        """See `Loop`."""
        params = self.run.params
        timed: Any = _Timed(self.loader, lead_in(worker_count(params.workers)), steps)
        self.run.data.train = timed
        self.run.train_epoch(0, params.learning_rate)
        return steps * params.batch_size / float(timed.end - timed.begin)


class Ceiling:
    """The same step, bare of any loop, on one batch that already lies on the device."""

    def __init__(
        self, manifest: pd.DataFrame, images: Path, params: TrainParams, detector: str, scratch: Path
    ) -> None:
        self.run = _start(manifest, images, params, detector, scratch)
        dataset = ManifestDataset(manifest, images, self.run.detector.preprocess.crop)
        batch = dataset[range(params.batch_size)]
        self.batch = Batch(*(value.to(self.run.fabric.device) for value in batch))

    def images_per_second(self, steps: int) -> float:
        """See `Loop`."""
        self.run.detector.train()
        size = len(self.batch.labels)
        for _ in range(lead_in(0)):
            self.run.step(self.batch, size)
        wait()
        begin = clock.now()
        for _ in range(steps):
            self.run.step(self.batch, size)
        wait()
        return steps * size / (clock.now() - begin)


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
    """A training loop as it is usually written."""

    def __init__(
        self, manifest: pd.DataFrame, images: Path, params: TrainParams, detector: str, workers: int
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.detector = build_network(params, detector, manifest)
        self.detector.to(self.device)
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
            here = images.to(self.device)
            loss = self.detector.losses(here, self.detector(here), labels.float().to(self.device)).mean()
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
    """A loop in its own process, unaffected by how ours keeps memory.

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
        # Closing the pipe would not end it: our decoding processes hold this end as well.
        self.pipe.send(None)
        self.process.join()


def _answer(
    pipe: Connection, settings: tuple[int, bool], build: Callable[..., Loop], arguments: tuple[Any, ...]
) -> None:
    threads, clock.processor = settings
    torch.set_num_threads(threads)
    loop = build(*arguments)
    while (steps := pipe.recv()) is not None:
        pipe.send(loop.images_per_second(steps))


class Scoring:
    """Scoring a manifest as `stages.score` does."""

    def __init__(
        self,
        manifest: pd.DataFrame,
        images: Path,
        params: TrainParams,
        detector: str,
        store: PixelStore | None,
    ) -> None:
        self.store = store
        columns = {name: "" for name in ("domain", "group", "video") if name not in manifest}
        self.manifest = manifest.assign(**columns, frame=-1, test_set="all")
        self.images, self.params = images, params
        self.detector = build_network(params, detector, manifest)
        self.detector.eval()
        self.card = {"preprocess": self.detector.preprocess.model_dump(mode="json")}

    def images_per_second(self, steps: int) -> float:
        """See `Loop`."""
        # Enough that the workers' start, which the ceiling lacks, weighs as little as in a whole test set.
        steps *= 8 if torch.cuda.is_available() and steps > 1 else 1
        rows = self.manifest.iloc[np.arange(steps * self.params.batch_size) % len(self.manifest)]
        rows = rows.assign(key=[f"{number:08d}" for number in range(len(rows))])
        begin = clock.now()
        score_manifest(
            self.detector,
            self.card,
            rows,
            self.images,
            self.params.batch_size,
            worker_count("auto"),
            pixels=self.store,
        )
        wait()
        return len(rows) / (clock.now() - begin)


class ScoringCeiling:
    """The forward pass alone, on one batch that already lies on the device."""

    def __init__(self, manifest: pd.DataFrame, images: Path, params: TrainParams, detector: str) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.detector = build_network(params, detector, manifest)
        self.detector.eval().to(self.device).to(memory_format=torch.channels_last)
        self.preprocess = self.detector.preprocess
        dataset = ManifestDataset(manifest, images, self.preprocess.crop)
        self.batch = dataset[range(params.batch_size)].images.to(self.device)

    @torch.inference_mode()
    @full_float32()
    def images_per_second(self, steps: int) -> float:
        """See `Loop`."""
        self.detector.score(self.preprocess.normalize(self.batch))
        wait()
        begin = clock.now()
        for _ in range(steps):
            self.detector.score(self.preprocess.normalize(self.batch))
        wait()
        return steps * len(self.batch) / (clock.now() - begin)

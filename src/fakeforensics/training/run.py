"""A whole training run, from settings and manifests to a saved detector."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from fakeforensics.errors import UserError
from fakeforensics.models.detector import Detector
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.models.pretrained import load_pretrained
from fakeforensics.models.saving import save_detector
from fakeforensics.objectives.registry import build_objective
from fakeforensics.params import FacesParams
from fakeforensics.training.augment import Augment
from fakeforensics.training.card import model_card, pixels
from fakeforensics.training.data import ManifestData
from fakeforensics.training.device import describe_device
from fakeforensics.training.epochs import Epochs, write_history
from fakeforensics.training.guards import check_classes
from fakeforensics.training.module import Training
from fakeforensics.training.reuse import FINGERPRINT, find_finished, take_over
from fakeforensics.training.scratch import fingerprint
from fakeforensics.training.settings import RunSettings
from fakeforensics.training.trainer import build_trainer, fit


@dataclass(frozen=True)
class Places:
    """Where a run reads and writes.

    Args:
        manifests: Holds `train.parquet` and `val.parquet`.
        images: The folder of all sources' images.
        model: Gets `model.safetensors`, `model.json` and `history.csv`.
        plot: The CSV of the learning curves.
        scratch: Parent of the folder that survives a kill.
        finished: The folder of all protocols' models, where one of the same fingerprint is used again; None
            trains in any case.
    """

    manifests: Path
    images: Path
    model: Path
    plot: Path
    scratch: Path
    finished: Path | None = None


def train_detector(settings: RunSettings, places: Places, faces: FacesParams) -> None:
    """Train, keeping the weights of the lowest validation loss, and save them.

    A run that was killed goes on from its last finished epoch. In the pilot study a model is trained for each
    number n of seen instances, in the subfolder `n<n>`. A model that another protocol has trained from the
    same settings and images is used again.

    Args:
        settings: Of the run.
        places: Where it reads and writes.
        faces: How face crops were cut, for the record.

    Raises:
        UserError: If a manifest is missing or lacks a class, the weights to start from cannot be had, the
            loss is no longer finite, or memory runs out.
    """
    files = {split: places.manifests / f"{split}.parquet" for split in ("train", "val")}
    manifests = {split: _read(path) for split, path in files.items()}
    models = by_instances(manifests, settings.instances)
    objective = build_objective(settings.objective, settings.lambda_)
    for rows in models.values():
        check_classes(rows["train"], rows["val"], objective)
    identity = fingerprint(
        {"objective": settings.objective, "pixels": pixels(faces)} | settings.resolved(),
        list(files.values()),
        describe_device(settings.train.devices),
    )
    scratch = places.scratch / identity
    first = True
    for name, rows in models.items():
        model = places.model / name
        finished = places.finished and find_finished(
            places.finished, f"{settings.objective}/{name}", identity, model
        )
        if finished:
            take_over(finished, model, places.plot, settings.protocol)
        else:
            first = _train_one(settings, rows, places, name, scratch / name, faces, identity)
    if first and scratch.is_dir():
        # Kept until all models are done: a killed run loses what it saved to the pipeline's tidying up.
        shutil.rmtree(scratch)


def by_instances(
    manifests: dict[str, pd.DataFrame], numbers: tuple[int, ...] | None
) -> dict[str, dict[str, pd.DataFrame]]:
    """The manifests of each model: of `n1`, `n2`, … in the pilot study, otherwise of one without a name."""
    if numbers is None:
        return {"": manifests}
    return {
        f"n{number}": {
            split: rows[rows["n_from"].le(number) & rows["n_to"].ge(number)].reset_index(drop=True)
            for split, rows in manifests.items()
        }
        for number in numbers
    }


def _train_one(
    settings: RunSettings,
    manifests: dict[str, pd.DataFrame],
    places: Places,
    name: str,
    scratch: Path,
    faces: FacesParams,
    identity: str,
) -> bool:
    """Train and save one model; whether this is the process that saves."""
    params = settings.train
    torch.manual_seed(settings.seed)
    detector = Detector(params.backbone, params.stem)
    start = load_pretrained(detector.backbone, params.backbone, params.weights, params.weights_sha256)
    preprocess = Preprocess(crop_size=params.crop_size)
    data = ManifestData(
        manifests["train"],
        manifests["val"],
        places.images,
        params,
        Augment(settings.augment, params.crop_size, settings.seed),
        preprocess,
        settings.seed,
    )
    objective = build_objective(settings.objective, settings.lambda_)
    module = Training(detector.to(memory_format=torch.channels_last), objective, params, preprocess, data)
    epochs = Epochs(scratch, params.patience)
    trainer = build_trainer(params, epochs, scratch)
    fit(trainer, module, data, epochs)
    if not trainer.is_global_zero:
        return False
    card = model_card(settings, preprocess, faces, manifests, start, epochs.history, epochs.best)
    save_detector(places.model / name, detector, card | {FINGERPRINT: identity})
    for path in (places.model / name / "history.csv", places.plot):
        write_history(path, epochs.history)
    return True


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise UserError(f"{path}: no such file", fix="run the stage `splits` of this protocol first")
    return pd.read_parquet(path)

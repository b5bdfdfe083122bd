"""A whole training run, from settings and manifests to a saved detector."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from lightning.fabric import Fabric

from fakeforensics.errors import UserError
from fakeforensics.models.card import Architecture
from fakeforensics.models.detector import Detector, HeadDetector, NetworkDetector
from fakeforensics.models.registry import build_detector, detector_class
from fakeforensics.models.runtime import full_float32, keep_freed_memory, takes_bf16
from fakeforensics.models.saving import save_detector
from fakeforensics.params import FacesParams
from fakeforensics.training.augment import Augment
from fakeforensics.training.card import model_card, pixels
from fakeforensics.training.data import RunData
from fakeforensics.training.device import compile_pays, describe_device, processes
from fakeforensics.training.guards import check_classes, visible
from fakeforensics.training.loop import Row, Run, launch, write_history
from fakeforensics.training.reuse import FINGERPRINT, find_finished, take_over
from fakeforensics.training.scratch import fingerprint
from fakeforensics.training.settings import RunSettings

_REFERENCE = 2  # label of the reference set's first class


@dataclass(frozen=True)
class Places:
    """Where a run reads and writes.

    Args:
        manifests: Holds `train.parquet`, `val.parquet` and `reference.parquet`.
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

    A run that was killed resumes from its last finished epoch. In the pilot study a model is trained for each
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
    detector = detector_class(settings.detector)
    files = {split: places.manifests / f"{split}.parquet" for split in ("train", "val")}
    if detector.sees == "reals+reference":
        files["reference"] = places.manifests / "reference.parquet"
    manifests = _seen_by(detector, {name: _read(path) for name, path in files.items()})
    models = by_instances(manifests, settings.instances)
    for rows in models.values():
        check_classes(rows["train"], rows["val"], detector)
    identity = fingerprint(
        {"detector": settings.detector, "own": settings.own, "pixels": pixels(faces)} | settings.resolved(),
        list(files.values()),
        [__name__, detector.__module__],
        describe_device(settings.train.devices)
        | {"bf16": takes_bf16(settings.train.precision), "compiled": compile_pays(settings.train)},
    )
    scratch = places.scratch / identity
    first = True
    for name, rows in models.items():
        model = places.model / name
        finished = places.finished and find_finished(
            places.finished, f"{settings.detector}/{name}", identity, model
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


def _seen_by(detector: type[Detector], manifests: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The training and validation rows that the detector may see, with those of its reference set."""
    seen = {split: visible(manifests[split], detector.sees) for split in ("train", "val")}
    if detector.sees != "reals+reference":
        return seen
    reference = manifests["reference"]
    if reference.empty:
        raise UserError(
            f"the detector {detector.name!r} learns from a labeled reference set, and the protocol has none",
            fix="add `reference_set` to the protocol's file: selections of labeled images, for instance "
            "several domains of CNN Synth",
        )
    labeled = reference.assign(label=_REFERENCE + reference["reference_class"])
    return {
        split: pd.concat([rows, labeled.loc[labeled["split"] == split, rows.columns]], ignore_index=True)
        for split, rows in seen.items()
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
    if not torch.cuda.is_available():
        keep_freed_memory()
    fabric = launch(*processes(params.devices))
    torch.manual_seed(settings.seed)
    architecture = Architecture(
        backbone=params.backbone, stem=params.stem, code=params.code, crop_size=params.crop_size
    )
    detector = build_detector(settings.detector, architecture, settings.own)
    start = detector.start_from(params.weights, params.weights_sha256)
    data = RunData(
        manifests["train"],
        manifests["val"],
        places.images,
        params,
        Augment(settings.augment, params.crop_size, settings.seed),
        detector.preprocess,
        settings.seed,
        fabric.device,
        fabric.global_rank,
        fabric.world_size,
    )
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        torch.nn.SyncBatchNorm.convert_sync_batchnorm(detector)  # type: ignore[no-untyped-call]
    detector.to(fabric.device).to(memory_format=torch.channels_last)
    if isinstance(detector, NetworkDetector):
        detector.see_labels(data.labels)
        run = Run(detector, data, params, fabric, scratch)
        run.fit()
        history, best = run.progress.history, run.progress.best
    elif isinstance(detector, HeadDetector):
        history, best = _fit_head(detector, data, settings.seed, fabric)
    else:
        raise TypeError(f"{settings.detector}: neither a NetworkDetector nor a HeadDetector")
    if not fabric.is_global_zero:
        return False
    card = model_card(settings, detector.preprocess, faces, manifests, start, history, best)
    save_detector(places.model / name, detector, card | {FINGERPRINT: identity})
    for path in (places.model / name / "history.csv", places.plot):
        write_history(path, history)
    return True


def _fit_head(head: HeadDetector, data: RunData, seed: int, fabric: Fabric) -> tuple[list[Row], Row]:
    """Fit a head on the features of all training images; its history is one row without losses.

    Raises:
        UserError: If several processes were asked for, or a feature or a fitted value is not finite.
    """
    if fabric.world_size > 1:
        raise UserError(
            f"the detector {head.name!r} is fitted by one process",
            found=f"{fabric.world_size} processes",
            fix="set `train.devices: 1`, and do not start it through torchrun or several Slurm tasks",
        )
    head.eval()
    features, labels = [], []
    with torch.inference_mode(), full_float32():
        for batch in data.all_training():
            features.append(head.features(data.preprocess.normalize(batch.images)).double().cpu())
            labels.append(batch.labels.cpu())
    table, label = torch.cat(features).numpy(), torch.cat(labels).numpy().astype(np.int64)
    if not np.isfinite(table).all():
        raise UserError(f"the features of the detector {head.name!r} hold values that are not finite")
    fitted = head.fit(table, label, seed)
    if wrong := [name for name, array in fitted.items() if not np.isfinite(array).all()]:
        raise UserError(
            f"fitting the detector {head.name!r} gave values that are not finite", found=", ".join(wrong)
        )
    head.set_fitted(fitted)
    row: Row = {
        "epoch": 0,
        "lr": None,
        "train_loss": None,
        "val_loss": None,
        "real_distance": None,
        "fake_distance": None,
    }
    return [row], row


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise UserError(f"{path}: no such file", fix="run the stage `splits` of this protocol first")
    return pd.read_parquet(path)

"""A whole training run, from settings and manifests to a saved detector."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float64
from lightning.fabric import Fabric

from fakeforensics.devices import leased
from fakeforensics.errors import UserError
from fakeforensics.files import hold, write_json
from fakeforensics.images.digits import SOURCE, digit_rows
from fakeforensics.images.manifest import read_manifest
from fakeforensics.images.pixels import PixelStore
from fakeforensics.models.card import REFERENCE, Architecture
from fakeforensics.models.detector import Detector, ForeignDetector, HeadDetector, NetworkDetector
from fakeforensics.models.doubts import epoch_doubt
from fakeforensics.models.features import FeatureStore
from fakeforensics.models.registry import build_detector, detector_class
from fakeforensics.models.runtime import keep_freed_memory, processes, release_freed_memory
from fakeforensics.models.saving import save_detector
from fakeforensics.params import FacesParams
from fakeforensics.training.checks import check_classes, explain_out_of_memory, warn_of_small_shares
from fakeforensics.training.data import Augment, RunData
from fakeforensics.training.launch import describe_device, run_in_processes
from fakeforensics.training.live import begin_live, write_live
from fakeforensics.training.loop import Run, make_fabric, untrained_row, write_history
from fakeforensics.training.record import ImageFacts, Stopwatch, card_values, fingerprint
from fakeforensics.training.schedule import Row, best_row
from fakeforensics.training.settings import RunSettings

log = logging.getLogger(__name__)

# The columns that are read of a manifest; a row with all columns takes a kilobyte.
COLUMNS = ("source", "shard", "offset", "size", "raw_path", "sha256", "method", "box", "reference_class")
_REFERENCE = 2  # label of the reference set's first class


@dataclass(frozen=True)
class Places:
    """The files and folders that a run reads and writes.

    Args:
        manifests: Folder with `train.parquet`, `val.parquet` and `reference.parquet`.
        images: The folder of all sources' images.
        model: Output folder for `model.safetensors`, `model.json` and `history.csv`.
        plot: Output file for the learning curves, CSV.
        live: Output folder for the files that show the progress, in DVCLive's format.
        cost: Output file for the cost of training, JSON: seconds, processor_seconds, and the number of
            training images.
        scratch: Folder with one folder per unfinished run, which is kept if the run is killed.
        features: Folder that stores features of images, shared by detectors that fit a head; None stores
            none.
        pixels: Store of decoded images; None decodes them in each epoch.
        on_gpu: Whether to keep training images in the GPU's memory.
    """

    manifests: Path
    images: Path
    model: Path
    plot: Path
    live: Path
    cost: Path
    scratch: Path
    features: Path | None = None
    pixels: PixelStore | None = None
    on_gpu: bool = False


def train_detector(settings: RunSettings, places: Places, faces: FacesParams) -> None:
    """Train and save a detector, in as many processes as `train.devices` says.

    Only a network is trained in several processes; other detectors ignore `train.devices`.

    Args:
        settings: The run's settings.
        places: The files and folders of the run.
        faces: The settings of the face crops, for the model's card.

    Raises:
        UserError: If a manifest is missing or lacks a class, the weights to start from cannot be loaded, the
            loss is no longer finite, or memory runs out.
    """
    if not issubclass(detector_class(settings.detector), NetworkDetector):
        settings = settings.on_machine(settings.train.model_copy(update={"devices": 1}))
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with leased(settings.train.devices, f"the training of {settings.protocol}/{settings.detector}"):
        run_in_processes(settings.train.devices, train_here, settings, places, faces)


def train_here(settings: RunSettings, places: Places, faces: FacesParams) -> None:
    """Train as one process of the run; the first process saves the weights of the best epoch.

    A killed run resumes after its last finished epoch. Arguments and errors are those of `train_detector`.
    """
    stopwatch = Stopwatch()
    kind, params = detector_class(settings.detector), settings.train
    files = {split: places.manifests / f"{split}.parquet" for split in ("train", "val")}
    if kind.sees == "reals+reference":
        files["reference"] = places.manifests / "reference.parquet"
    manifests, images = _read_images(files, kind, settings.own)
    count = len(manifests["train"])
    device = describe_device(params)
    identity = fingerprint(settings, faces, [*files.values()], [__name__, kind.__module__], device)
    if not torch.cuda.is_available():
        keep_freed_memory()
    fabric = make_fabric(*processes(params.devices))
    if fabric.is_global_zero:
        warn_of_small_shares(params.batch_size, fabric.world_size, fabric.device)
    torch.manual_seed(settings.seed)
    architecture = Architecture(**params.model_dump(include=set(Architecture.model_fields)))
    detector = build_detector(settings.detector, architecture, settings.own)
    start = detector.start_from(params.weights, params.weights_sha256)
    if fabric.world_size > 1 and fabric.device.type == "cuda":
        torch.nn.SyncBatchNorm.convert_sync_batchnorm(detector)  # type: ignore[no-untyped-call]
    detector.to(fabric.device).to(memory_format=torch.channels_last)
    history, best = [untrained_row()], untrained_row()
    if not isinstance(detector, ForeignDetector):
        scratch = places.scratch / identity
        with _held(scratch, settings, fabric):
            history, best = _fit(detector, settings, places, manifests, fabric, scratch, stopwatch)
    if not fabric.is_global_zero:
        return
    card = card_values(settings, detector.preprocess, faces, images, start, history, best, device)
    if (doubt := epoch_doubt(card)) is not None:
        log.warning("%s", doubt)
    for path in (places.model / "history.csv", places.plot):
        write_history(path, history)
    if not isinstance(detector, NetworkDetector):
        begin_live(places.live)
        write_live(places.live, history)
    save_detector(places.model, detector, card)  # last, because it lists the files of the folder
    spent = {name: round(value, 1) for name, value in stopwatch.spent.items()}
    write_json(places.cost, spent | {"images": count})
    # The scratch folder is removed last: DVC deletes the outputs of a killed stage, so only this folder
    # allows a run to resume.
    if (places.scratch / identity).is_dir():
        shutil.rmtree(places.scratch / identity)


def _read_images(
    files: Mapping[str, Path], kind: type[Detector], own: Mapping[str, Any]
) -> tuple[dict[str, pd.DataFrame], ImageFacts]:
    """The manifest rows that the detector sees, and the facts about them for its card."""
    everything = {name: read_manifest(path, COLUMNS) for name, path in files.items()}
    manifests = seen_rows(everything, kind, own)
    cropped = everything["train"] if kind.sees == "elsewhere" else manifests["train"]
    check_classes(manifests["train"], manifests["val"], kind)
    images = ImageFacts.of(manifests, cropped[cropped["label"] < _REFERENCE])
    return {split: rows.drop(columns="box") for split, rows in manifests.items()}, images


def _held(scratch: Path, settings: RunSettings, fabric: Fabric) -> AbstractContextManager[None]:
    """The lock of a run's folder; the first process holds it for all processes."""
    if not fabric.is_global_zero:
        return nullcontext()
    run = f"{settings.protocol}/{settings.detector}"
    return hold(scratch.with_name(f".{scratch.name}.lock"), f"this training of {run}")


def _fit(
    detector: Detector,
    settings: RunSettings,
    places: Places,
    manifests: dict[str, pd.DataFrame],
    fabric: Fabric,
    scratch: Path,
    stopwatch: Stopwatch,
) -> tuple[list[Row], Row]:
    """Train a network or fit a head; returns the history and its best row. Clears `manifests`."""
    params = settings.train
    digests = manifests["train"]["sha256"].to_numpy() if isinstance(detector, HeadDetector) else None
    data = RunData(
        manifests["train"],
        manifests["val"],
        places.images,
        params,
        Augment(settings.augment, params.crop_size, settings.seed),
        detector.preprocess,
        fabric.device,
        fabric.global_rank,
        fabric.world_size,
        places.pixels,
        places.on_gpu and fabric.device.type == "cuda",
    )
    manifests.clear()  # `data` holds what training needs, a twentieth of the memory
    release_freed_memory()
    if isinstance(detector, NetworkDetector):
        data.use_labels(detector.relabel(data.labels, settings.seed))
        run = Run(detector, data, params, fabric, scratch, stopwatch, places.live)
        with explain_out_of_memory(params):
            run.fit()
        return run.history, best_row(run.history, params)
    if isinstance(detector, HeadDetector):
        assert digests is not None
        row = fit_head(detector, data, digests, settings.seed, fabric, FeatureStore(places.features))
        return [row], row
    raise TypeError(
        f"{settings.detector}: neither a NetworkDetector nor a HeadDetector nor a ForeignDetector"
    )


def seen_rows(
    manifests: dict[str, pd.DataFrame], detector: type[Detector], own: Mapping[str, Any]
) -> dict[str, pd.DataFrame]:
    """Select the training and validation rows that the detector may see, and add its reference set.

    Args:
        manifests: The manifests `train` and `val`, and `reference` for a detector that learns from a
            reference set.
        detector: The detector's class.
        own: The detector's own settings. With `default_reference: digits` scikit-learn's digits replace a
            missing reference set.

    Returns:
        The rows of `train` and `val`. Images of the reference set have the label 2 + their class, and the
        method "reference".

    Raises:
        UserError: If the detector needs a reference set and there is none, or its training and validation
            images have different classes.
    """
    seen = {split: manifests[split] for split in ("train", "val")}
    if detector.sees == "reals+fakes":
        return seen
    if detector.sees == "elsewhere":
        return {split: rows.iloc[:0] for split, rows in seen.items()}
    seen = {split: rows[rows["label"] == 0].reset_index(drop=True) for split, rows in seen.items()}
    if detector.sees != "reals+reference":
        return seen
    reference = manifests["reference"]
    if reference.empty:
        if own.get("default_reference") != "digits":
            raise UserError(
                f"the detector {detector.name!r} learns from a labeled reference set, and the protocol has "
                "none",
                fix="add `reference_set` to the protocol's file: selections of labeled images, for instance "
                f"several domains of CNN Synth; or set detector_settings.{detector.name}.default_reference, "
                "if the detector has that setting",
            )
        reference = digit_rows()
        log.info("the protocol has no `reference_set`: using %s instead", SOURCE)
    classes = {
        str(split): set(rows["reference_class"].tolist()) for split, rows in reference.groupby("split")
    }
    if classes.get("train", set()) != classes.get("val", set()):
        raise UserError(
            "training and validation hold different classes of the reference set",
            expected="images of each class, a source or domain of `reference_set`, in both",
            found="; ".join(f"{split}: classes {sorted(known)}" for split, known in classes.items()),
            fix="use sources or domains with more images, or raise `holdout.val` in the protocol",
        )
    labeled = reference.assign(label=_REFERENCE + reference["reference_class"], method=REFERENCE)
    return {
        split: pd.concat([rows, labeled.loc[labeled["split"] == split, rows.columns]], ignore_index=True)
        for split, rows in seen.items()
    }


def fit_head(
    head: HeadDetector, data: RunData, digests: np.ndarray, seed: int, fabric: Fabric, store: FeatureStore
) -> Row:
    """Fit a head on the features of all training images.

    Args:
        head: The detector, on its device.
        data: The run's batches.
        digests: SHA-256 of each stored training image.
        seed: The run's seed.
        fabric: From `make_fabric`.
        store: Stores the features for other heads.

    Returns:
        A history row without losses.

    Raises:
        UserError: If several processes were started, or a feature or a fitted value is not finite.
    """
    if fabric.world_size > 1:
        raise UserError(
            f"the detector {head.name!r} must be fitted by one process",
            found=f"{fabric.world_size} processes",
            fix="set `train.devices: 1`, and do not start it with torchrun or in several Slurm tasks",
        )
    head.eval()
    table = _features(head, data, digests, store)
    if not np.isfinite(table).all():
        raise UserError(f"the features of the detector {head.name!r} hold values that are not finite")
    fitted = head.fit(table, data.labels, seed)
    if wrong := [name for name, array in fitted.items() if not np.isfinite(array).all()]:
        raise UserError(
            f"fitting the detector {head.name!r} gave values that are not finite", found=", ".join(wrong)
        )
    head.set_fitted(fitted)
    return untrained_row()


def _features(
    head: HeadDetector, data: RunData, digests: np.ndarray, store: FeatureStore
) -> Float64[np.ndarray, "n dim"]:
    """The features of all training images.

    Real images are computed separately, so that heads that see only reals share their stored table.
    """
    real = data.labels == 0
    found = [
        (
            rows,
            store.features(
                head,
                data.preprocess,
                batches,
                digests[rows].tolist(),
                batch_size=data.size,
                condition="clean",
            ),
        )
        for rows, batches in ((real, data.reals), (~real, data.others))
        if rows.any()
    ]
    table = np.empty((len(digests), found[0][1].shape[1]))
    for rows, features in found:
        table[rows] = features
    return table

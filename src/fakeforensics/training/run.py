"""A whole training run, from settings and manifests to a saved detector."""

from __future__ import annotations

import logging
import shutil
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl
import pandas as pd
import torch

from fakeforensics.errors import UserError
from fakeforensics.models.detector import Detector
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.models.pretrained import load_pretrained
from fakeforensics.models.saving import save_detector
from fakeforensics.objectives.registry import build_objective
from fakeforensics.params import FacesParams, TrainParams
from fakeforensics.training.augment import Augment
from fakeforensics.training.card import model_card
from fakeforensics.training.data import ManifestData
from fakeforensics.training.device import describe_device, processes, takes_bf16
from fakeforensics.training.epochs import Epochs, checkpoint_history, write_history
from fakeforensics.training.guards import check_classes, out_of_memory
from fakeforensics.training.module import Training
from fakeforensics.training.scratch import fingerprint
from fakeforensics.training.settings import RunSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Places:
    """Where a run reads and writes.

    Args:
        manifests: Holds `train.parquet` and `val.parquet`.
        images: The folder of all sources' images.
        model: Gets `model.safetensors`, `model.json` and `history.csv`.
        plot: The CSV of the learning curves.
        scratch: Parent of the folder that survives a kill.
    """

    manifests: Path
    images: Path
    model: Path
    plot: Path
    scratch: Path


def train_detector(settings: RunSettings, places: Places, faces: FacesParams) -> None:
    """Train, keeping the weights of the lowest validation loss, and save them.

    A run that was killed goes on from its last finished epoch.

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
    objective = build_objective(settings.objective, settings.lambda_)
    one_class = not (manifests["train"]["label"] == 1).any()
    for split, manifest in manifests.items():
        check_classes(split, manifest, objective, one_class)

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
    module = Training(detector.to(memory_format=torch.channels_last), objective, params, preprocess, data)

    scratch = places.scratch / fingerprint(
        {"start": start, **settings.model_dump(mode="json")},
        list(files.values()),
        describe_device(params.devices),
    )
    epochs = Epochs(scratch, params.patience)
    trainer = build_trainer(params, epochs, scratch)
    _fit(trainer, module, data, epochs, params)
    if not trainer.is_global_zero:
        return
    card = model_card(settings, preprocess, faces, manifests, start, epochs.history, epochs.best)
    save_detector(places.model, detector, card)
    for path in (places.model / "history.csv", places.plot):
        write_history(path, epochs.history)
    shutil.rmtree(scratch)


def build_trainer(params: TrainParams, epochs: Epochs, scratch: Path) -> pl.Trainer:
    """Lightning's Trainer on a GPU if there is one, over the processes that torchrun or Slurm started."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    gpu = torch.cuda.is_available()
    if gpu:
        torch.set_float32_matmul_precision("high")
    local, nodes = processes(params.devices)
    return pl.Trainer(
        accelerator="cuda" if gpu else "cpu",
        devices=local,
        num_nodes=nodes,
        strategy="ddp" if local * nodes > 1 else "auto",
        sync_batchnorm=gpu and local * nodes > 1,
        use_distributed_sampler=False,
        precision="bf16-mixed" if takes_bf16(params.precision) else "32-true",
        benchmark=gpu,
        max_epochs=params.max_epochs,
        callbacks=[epochs],
        num_sanity_val_steps=0,
        inference_mode=False,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
        default_root_dir=scratch,
    )


def _fit(
    trainer: pl.Trainer, module: Training, data: ManifestData, epochs: Epochs, params: TrainParams
) -> None:
    resume = epochs.checkpoint if epochs.checkpoint.is_file() else None
    if resume:
        epochs.history = checkpoint_history(resume)
        log.info("going on after %d finished epochs: %s", len(epochs.history), resume)
    if epochs.out_of_patience or len(epochs.history) >= params.max_epochs:
        data.setup("fit")
        epochs.restore_best(module)
        return
    with warnings.catch_warnings():
        # It counts cores, and cannot know that decoding must not contend with the training step.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        # Lightning 2.6.6 itself uses what torch 2.14 deprecates.
        warnings.filterwarnings("ignore", message=".*isinstance\\(treespec, LeafSpec\\).*")
        try:
            trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
        except RuntimeError as error:
            if known := out_of_memory(error, params.batch_size, params.crop_size):
                raise known from error
            raise


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise UserError(f"{path}: no such file", fix="run the stage `splits` of this protocol first")
    return pd.read_parquet(path)

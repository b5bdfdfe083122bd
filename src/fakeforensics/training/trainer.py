"""Lightning's Trainer, set up for this project and this machine."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path

import lightning.pytorch as pl
import torch

from fakeforensics.models.memory import keep_freed_memory
from fakeforensics.params import TrainParams
from fakeforensics.training.data import ManifestData
from fakeforensics.training.device import processes, takes_bf16
from fakeforensics.training.epochs import Epochs, checkpoint_history
from fakeforensics.training.guards import out_of_memory
from fakeforensics.training.module import Training

log = logging.getLogger(__name__)


def build_trainer(params: TrainParams, epochs: Epochs, scratch: Path) -> pl.Trainer:
    """Lightning's Trainer on a GPU if there is one, over the processes that torchrun or Slurm started."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    gpu = torch.cuda.is_available()
    if not gpu:
        keep_freed_memory()
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


def fit(trainer: pl.Trainer, module: Training, data: ManifestData, epochs: Epochs) -> None:
    """Train until the last epoch or the end of patience, and bring back the best weights.

    Goes on from the checkpoint in the run's scratch folder, if there is one.

    Raises:
        UserError: If the loss is no longer finite, or memory runs out.
    """
    params = module.params
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

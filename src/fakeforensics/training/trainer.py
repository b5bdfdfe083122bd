"""Lightning's Trainer, set up for this project and this machine."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
import warnings
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.strategies import DDPStrategy

from fakeforensics.errors import UserError
from fakeforensics.models.memory import keep_freed_memory
from fakeforensics.params import TrainParams
from fakeforensics.training.data import ManifestData
from fakeforensics.training.device import processes
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
        # Running statistics are averaged at the end of an epoch instead of taken from the first process.
        strategy=DDPStrategy(broadcast_buffers=False) if local * nodes > 1 else "auto",
        sync_batchnorm=gpu and local * nodes > 1,
        use_distributed_sampler=False,
        precision="32-true",  # the step itself says what it computes in bfloat16
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
        module.to(trainer.strategy.root_device)
        epochs.restore_best(module)
        data.teardown("fit")
        return
    with warnings.catch_warnings():
        # It counts cores, and cannot know that decoding must not contend with the training step.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        # Lightning 2.6.6 itself uses what torch 2.14 deprecates.
        warnings.filterwarnings("ignore", message=".*isinstance\\(treespec, LeafSpec\\).*")
        # Its successor is not in torch 2.11.
        warnings.filterwarnings("ignore", message=".*broadcast_buffers. is deprecated.*")
        try:
            trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
        except UserError:
            _end(_others(trainer), grace=0)
            raise
        except Exception as error:
            known = out_of_memory(error, params.batch_size, params.crop_size)
            if _end(_others(trainer), grace=0 if known else 15) and not known:
                known = UserError("another process of this training run failed", fix="see its error above")
            if known:
                raise known from error
            raise


def _others(trainer: pl.Trainer) -> list[subprocess.Popen[bytes]]:
    """The processes that Lightning started, by its own list; torchrun and Slurm see to theirs."""
    started: list[subprocess.Popen[bytes]] = getattr(trainer.strategy.launcher, "procs", [])
    return started


def _end(others: list[subprocess.Popen[bytes]], grace: float) -> bool:
    """End processes that would wait for this one's tensors until they time out.

    When one fails while this one is still busy, Lightning kills this one.

    Args:
        others: Emptied.
        grace: Seconds within which one whose connection broke may be seen to have failed.

    Returns:
        Whether one of them had failed by itself.
    """
    ended = list(others)
    # Lightning's observer of the same list would kill this process before it has said what happened.
    others.clear()
    end = time.monotonic() + grace
    while not (failed := any(other.poll() for other in ended)) and ended and time.monotonic() < end:
        time.sleep(0.05)
    for other in ended:
        # At a mere SIGTERM Lightning has them tell each other, and wait for this one again.
        other.kill()
    return failed

"""What happens at the end of an epoch: history, the best weights, early stopping, the checkpoint."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from safetensors.torch import load_file, save_file

from fakeforensics.files import atomic_path, write_text
from fakeforensics.training.centre import set_centre
from fakeforensics.training.guards import warn_of_collapse
from fakeforensics.training.module import Training

log = logging.getLogger(__name__)

COLUMNS = ("epoch", "lr", "train_loss", "val_loss", "real_distance", "fake_distance")


class Epochs(pl.Callback):
    """Keeps the history and the weights of the lowest validation loss, and stops early.

    Everything but the weights lies in the history, so that a resumed run decides as an uninterrupted one.

    Args:
        scratch: Gets `last.ckpt` after each epoch, and `best-<epoch>.safetensors` of the best.
        patience: Epochs without a lower validation loss after which training stops.

    Attributes:
        history: One row an epoch, with the names in `COLUMNS`.
    """

    def __init__(self, scratch: Path, patience: int) -> None:
        self.scratch = scratch
        self.checkpoint = scratch / "last.ckpt"
        self.patience = patience
        self.history: list[dict[str, Any]] = []

    @property
    def best(self) -> dict[str, Any]:
        """The first row of the lowest validation loss."""
        return min(self.history, key=lambda row: float(row["val_loss"]))

    @property
    def best_file(self) -> Path:
        """The weights of the best epoch."""
        # Named by the epoch: one that is trained again after a kill may turn out otherwise on a GPU.
        return self.scratch / f"best-{self.best['epoch']}.safetensors"

    @property
    def out_of_patience(self) -> bool:
        """Whether the lowest validation loss is `patience` epochs old."""
        return bool(self.history) and self.history[-1]["epoch"] - self.best["epoch"] >= self.patience

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Record the epoch; Lightning has validated by now."""
        module: Training = pl_module
        epoch = len(self.history)
        self.history.append({"epoch": epoch, **module.record})
        if trainer.is_global_zero:
            log.info("%s", ", ".join(f"{name} {_short(value)}" for name, value in self.history[-1].items()))
            real, fake = (self.history[-1][name] for name in COLUMNS[-2:])
            if real is not None:
                warn_of_collapse(epoch, real, fake, self.history[0]["real_distance"])
            if self.best is self.history[-1]:
                with atomic_path(self.best_file) as temporary:
                    state = module.detector.state_dict()
                    save_file({name: tensor.cpu().contiguous() for name, tensor in state.items()}, temporary)
        if self.out_of_patience:
            trainer.should_stop = True
        partial = self.checkpoint.with_suffix(".partial")
        # All processes call it, the first one writes.
        trainer.save_checkpoint(partial)
        if trainer.is_global_zero:
            partial.replace(self.checkpoint)
            for file in self.scratch.glob("best-*.safetensors"):
                if file != self.best_file:
                    file.unlink()

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Bring back the best weights."""
        trainer.strategy.barrier()
        self.restore_best(pl_module)
        # The first process removes the file when it is done.
        trainer.strategy.barrier()

    def restore_best(self, module: Training) -> None:
        """Load the best weights, with their centre.

        Where the objective has none, c is computed once now: S_CD then means something for every model.
        """
        module.detector.load_state_dict(load_file(self.best_file))
        if not module.objective.uses_centre:
            set_centre(module.detector, module.mean_code())

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.history = state_dict["history"]


def write_history(path: Path, history: list[dict[str, Any]]) -> None:
    """Write the history as CSV; a value that does not exist is left empty."""
    lines = [",".join(COLUMNS)]
    lines += [",".join("" if row[name] is None else repr(row[name]) for name in COLUMNS) for row in history]
    write_text(path, "\n".join(lines) + "\n")


def _short(value: int | float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def checkpoint_history(path: Path) -> list[dict[str, Any]]:
    """The history in a checkpoint, without loading the rest into anything."""
    state = torch.load(path, weights_only=True, map_location="cpu")
    history: list[dict[str, Any]] = state["callbacks"][Epochs.__qualname__]["history"]
    return history

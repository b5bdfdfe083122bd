"""The training loop: steps, center, validation, early stopping and resuming, in one or several processes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import islice
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from lightning.fabric import Fabric
from lightning.fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn

from fakeforensics.errors import UserError
from fakeforensics.files import atomic_path, write_text
from fakeforensics.images.dataset import Batch
from fakeforensics.models.detector import NetworkDetector
from fakeforensics.models.runtime import all_sum, average_buffers, takes_bf16
from fakeforensics.params import TrainParams
from fakeforensics.progress import track
from fakeforensics.training.checks import FiniteLoss, warn_of_collapse
from fakeforensics.training.data import RunData
from fakeforensics.training.launch import is_compiled
from fakeforensics.training.live import begin_live, write_live
from fakeforensics.training.record import Stopwatch
from fakeforensics.training.schedule import Row, best_row, is_over, learning_rate

log = logging.getLogger(__name__)

COLUMNS = ("epoch", "lr", "train_loss", "val_loss", "val_accuracy", "real_distance", "fake_distance")


class Run:
    """Trains a network in place until `is_over`, then restores the best weights.

    Args:
        detector: The network, on the device of `fabric`, in the memory format channels-last.
        data: Its batches.
        params: The group `train` of the settings.
        fabric: From `make_fabric`.
        scratch: Folder for the checkpoint `last.ckpt`, which is written after each epoch.
        stopwatch: Measures the run's cost. It must have been started with the run; a resumed run adds the
            cost of the interrupted one.
        live: Folder for the files that show the progress (`fakeforensics.training.live`); None writes none.

    Attributes:
        history: One row per finished epoch, with the names in `COLUMNS`.
        best_weights: The detector's state after the best epoch so far, on the CPU.
    """

    def __init__(
        self,
        detector: NetworkDetector,
        data: RunData,
        params: TrainParams,
        fabric: Fabric,
        scratch: Path,
        stopwatch: Stopwatch | None = None,
        live: Path | None = None,
    ) -> None:
        self.detector, self.data, self.params, self.fabric = detector, data, params, fabric
        self.stopwatch = stopwatch or Stopwatch()
        self.checkpoint = scratch / "last.ckpt"
        self.live = live if fabric.is_global_zero else None
        self.history: list[Row] = []
        self.best_weights: dict[str, Tensor] = {}
        weights = [weight for weight in detector.parameters() if weight.requires_grad]
        self.model, self.optimizer = fabric.setup(detector, make_optimizer(weights, params))
        self.compiled = torch.compile(detector.forward, dynamic=False) if is_compiled(params) else None
        self.bf16 = takes_bf16(params.precision)

    def fit(self) -> None:
        """Train; if there is a checkpoint, resume after the last finished epoch.

        Raises:
            UserError: If the loss is no longer finite.
        """
        if self.live is not None:
            begin_live(self.live)
        if self.checkpoint.is_file():
            self._resume()
            self._show()
        else:
            self._call(self.detector.on_start)
        while not is_over(self.history, self.params, len(self.data.train)):
            epoch = len(self.history)
            rate = learning_rate(self.history, self.params)
            train_loss = self.train_epoch(epoch, rate)
            # All processes must validate the same network, so running statistics are averaged first.
            average_buffers(self.detector)
            self._call(self.detector.on_epoch_end)
            row = {"epoch": epoch, "lr": rate, "train_loss": train_loss, **self.validate(epoch)}
            self.history.append(row)
            if best_row(self.history, self.params) is row:
                state = self.detector.state_dict()
                self.best_weights = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
            self._log(row)
            self._save()
            self._show()
        self.detector.load_state_dict(self.best_weights)
        self._call(self.detector.on_finish)

    @torch.no_grad()
    def _call(self, hook: Callable[[Iterable[Tensor]], None]) -> None:
        """Call one of the detector's hooks in evaluation mode and without gradients."""
        self.detector.eval()
        hook(self.data.reals if self.detector.hooks_see == "reals" else self.data.plain)

    def train_epoch(self, epoch: int, rate: float) -> float | None:
        """Train on all batches of an epoch.

        Args:
            epoch: From 0.
            rate: The learning rate.

        Returns:
            The mean loss of the augmented images; None if there were none.
        """
        self.detector.train()
        # The network's random draws depend only on epoch and process, so that a resumed run repeats them.
        draws = np.random.SeedSequence((self.data.order.seed, epoch, self.fabric.global_rank))
        torch.manual_seed(int(draws.generate_state(1)[0]))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.data.order.epoch = epoch
        finite = FiniteLoss(self.data.train_keys, self.fabric.device)
        total = self._zeros()
        most, steps = self.params.max_steps, len(self.data.train)
        left = steps if most is None else min(steps, most - epoch * steps)
        batches: Iterable[Batch] = islice(self.data.train, left)
        if self.fabric.is_global_zero:
            batches = track(batches, f"epoch {epoch} of at most {self.params.max_epochs}", "batches", left)
        for number, batch in enumerate(batches):
            losses = self.step(batch, self.data.order.global_size(number))
            finite.watch(f"epoch {epoch}, batch {number}", losses, batch.rows)
            total += _sum_and_count(losses, torch.ones_like(batch.labels))
        finite.check()
        return _mean(total)

    def step(self, batch: Batch, global_size: int) -> Float[Tensor, " batch"]:
        """Take one optimizer step on the mean loss over all processes.

        Args:
            batch: This process's share of the batch.
            global_size: Images in the batch over all processes.

        Returns:
            The loss of each image.
        """
        images = self.detector.mix(self.data.preprocess.normalize(batch.images), batch.labels)
        # The last batch may have another size, for which compiling again is not worth the time.
        full = len(images) == self.data.size
        encode = self.compiled if self.compiled is not None and full else self.model
        self.optimizer.zero_grad()
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bf16, cache_enabled=False):
            output = encode(images)
        losses = self.detector.losses(images, output, batch.labels)
        # Distributed training averages the gradients of processes, whose shares may differ by one image. This
        # factor makes the result the gradient of the mean over all images.
        self.fabric.backward(losses.sum() * (self.fabric.world_size / global_size))
        self.optimizer.step()
        return losses.detach()

    @torch.no_grad()
    def validate(self, epoch: int) -> Row:
        """Mean loss, accuracy and distances over the validation images, always in float32.

        Returns:
            Part of a history row. A value is None if the detector or the settings do not define it.
        """
        self.detector.eval()
        finite = FiniteLoss(self.data.val_keys, self.fabric.device)
        total, reals, fakes, right = self._zeros(), self._zeros(), self._zeros(), self._zeros()
        distance = None
        for number, batch in enumerate(self.data.val):
            images = self.data.preprocess.normalize(batch.images)
            output = self.detector(images)
            losses = self.detector.losses(images, output, batch.labels)
            finite.watch(f"validation after epoch {epoch}, batch {number}", losses, batch.rows)
            total += _sum_and_count(losses, torch.ones_like(batch.labels))
            if self.params.monitor == "accuracy":
                known = (batch.labels <= 1).double()
                right += _sum_and_count(self._is_right(images, output, batch.labels), known)
            distance = self.detector.distance(output)
            if distance is not None:
                reals += _sum_and_count(distance, (batch.labels == 0).double())
                fakes += _sum_and_count(distance, (batch.labels == 1).double())
        finite.check()
        return {
            "val_loss": _mean(total),
            "val_accuracy": _mean(right),
            "real_distance": _mean(reals),
            "fake_distance": _mean(fakes),
        }

    def _is_right(self, images: Tensor, output: Any, labels: Tensor) -> Float[Tensor, " batch"]:
        """1 for each image whose main score is on the side of the boundary that its label says, else 0."""
        score = self.detector.scores[0]
        values = self.detector.read(images, output)[score.column]
        return ((values > (score.boundary or 0.0)) == (labels == 1)).double()

    def _log(self, row: Row) -> None:
        if not self.fabric.is_global_zero:
            return
        values = {name: "-" if row[name] is None else f"{row[name]:.4g}" for name in COLUMNS}
        spent, most = self.stopwatch.spent["seconds"], self.params.max_epochs
        left = timedelta(seconds=round(spent / len(self.history) * (most - len(self.history))))
        shown = ", ".join(f"{name} {value}" for name, value in values.items())
        log.info("%s; at most %s left until the last epoch", shown, left)
        if row["real_distance"] is not None:
            first = self.history[0]["real_distance"]
            warn_of_collapse(row["epoch"], row["real_distance"], row["fake_distance"], first)

    def _show(self) -> None:
        """Show the epochs that are in the checkpoint; a resumed run would repeat any later one."""
        if self.live is not None and self.history:
            write_live(self.live, self.history)

    def _save(self) -> None:
        """Write everything that the next epoch depends on, so that a resumed run gives the same result."""
        if self.fabric.is_global_zero:
            state = {
                "detector": self.detector.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "history": self.history,
                "best_weights": self.best_weights,
                "spent": self.stopwatch.spent,
            }
            with atomic_path(self.checkpoint) as temporary:
                torch.save(state, temporary)
        self.fabric.barrier()

    def _resume(self) -> None:
        try:
            state = torch.load(self.checkpoint, weights_only=True, map_location="cpu")
        except (OSError, RuntimeError, EOFError, ValueError, UnpicklingError) as error:
            raise UserError(
                f"{self.checkpoint}: the checkpoint of an unfinished training is damaged",
                found=str(error),
                fix=f"remove {self.checkpoint.parent}; the training then starts from the beginning",
            ) from None
        self.detector.prepare(state["detector"])
        self.detector.load_state_dict(state["detector"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history, self.best_weights = state["history"], state["best_weights"]
        self.stopwatch.resume(state["spent"])
        if self.fabric.is_global_zero:
            log.info("resuming after %d finished epochs: %s", len(self.history), self.checkpoint)

    def _zeros(self) -> Float[Tensor, " 2"]:
        return torch.zeros(2, dtype=torch.float64, device=self.fabric.device)


def make_optimizer(weights: list[nn.Parameter], params: TrainParams) -> torch.optim.Optimizer:
    """The optimizer that the `train` group asks for."""
    if params.optimizer == "sgd":
        return torch.optim.SGD(
            weights,
            lr=params.learning_rate,
            momentum=params.momentum,
            dampening=params.dampening,
            weight_decay=params.weight_decay,
            fused=True,
        )
    return torch.optim.Adam(
        weights, lr=params.learning_rate, betas=params.betas, weight_decay=params.weight_decay, fused=True
    )


def make_fabric(local: int, nodes: int) -> Fabric:
    """Launch Lightning's Fabric, on a GPU if there is one.

    Args:
        local: Number of training processes on this machine, including this one.
        nodes: Number of machines.
    """
    gpu = torch.cuda.is_available()
    torch.backends.cudnn.benchmark = gpu
    fabric = Fabric(
        accelerator="cuda" if gpu else "cpu",
        devices=local,
        num_nodes=nodes,
        # The loop averages running statistics at the end of an epoch; DDP would copy those of the first
        # process.
        strategy=DDPStrategy(broadcast_buffers=False) if local * nodes > 1 else "auto",
        precision="32-true",  # the step itself chooses what it computes in bfloat16
    )
    fabric.launch()
    return fabric


def untrained_row() -> Row:
    """The only history row of a detector that is not trained in epochs."""
    return {name: 0 if name == "epoch" else None for name in COLUMNS}


def write_history(path: Path, history: list[Row]) -> None:
    """Write the history as CSV; a missing value is an empty field."""
    lines = [",".join(COLUMNS)]
    lines += [",".join("" if row[name] is None else repr(row[name]) for name in COLUMNS) for row in history]
    write_text(path, "\n".join(lines) + "\n")


def _sum_and_count(values: Tensor, chosen: Tensor) -> Float[Tensor, " 2"]:
    # Indexing, or a constant from the host, would make a GPU wait.
    return torch.stack([(values.double() * chosen).sum(), chosen.double().sum()])


def _mean(sum_and_count: Tensor) -> float | None:
    total, count = all_sum(sum_and_count).tolist()
    return total / count if count else None

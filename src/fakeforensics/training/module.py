"""One training step and one validation, as Lightning's Trainer calls them."""

from __future__ import annotations

import lightning.pytorch as pl
import torch
from jaxtyping import Float
from torch import Tensor

from fakeforensics.models.detector import Detector, DetectorOutput
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.objectives.objective import Objective
from fakeforensics.params import TrainParams
from fakeforensics.training.centre import away_from_zero, mean_code, set_centre
from fakeforensics.training.data import ManifestData
from fakeforensics.training.dataset import Batch
from fakeforensics.training.device import compile_pays, graph_pays, takes_bf16
from fakeforensics.training.distributed import all_sum, average_buffers, world_size
from fakeforensics.training.guards import FiniteLoss
from fakeforensics.training.step import GraphedStep


class Training(pl.LightningModule):
    """Trains a detector with one objective.

    The centre c moves at the end of each epoch, before that epoch's validation, to the mean code of the real
    training images under the weights just reached (`train.center: epoch`); the same c serves the saved model
    and the next epoch's training.

    Args:
        detector: To be trained in place.
        objective: Its loss.
        params: The `train` group.
        preprocess: For normalisation.
        data: The manifests' images.

    Attributes:
        record: What the last epoch gave: `train_loss`, `val_loss`, `real_distance` and `fake_distance` (means
            over validation images, `None` where there is no centre or no such image) and `lr`.
    """

    def __init__(
        self,
        detector: Detector,
        objective: Objective,
        params: TrainParams,
        preprocess: Preprocess,
        data: ManifestData,
    ) -> None:
        super().__init__()
        self.detector = detector
        self.objective = objective
        self.params = params
        self.preprocess = preprocess
        self.data = data
        self.record: dict[str, float | None] = {}
        self._rate = params.learning_rate
        self._train_sum = torch.zeros(2, dtype=torch.float64)
        self._finite = FiniteLoss(data.train.keys, delay=0)
        if not objective.uses_classifier:
            # Parameters that no loss reaches would make distributed training wait for their gradients.
            detector.classifier.requires_grad_(False)
        self._compiled = torch.compile(detector.forward, dynamic=False) if compile_pays(params) else None
        self._bf16 = takes_bf16(params.precision)
        # Either Lightning takes the steps, or a recorded one does all of it.
        self.automatic_optimization = not graph_pays(params)
        self._step: GraphedStep | None = None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam, as in section 4.2 of the thesis."""
        weights = [weight for weight in self.detector.parameters() if weight.requires_grad]
        return torch.optim.Adam(weights, lr=self.params.learning_rate, betas=self.params.betas, fused=True)

    def on_fit_start(self) -> None:
        """Forget the step of another fit, whose optimizer is not this one's."""
        self._step = None

    def on_train_start(self) -> None:
        """Compute the first centre; a resumed run brings its own."""
        if self.current_epoch == 0 and self.objective.uses_centre:
            centre = self.mean_code()
            set_centre(self.detector, away_from_zero(centre) if self.params.center == "init" else centre)

    def on_train_epoch_start(self) -> None:
        """Set the learning rate, decaying exponentially by epoch."""
        # From the epoch alone rather than by a scheduler, whose step Lightning takes only after the hook in
        # which the checkpoint is written.
        self._rate = self.params.learning_rate * self.params.lr_decay**self.current_epoch
        optimizer = self.trainer.optimizers[0]
        if self.automatic_optimization:
            for group in optimizer.param_groups:
                group["lr"] = self._rate
        else:
            self._step = self._step or GraphedStep(self.losses, optimizer, self.params.batch_size)
            self._step.set_rate(self._rate)
        self._train_sum = self._zeros()
        self._finite = FiniteLoss(self.data.train.keys, self._delay)

    def training_step(self, batch: Batch, index: int) -> Tensor | None:
        """The loss of a batch, for Lightning to step down; or nothing, where that is done.

        It is this process's share of the mean over the global batch.
        """
        losses = self._step(batch) if self._step else self.losses(batch)
        self._finite.watch(f"epoch {self.current_epoch}, batch {index}", losses, batch.rows)
        self._train_sum += _sum_and_count(losses.detach(), torch.ones_like(batch.labels))
        if self._step:
            return None
        # Distributed training averages gradients over processes, whose shares may differ by an image.
        return losses.sum() * (world_size() / self.data.batches.global_size(index))

    def on_validation_epoch_start(self) -> None:
        """End the training epoch: one network on all processes, then its centre."""
        self._finite.flush()
        average_buffers(self.detector)
        if self.objective.uses_centre and self.params.center == "epoch":
            set_centre(self.detector, self.mean_code())
        self._val_sum, self._real_sum, self._fake_sum = (self._zeros() for _ in range(3))
        self._finite = FiniteLoss(self.data.val.keys, self._delay)

    def validation_step(self, batch: Batch, index: int) -> None:
        """Add up losses and distances, in float32 whatever the training precision."""
        output = self.detector(self.preprocess.normalise(batch.images))
        losses = self.objective.losses(output, batch.labels)
        self._finite.watch(f"validation after epoch {self.current_epoch}, batch {index}", losses, batch.rows)
        self._val_sum += _sum_and_count(losses, torch.ones_like(batch.labels))
        self._real_sum += _sum_and_count(output.distance, 1 - batch.labels)
        self._fake_sum += _sum_and_count(output.distance, batch.labels)

    def on_validation_epoch_end(self) -> None:
        """Put the epoch's means over all processes on record."""
        self._finite.flush()
        distances = self.objective.uses_centre
        self.record = {
            "lr": self._rate,
            "train_loss": _mean(self._train_sum),
            "val_loss": _mean(self._val_sum),
            "real_distance": _mean(self._real_sum) if distances else None,
            "fake_distance": _mean(self._fake_sum) if distances else None,
        }
        shown = {name: value for name, value in self.record.items() if value is not None}
        # Alike on all processes already; without `sync_dist` Lightning warns that they might not be.
        self.log_dict(shown, prog_bar=True, sync_dist=True)

    def losses(self, batch: Batch) -> Float[Tensor, " batch"]:
        """The loss of each training image, in the training precision."""
        images = self.preprocess.normalise(batch.images)
        # A last batch of another size is not worth compiling for.
        full = len(images) == self.params.batch_size // world_size()
        encode = self._compiled if self._compiled is not None and full else self.detector
        # No weight is used twice, and what the cache kept a recorded step would not make again.
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self._bf16, cache_enabled=False):
            output: DetectorOutput = encode(images)
        return self.objective.losses(output, batch.labels)

    def _zeros(self) -> Tensor:
        return torch.zeros(2, dtype=torch.float64, device=self.device)

    @property
    def _delay(self) -> int:
        return 4 if self.device.type == "cuda" else 0

    def mean_code(self) -> Tensor:
        """The mean code of the real training images under the present weights (equation 3.2)."""
        return mean_code(self.detector, self.data.real_dataloader(), self.preprocess, self.device)


def _sum_and_count(values: Tensor, chosen: Tensor) -> Tensor:
    # No indexing and no constant from the host: on a GPU either would wait for the device.
    return torch.stack([(values.double() * chosen).sum(), chosen.double().sum()])


def _mean(sum_and_count: Tensor) -> float | None:
    total, count = all_sum(sum_and_count).tolist()
    return total / count if count else None

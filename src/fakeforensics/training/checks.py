"""Checks that stop a run before it starts or while it trains."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fakeforensics.errors import UserError
from fakeforensics.models.card import Sees
from fakeforensics.models.detector import Detector
from fakeforensics.params import TrainParams

log = logging.getLogger(__name__)

CLASSES = {0: "real", 1: "fake"}
NEEDED: dict[Sees, tuple[int, ...]] = {
    "reals": (0,),
    "reals+simulated": (0,),
    "reals+fakes": (0, 1),
    "reals+reference": (0,),
    "elsewhere": (),
}
_BATCHES_PER_CHECK = 50
_NAMED = 8  # images in an error message
# Launching a step takes 10 to 12 ms, and an H200 computes 32 images in about 4 ms: docs/scaling.md.
FEWEST_PER_GPU = 32


def check_classes(train: pd.DataFrame, val: pd.DataFrame, detector: type[Detector]) -> None:
    """Raise a `UserError` if a split lacks a class that the detector needs."""
    for split, manifest in {"train": train, "val": val}.items():
        for label in NEEDED[detector.sees]:
            if not (manifest["label"] == label).any():
                raise UserError(
                    f"the {split} split has no {CLASSES[label]} images, "
                    f"which the detector {detector.name!r} needs",
                    found=", ".join(f"{(manifest['label'] == y).sum()} {CLASSES[y]}" for y in CLASSES),
                    fix="check the protocol's `train` selections and `holdout`, and counts.json next to the "
                    "manifests; or narrow the protocol to one-class detectors with its key `detectors`",
                )


class FiniteLoss:
    """Stops a run whose loss is no longer finite, with an error that names the images.

    On a GPU one check covers 50 batches, because each check waits for the device.

    Args:
        keys: The key of each row of the manifest.
        device: Where the losses are computed.
    """

    def __init__(self, keys: Sequence[str], device: torch.device) -> None:
        self.keys = keys
        self.every = _BATCHES_PER_CHECK if device.type == "cuda" else 1
        self._waiting: list[tuple[str, Tensor, Tensor]] = []

    def watch(self, where: str, losses: Float[Tensor, " batch"], rows: Int[Tensor, " batch"]) -> None:
        """Remember the losses of a batch, and check them now or with a later batch.

        Args:
            where: The epoch and batch, for the message.
            losses: The loss of each image.
            rows: The manifest row of each image.

        Raises:
            UserError: If a loss of this or an earlier batch is NaN or infinite.
        """
        self._waiting.append((where, losses.detach(), rows))
        if len(self._waiting) >= self.every:
            self.check()

    def check(self) -> None:
        """Check all losses since the last check.

        Raises:
            UserError: If a loss is NaN or infinite.
        """
        waiting, self._waiting = self._waiting, []
        if not waiting or torch.isfinite(torch.cat([losses for _, losses, _ in waiting])).all():
            return
        for where, losses, rows in waiting:
            bad = ~torch.isfinite(losses)
            if not bad.any():
                continue
            keys = [self.keys[row] for row in rows[bad].tolist()]
            more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
            raise UserError(
                f"the loss is not finite in {where}",
                found=f"{losses[bad][0].item()} for {len(keys)} of {len(losses)} images: "
                + ", ".join(keys[:_NAMED])
                + more,
                fix="lower `train.learning_rate`; if only a few images are named, inspect them",
            )


def warn_of_small_shares(batch_size: int, processes: int, device: torch.device) -> None:
    """Warn when each GPU gets so few images per step that fewer GPUs would be as fast.

    Args:
        batch_size: `train.batch_size`, over all processes.
        processes: Processes of the run, one per GPU.
        device: The device of this process; on a CPU there is no warning.
    """
    share = batch_size / processes
    if processes == 1 or share >= FEWEST_PER_GPU or device.type != "cuda":
        return
    log.warning(
        "a batch of %d over %d GPUs is %g images per GPU: launching a step takes longer than computing it, "
        "so fewer GPUs would be as fast; train several runs at once, each on one GPU (docs/scaling.md), or "
        "raise `train.batch_size`, which changes the training",
        *(batch_size, processes, share),
    )


def warn_of_collapse(epoch: int, real: float, fake: float | None, first_real: float) -> None:
    """Warn if the latent codes of all images, real and fake, have moved into the center.

    Args:
        epoch: The epoch, from 0.
        real: Mean distance of real validation images to the center.
        fake: Mean distance of fake validation images; None if there are none.
        first_real: `real` after the first epoch.
    """
    tiny = 1e-4 * first_real
    if real > tiny or (fake is not None and fake > tiny):
        return
    fakes = "" if fake is None else f" and that of fakes to {fake:.3g}"
    log.warning(
        "epoch %d: the features have collapsed: the mean distance of reals to the center fell from %.3g to "
        "%.3g%s; scores by distance are now meaningless (try a lower learning rate, or the setting "
        "`center: init` of the detector)",
        epoch,
        first_real,
        real,
        fakes,
    )


@contextmanager
def explain_out_of_memory(params: TrainParams) -> Iterator[None]:
    """Turn an error of insufficient memory into a `UserError` that names the settings to lower."""
    try:
        yield
    except Exception as error:
        found = str(error).partition("\n")[0]
        if "out of shared memory" in str(error):
            raise UserError(
                "decoding processes ran out of shared memory",
                found=found,
                fix="enlarge /dev/shm (in a container: `docker run --shm-size 8g`), or lower `train.workers`",
            ) from error
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise UserError(
                "out of memory while training",
                found=found,
                fix=f"lower `train.batch_size` (now {params.batch_size}) or `train.crop_size` "
                f"(now {params.crop_size}), or spread the batch over more GPUs with `train.devices`",
            ) from error
        raise

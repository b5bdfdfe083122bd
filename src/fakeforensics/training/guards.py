"""Checks that stop a run before it starts or on the way."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fakeforensics.errors import UserError
from fakeforensics.models.card import Sees
from fakeforensics.models.detector import Detector

log = logging.getLogger(__name__)

CLASSES = {0: "real", 1: "fake"}
_BATCHES_PER_CHECK = 50


def visible(manifest: pd.DataFrame, sees: Sees) -> pd.DataFrame:
    """The rows of a manifest that a detector may see.

    Args:
        manifest: For training or for validation during training.
        sees: The detector's `sees`.
    """
    if sees == "reals+fakes":
        return manifest
    return manifest[manifest["label"] == 0].reset_index(drop=True)


def check_classes(train: pd.DataFrame, val: pd.DataFrame, detector: type[Detector]) -> None:
    """Refuse splits on which the detector cannot be trained or validated.

    Args:
        train: The training manifest.
        val: The validation manifest.
        detector: To be trained.

    Raises:
        UserError: Naming the split and the class that is missing.
    """
    for split, manifest in {"train": train, "val": val}.items():
        for label in (0, 1) if detector.sees == "reals+fakes" else (0,):
            if not (manifest["label"] == label).any():
                raise UserError(
                    f"the {split} split has no {CLASSES[label]} images, "
                    f"which the detector {detector.name!r} needs",
                    found=", ".join(f"{(manifest['label'] == y).sum()} {CLASSES[y]}" for y in CLASSES),
                    fix="check the protocol's `train` selections and `holdout`, and counts.json beside the "
                    "manifests; or narrow the protocol to one-class detectors with its key `detectors`",
                )


class FiniteLoss:
    """Stops a run whose loss is no longer finite, naming the images.

    On a GPU many batches are checked at once, since each check waits for the device.

    Args:
        keys: The key of each manifest row.
        device: Where the losses are.
    """

    def __init__(self, keys: Sequence[str], device: torch.device) -> None:
        self.keys = keys
        self.every = _BATCHES_PER_CHECK if device.type == "cuda" else 1
        self._waiting: list[tuple[str, Tensor, Tensor]] = []

    def watch(self, where: str, losses: Float[Tensor, " batch"], rows: Int[Tensor, " batch"]) -> None:
        """Note a batch's losses, and check them when enough are waiting.

        Args:
            where: Epoch and batch, for the message.
            losses: Of each image.
            rows: The images' rows in the manifest.

        Raises:
            UserError: If a loss that was waiting is NaN or infinite.
        """
        self._waiting.append((where, losses.detach(), rows))
        if len(self._waiting) >= self.every:
            self.check()

    def check(self) -> None:
        """Check all losses that are waiting."""
        waiting, self._waiting = self._waiting, []
        if not waiting or torch.isfinite(torch.cat([losses for _, losses, _ in waiting])).all():
            return
        for where, losses, rows in waiting:
            bad = ~torch.isfinite(losses)
            if not bad.any():
                continue
            named = [self.keys[row] for row in rows[bad].tolist()]
            more = f" and {len(named) - 8} more" if len(named) > 8 else ""
            raise UserError(
                f"the loss is not finite: {where}",
                found=f"{losses[bad][0].item()} for {len(named)} of {len(losses)} images: "
                + ", ".join(named[:8])
                + more,
                fix="lower `train.learning_rate`; if only a few images are named, look at them",
            )


def warn_of_collapse(epoch: int, real: float, fake: float | None, first_real: float) -> bool:
    """Warn when all codes have moved into the center, real and fake alike.

    Args:
        epoch: From 0.
        real: Mean distance of real validation images.
        fake: That of fakes, if there are any.
        first_real: Mean distance of reals after the first epoch.

    Returns:
        Whether it warned.
    """
    tiny = 1e-4 * first_real
    if real > tiny or (fake is not None and fake > tiny):
        return False
    fakes = "" if fake is None else f" and that of fakes to {fake:.3g}"
    log.warning(
        "epoch %d: the features have collapsed: the mean distance of reals to the center fell from %.3g to "
        "%.3g%s; scores by distance mean nothing now (try a lower learning rate, or the detector's setting "
        "`center: init`)",
        epoch,
        first_real,
        real,
        fakes,
    )
    return True


def out_of_memory(error: Exception, batch_size: int, crop_size: int) -> UserError | None:
    """Turn running out of memory into what to lower; `None` if the error is another."""
    text = str(error)
    if "out of shared memory" in text:
        return UserError(
            "decoding processes ran out of shared memory",
            found=text.splitlines()[0],
            fix="enlarge /dev/shm (of a container: `docker run --shm-size 8g`), or lower `train.workers`",
        )
    if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in text:
        return None
    return UserError(
        "out of memory while training",
        found=text.splitlines()[0],
        fix=f"lower `train.batch_size` (now {batch_size}) or `train.crop_size` (now {crop_size}), "
        "or spread the batch over more GPUs with `train.devices`",
    )

"""Rails: what stops a run before it starts, and what stops it on the way."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fakeforensics.errors import UserError
from fakeforensics.objectives.objective import Objective

log = logging.getLogger(__name__)

CLASSES = {0: "real", 1: "fake"}


def check_classes(train: pd.DataFrame, val: pd.DataFrame, objective: Objective) -> None:
    """Refuse splits that the objective cannot be trained or validated on.

    Every objective needs real images, and those that train a classifier need fakes. Without fakes in training
    SAD is Deep SVDD, which needs none in validation either.

    Args:
        train: The training manifest.
        val: The validation manifest.
        objective: To be trained.

    Raises:
        UserError: Naming the split and the class that is missing.
    """
    one_class = not objective.uses_classifier and not (train["label"] == 1).any()
    for split, manifest in {"train": train, "val": val}.items():
        for label in (0,) if one_class else (0, 1):
            if not (manifest["label"] == label).any():
                raise UserError(
                    f"the {split} split has no {CLASSES[label]} images, "
                    f"which the objective {objective.name!r} needs",
                    found=", ".join(f"{(manifest['label'] == y).sum()} {CLASSES[y]}" for y in CLASSES),
                    fix="check the protocol's `train` selections and `holdout`, and counts.json beside the "
                    "manifests" + ("; `sad` alone can train without fakes" if label == 1 else ""),
                )


class FiniteLoss:
    """Stops a run whose loss is no longer finite, naming the images.

    On a GPU a loss is looked at some steps later, so that the processor never waits for the device.

    Args:
        keys: The key of each manifest row.
        delay: Steps between a loss and its check.
    """

    def __init__(self, keys: Sequence[str], delay: int) -> None:
        self.keys = keys
        self.delay = delay
        self._waiting: deque[tuple[_Flag, str, Float[Tensor, " batch"], Int[Tensor, " batch"]]] = deque()

    def watch(self, where: str, losses: Float[Tensor, " batch"], rows: Int[Tensor, " batch"]) -> None:
        """Take note of a batch's losses and check those of `delay` batches ago.

        Args:
            where: Epoch and batch, for the message.
            losses: Of each image.
            rows: The images' rows in the manifest.

        Raises:
            UserError: If an earlier loss was NaN or infinite.
        """
        losses = losses.detach()
        self._waiting.append((_Flag(torch.isfinite(losses).all()), where, losses, rows))
        while len(self._waiting) > self.delay:
            self._check(*self._waiting.popleft())

    def flush(self) -> None:
        """Check all that are still waiting."""
        while self._waiting:
            self._check(*self._waiting.popleft())

    def _check(self, flag: _Flag, where: str, losses: Tensor, rows: Tensor) -> None:
        if flag:
            return
        bad = ~torch.isfinite(losses)
        self._waiting.clear()
        named = [self.keys[row] for row in rows[bad].tolist()]
        more = f" and {len(named) - 8} more" if len(named) > 8 else ""
        raise UserError(
            f"the loss is not finite: {where}",
            found=f"{losses[bad][0].item()} for {len(named)} of {len(losses)} images: "
            + ", ".join(named[:8])
            + more,
            fix="lower `train.learning_rate`; if only a few images are named, look at them",
        )


class _Flag:
    """A truth value on its way from the device; asking for it waits for that value alone."""

    def __init__(self, value: Tensor) -> None:
        self.value = value
        self.arrived: torch.cuda.Event | None = None
        if value.is_cuda:
            self.value = torch.empty((), dtype=torch.bool, pin_memory=True)
            self.value.copy_(value, non_blocking=True)
            self.arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self.arrived.record()

    def __bool__(self) -> bool:
        if self.arrived is not None:
            self.arrived.synchronize()
        return bool(self.value)


def warn_of_collapse(epoch: int, real: float, fake: float | None, first_real: float) -> bool:
    """Warn when all codes have moved into the centre, real and fake alike.

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
        "epoch %d: the features have collapsed: the mean distance of reals to the centre fell from %.3g to "
        "%.3g%s; scores by distance mean nothing now (try `train.center: init`, or a lower learning rate)",
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

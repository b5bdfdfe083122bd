"""Which images make up which batch, on which process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from jaxtyping import Float64
from torch.utils.data import Sampler

from fakeforensics.training.augment import Draw

# Batch normalization cannot train on a single value a channel, which one small image can come down to.
_LEAST = 2


class TrainBatches(Sampler[list[Draw]]):
    """Shuffled batches of an epoch; each process takes its share of every batch.

    An epoch's order depends on seed and epoch alone, so that one process and several see the same global
    batches. No image is left out: a last batch of fewer than two images a process joins the one before (the
    only thing in which the number of processes shows).

    Args:
        methods: The method of each row.
        labels: 0 real or 1 fake, of each row.
        batch_size: Of the global batch.
        seed: Of the run.
        balance: `none` sees each image once an epoch. `class` draws as many images with replacement, real and
            fake equally often; `method` besides draws each class's methods equally often.
        rank: This process, from 0.
        world: All processes.

    Attributes:
        epoch: The epoch whose batches come next, from 0.

    Source:
        Equations 3.1 and 3.4 are means over samples: `global_size` is what a share's sum is divided by.
    """

    def __init__(
        self,
        methods: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        seed: int,
        balance: Literal["none", "class", "method"] = "none",
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.count = len(labels)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        self.rank, self.world = rank, world
        self.chances = None if balance == "none" else _chances(methods, labels, balance)
        full, rest = divmod(self.count, batch_size)
        self.batches = full + (rest >= _LEAST * world or full == 0)

    def __len__(self) -> int:
        return self.batches

    def global_size(self, batch: int) -> int:
        """Images in a batch over all processes."""
        last = batch == self.batches - 1
        return self.count - batch * self.batch_size if last else self.batch_size

    def __iter__(self) -> Iterator[list[Draw]]:
        epoch = self.epoch
        generator = np.random.default_rng((self.seed, epoch))
        if self.chances is None:
            order = generator.permutation(self.count)
        else:
            order = generator.choice(self.count, self.count, p=self.chances)
        for batch in range(self.batches):
            begin = batch * self.batch_size
            places = range(begin + self.rank, begin + self.global_size(batch), self.world)
            yield [Draw(epoch, place, int(order[place])) for place in places]


def _chances(methods: np.ndarray, labels: np.ndarray, balance: str) -> Float64[np.ndarray, " rows"]:
    """Chances of the rows so that classes, or methods within classes, are drawn equally often."""
    chances = np.zeros(len(labels), dtype=np.float64)
    classes = np.unique(labels)
    for label in classes:
        of_class = labels == label
        if balance == "class":
            chances[of_class] = 1 / of_class.sum() / len(classes)
            continue
        names = np.unique(methods[of_class])
        for name in names:
            rows = of_class & (methods == name)
            chances[rows] = 1 / rows.sum() / len(names) / len(classes)
    chances /= chances.sum()
    return chances

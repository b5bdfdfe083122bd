"""A training step that a GPU goes through without the processor."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from fakeforensics.errors import UserError
from fakeforensics.training.dataset import Batch

Losses = Callable[[Batch], Float[Tensor, " batch"]]

# Before a recording, the libraries have to choose their kernels and Adam to make its moments.
_WARM_UP = 2


def update(losses_of: Losses, optimizer: torch.optim.Optimizer, batch: Batch) -> Float[Tensor, " batch"]:
    """One step down the gradient of the mean loss; returns each image's loss before it."""
    optimizer.zero_grad()
    losses = losses_of(batch)
    torch.autograd.backward(losses.mean())
    optimizer.step()
    return losses.detach()


class GraphedStep:
    """`update`, recorded once as a CUDA graph and from then on replayed.

    A step is some hundred short kernels. One by one the processor takes twice as long to launch them as the
    GPU takes to run them; replayed, the GPU is the slower of the two (docs/benchmarks.md).

    Args:
        losses_of: The loss of each image of a batch.
        optimizer: Adam, over parameters on the GPU; its learning rate is set here from now on.
        size: Images of a full batch; a batch of another size goes through `update` itself.
    """

    def __init__(self, losses_of: Losses, optimizer: torch.optim.Optimizer, size: int) -> None:
        self.losses_of = losses_of
        self.optimizer = optimizer
        self.size = size
        self._stream: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._rate = torch.zeros((), device=self._stream.device)
        for group in optimizer.param_groups:
            self._rate.fill_(float(group["lr"]))
            group.update(capturable=True, lr=self._rate)
        self._warm = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._input: Batch
        self._losses: Tensor

    def set_rate(self, rate: float) -> None:
        """Set the learning rate; a recorded step reads it from the GPU's memory."""
        self._rate.fill_(rate)

    def __call__(self, batch: Batch) -> Float[Tensor, " batch"]:
        """Train on a batch; returns each image's loss before the step.

        Raises:
            UserError: If this machine's libraries do something in the step that cannot be recorded.
        """
        if len(batch.labels) != self.size:
            return update(self.losses_of, self.optimizer, batch)
        if self._warm < _WARM_UP:
            self._warm += 1
            return self._beside(batch)
        if self._graph is None:
            self._graph = self._record(batch)
        for place, values in zip(self._input, batch, strict=True):
            place.copy_(values)
        self._graph.replay()
        # The next replay writes over them.
        return self._losses.clone()

    def _record(self, batch: Batch) -> torch.cuda.CUDAGraph:
        self._input = Batch(*(values.clone() for values in batch))
        # So that the recorded step makes gradients of its own, which nothing else frees.
        self.optimizer.zero_grad()
        graph = torch.cuda.CUDAGraph()
        # What another run left may hold memory of the GPU, and freeing it would spoil the recording.
        gc.collect()
        gc.disable()
        try:
            # The outer context brings the stream back if the recording fails.
            with (
                torch.cuda.stream(torch.cuda.current_stream()),
                torch.cuda.graph(graph, stream=self._stream),
            ):
                self._losses = update(self.losses_of, self.optimizer, self._input)
        except RuntimeError as error:
            first = first_cause(error)
            if isinstance(first, torch.OutOfMemoryError):
                raise first from None
            raise UserError(
                "the training step cannot be recorded as a CUDA graph",
                found=(str(first).splitlines() or [repr(first)])[0],
                fix="train without, at about half the speed: `-S train.compile=false`",
            ) from error
        finally:
            gc.enable()
        return graph

    def _beside(self, batch: Batch) -> Tensor:
        """In the stream of the recording, as CUDA graphs ask of what goes before it."""
        here = torch.cuda.current_stream()
        self._stream.wait_stream(here)
        with torch.cuda.stream(self._stream):
            losses = update(self.losses_of, self.optimizer, batch)
        here.wait_stream(self._stream)
        return losses


def first_cause(error: BaseException) -> BaseException:
    """The first of errors that followed one another: a recording that was spoilt also fails to end."""
    while error.__context__ is not None:
        error = error.__context__
    return error

import pytest
import torch

from fakeforensics.training.dataset import Batch
from fakeforensics.training.step import first_cause, update


def test_an_update_goes_down_the_mean_losss_gradient_and_returns_the_losses_before_it():
    weight = torch.nn.Parameter(torch.tensor([2.0]))
    weight.grad = torch.tensor([100.0])  # of an earlier step, to be forgotten
    optimizer = torch.optim.SGD([weight], lr=0.1)
    batch = Batch(torch.zeros(2, 3, 1, 1), torch.tensor([1.0, 3.0]), torch.tensor([0, 1]))
    losses = update(lambda batch: batch.labels * weight**2, optimizer, batch)
    # w = 2: losses 1·4 and 3·4; the mean is 2 w², its gradient 4 w = 8, and 2 - 0.1·8 = 1.2
    assert losses.tolist() == [4.0, 12.0]
    assert not losses.requires_grad
    assert weight.item() == pytest.approx(1.2)


def test_the_first_of_errors_that_followed_one_another_is_the_cause():
    def fail():
        try:
            try:
                raise MemoryError("first")
            except MemoryError as error:
                raise ValueError("second") from error
        finally:
            raise RuntimeError("third")

    with pytest.raises(RuntimeError) as caught:
        fail()
    assert str(first_cause(caught.value)) == "first"

import pytest

from fakeforensics.params import TrainParams
from fakeforensics.training.schedule import best_row, is_over, learning_rate


def rows(losses, accuracies=None):
    return [
        {"epoch": epoch, "val_loss": loss, "val_accuracy": None if accuracies is None else accuracies[epoch]}
        for epoch, loss in enumerate(losses)
    ]


def test_training_is_over_after_the_last_epoch_or_without_patience():
    params = TrainParams(patience=2, max_epochs=5)
    past = rows([3.0, 1.0, 1.0])
    assert best_row(past, params)["epoch"] == 1  # the first of equals
    assert not is_over([], params, steps=1)
    assert not is_over(past, params, steps=1)
    assert is_over(rows([3.0, 1.0, 1.0, 1.5]), params, steps=1)  # two epochs without a lower loss
    assert not is_over(rows([3.0, 1.0, 1.0, 0.5]), params, steps=1)
    assert is_over(rows([3.0, 1.0, 1.0, 0.5, 0.4]), params, steps=1)


def test_with_accuracy_the_highest_is_the_best_whatever_the_loss():
    params = TrainParams(monitor="accuracy", patience=2)
    past = rows([1.0, 0.5, 0.1], [0.8, 0.7, 0.8])
    assert best_row(past, params)["epoch"] == 0
    assert is_over(past, params, steps=1)  # epochs 1 and 2 are not above 0.8


def test_the_last_step_ends_training():
    params = TrainParams(max_steps=10)
    assert not is_over(rows([1.0, 0.9]), params, steps=4)  # 8 steps are done
    assert is_over(rows([1.0, 0.9, 0.8]), params, steps=4)


def test_the_rate_decays_after_each_epoch():
    params = TrainParams(learning_rate=0.1, lr_decay=0.5)
    assert [learning_rate(rows([1.0] * epoch), params) for epoch in range(3)] == [0.1, 0.05, 0.025]


def test_the_rate_falls_at_milestones():
    params = TrainParams(schedule="steps", learning_rate=1.0, lr_factor=0.1, milestones=(2, 3))
    rates = [learning_rate(rows([1.0] * epoch), params) for epoch in range(5)]
    assert rates == pytest.approx([1, 1, 0.1, 0.01, 0.01])


def test_the_rate_falls_on_a_plateau_and_ends_training_below_its_least():
    params = TrainParams(
        schedule="plateau", learning_rate=1e-4, plateau_patience=1, min_learning_rate=5e-6, patience=100
    )
    # 0.9995 is less than 0.001 below 1.0, so epochs 1 and 2 do not improve: one more than the patience of one
    losses = [1.0, 0.9995, 1.0, 1.0, 1.0]
    rates = [learning_rate(rows(losses[:epoch]), params) for epoch in range(6)]
    assert rates == pytest.approx([1e-4, 1e-4, 1e-4, 1e-5, 1e-5, 1e-6])
    assert not is_over(rows(losses[:4]), params, steps=1)
    assert is_over(rows(losses), params, steps=1)


def test_a_plateau_of_accuracy_is_one_that_does_not_rise():
    params = TrainParams(schedule="plateau", monitor="accuracy", learning_rate=1.0, plateau_patience=0)
    assert learning_rate(rows([1, 1], [0.5, 0.6]), params) == 1.0
    assert learning_rate(rows([1, 1], [0.6, 0.5]), params) == pytest.approx(0.1)


def test_after_a_fall_the_record_may_start_anew():
    # Epoch 0 is the best; 1 and 2 bring no rise, so the rate falls after epoch 2. Then epoch 3 is the new
    # best, 4 is 0.0015 above it, less than 0.002: with 5 two epochs without a rise, and the rate falls again.
    accuracies = [0.9, 0.8, 0.8, 0.7, 0.7015, 0.7]
    params = TrainParams(
        schedule="plateau", monitor="accuracy", learning_rate=1.0, plateau_patience=1, plateau_restart=0.002
    )
    past = rows([1.0] * 6, accuracies)
    rates = [learning_rate(past[:epoch], params) for epoch in range(7)]
    assert rates == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01])
    # The weights that are kept follow: those of epoch 0, then of 3 and 4, the first above it.
    assert [best_row(past[: epoch + 1], params)["epoch"] for epoch in range(6)] == [0, 0, 0, 3, 4, 4]
    usual = params.model_copy(update={"plateau_restart": None})
    assert [best_row(past[: epoch + 1], usual)["epoch"] for epoch in range(6)] == [0] * 6
    assert learning_rate(past, usual) == pytest.approx(0.01)

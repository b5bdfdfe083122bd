from collections import Counter

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from fakeforensics.training.sampling import TrainBatches


def batches(count, size, epoch=0, seed=0, rank=0, world=1, methods=None, labels=None, balance="none"):
    labels = np.arange(count) % 2 if labels is None else labels
    methods = np.where(labels, "gan", "real") if methods is None else methods
    made = TrainBatches(methods, labels, size, seed, balance, rank, world)
    made.epoch = epoch
    return made


def rows(sampler):
    return [[draw.row for draw in batch] for batch in sampler]


@given(st.integers(1, 200), st.integers(1, 70))
def test_every_image_comes_once_an_epoch(count, size):
    sampler = batches(count, size)
    made = rows(sampler)
    assert sorted(row for batch in made for row in batch) == list(range(count))
    assert [len(batch) for batch in made] == [sampler.global_size(k) for k in range(len(sampler))]


def test_the_last_batch_is_kept_unless_it_is_a_single_image():
    assert [len(batch) for batch in batches(10, 4)] == [4, 4, 2]
    # batch normalization cannot train on one image: the ninth joins the second batch
    assert [len(batch) for batch in batches(9, 4)] == [4, 5]


def test_epochs_and_seeds_differ_and_repeat():
    assert rows(batches(50, 8)) == rows(batches(50, 8))
    assert rows(batches(50, 8)) != rows(batches(50, 8, epoch=1))
    assert rows(batches(50, 8)) != rows(batches(50, 8, seed=1))


def test_the_epoch_is_looked_up_when_batches_are_begun():
    sampler = TrainBatches(np.array(["real"] * 5), np.zeros(5), 2, 0)
    for epoch in (0, 4, 7):
        sampler.epoch = epoch
        assert {draw.epoch for batch in sampler for draw in batch} == {epoch}


@given(st.integers(8, 120), st.integers(2, 4))
def test_processes_share_out_each_global_batch(count, world):
    assume(count % (4 * world) == 0 or count % (4 * world) >= 2 * world)
    whole = list(batches(count, 4 * world))
    shares = [list(batches(count, 4 * world, rank=rank, world=world)) for rank in range(world)]
    assert [sorted(batch, key=lambda draw: draw.place) for batch in whole] == [
        sorted((draw for share in parts for draw in share), key=lambda draw: draw.place)
        for parts in zip(*shares, strict=True)
    ]
    assert all(len(batch) >= 2 for share in shares for batch in share)


def test_balance_by_class_draws_real_and_fake_equally_often():
    labels = np.array([0] * 900 + [1] * 100)
    drawn = Counter(
        labels[row] for batch in batches(1000, 50, labels=labels, balance="class") for _, _, row in batch
    )
    # 500 expected; five standard deviations of √(1000 · ¼) ≈ 16
    assert abs(drawn[1] - 500) < 80


def test_balance_by_method_draws_methods_of_a_class_equally_often():
    labels = np.array([0] * 400 + [1] * 600)
    methods = np.array(["real"] * 400 + ["big"] * 500 + ["small"] * 100)
    sampler = batches(1000, 50, labels=labels, methods=methods, balance="method")
    drawn = Counter(methods[row] for batch in sampler for _, _, row in batch)
    # half the draws are real, a quarter each kind of fake; five deviations of about 16 and 14
    assert abs(drawn["real"] - 500) < 80
    assert abs(drawn["big"] - 250) < 70
    assert abs(drawn["small"] - 250) < 70


def test_an_image_drawn_twice_is_augmented_in_two_ways():
    sampler = batches(20, 5, labels=np.array([0] * 19 + [1]), balance="class")
    draws = [draw for batch in sampler for draw in batch]
    assert len({draw.place for draw in draws}) == len(draws)
    assert len({draw.row for draw in draws}) < len(draws)


def test_too_small_a_rest_for_two_images_a_process_joins_the_batch_before():
    shares = [rows(batches(19, 8, rank=rank, world=2)) for rank in range(2)]
    # 19 = 8 + 11: a third batch of 3 would leave one process a single image
    assert [[len(batch) for batch in share] for share in shares] == [[4, 6], [4, 5]]

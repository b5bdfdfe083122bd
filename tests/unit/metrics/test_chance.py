"""What a random order of images gives."""

import numpy as np
import pandas as pd
import pytest

from fakeforensics.metrics.chance import chance_limit, class_sizes, evidence_against


def test_one_real_and_one_fake_have_two_orders():
    # The fake is first in half of the orders, with an average precision of 1.
    assert chance_limit(1, 1) == 1


def test_of_two_reals_and_two_fakes_the_best_of_six_orders_is_the_limit():
    # Each of the six orders has a share of 1/6, above 2.5 %, so that the limit is the best one's 1.
    assert chance_limit(2, 2) == 1


def test_the_limit_comes_down_to_the_share_of_fakes():
    limits = [chance_limit(3 * n, n) for n in (10, 100, 1000)]
    assert limits == sorted(limits, reverse=True)
    # A random order of 4,000 images: its standard deviation is below 0.01.
    assert 0.25 < limits[-1] < 0.27


def test_it_is_exceeded_by_one_random_order_in_forty():
    labels = np.repeat([0, 1], (60, 40))
    draw = np.random.default_rng(1)
    orders = (draw.permutation(labels) for _ in range(4000))
    found = [np.mean((np.cumsum(one) / np.arange(1, 101))[one == 1]) for one in orders]
    # 2.5 % of 4,000, whose standard deviation is 0.25 %; the limit itself is drawn from 1,000 orders.
    assert np.mean(np.array(found) > chance_limit(60, 40)) == pytest.approx(0.025, abs=0.015)


def test_fewer_groups_widen_it_around_the_share_of_the_images():
    assert chance_limit(640, 640, 10, 10) > chance_limit(640, 640, 100, 100) > chance_limit(640, 640)


def test_images_and_their_groups_are_counted_by_class():
    table = pd.DataFrame({"label": [0, 0, 0, 1, 1], "group": ["a", "a", "", "b", "b"], "key": list("vwxyz")})
    # A real without a group stands for itself.
    assert class_sizes(table) == ((3, 2), (2, 1))


def test_a_perfect_order_of_two_and_two_is_no_evidence_but_one_of_four_and_four_is():
    # 2 of each have 6 orders, 4 of each 70: a random one is perfect in 17 % and 1.4 % of cases.
    found = evidence_against({"sl": 1.0}, (2, 2))
    assert found is not None
    assert found.has_too_few_images
    assert "too few images" in str(found)
    assert evidence_against({"sl": 1.0}, (4, 4)) is None


def test_many_images_of_few_groups_are_few():
    found = evidence_against({"sl": 1.0}, (500, 500), (2, 2))
    assert found is not None
    assert found.has_too_few_images


def test_a_low_precision_on_many_images_is_no_better_than_chance():
    found = evidence_against({"sl": 0.5, "cd": 0.3}, (100, 100))
    assert found is not None
    assert (found.precision, found.random) == (50, 50)
    assert not found.has_too_few_images
    assert "cannot be told from chance" in str(found)

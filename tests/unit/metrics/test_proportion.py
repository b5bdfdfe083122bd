import pytest
from scipy.stats import beta

from fakeforensics.metrics.proportion import exact_interval, upper_limit


@pytest.mark.parametrize(
    ("rate", "groups", "low", "high"),
    [
        (0.0, 10, 0.0, 1 - 0.025 ** (1 / 10)),  # no error in 10: (1 - p)^10 = 0.025
        (1.0, 10, 0.025 ** (1 / 10), 1.0),
        (0.5, 2, 1 - 0.975**0.5, 0.975**0.5),  # 1 of 2: (1 - p)^2 = 0.975 and p^2 = 0.975
    ],
)
def test_intervals_are_those_of_clopper_and_pearson(rate, groups, low, high):
    assert exact_interval(rate, groups) == pytest.approx((low, high))


def test_more_groups_give_a_narrower_interval():
    widths = [high - low for low, high in (exact_interval(0.25, groups) for groups in (4, 40, 400))]
    assert widths == sorted(widths, reverse=True)


def test_upper_limits_are_those_of_clopper_and_pearson():
    assert upper_limit(0, 10) == pytest.approx(1 - 0.05 ** (1 / 10))  # (1 - p)^10 = 0.05
    assert upper_limit(3, 3) == 1.0
    assert upper_limit(7, 61) == beta.ppf(0.95, 8, 54)

import numpy as np
import pytest
import torch
from scipy.stats import rankdata

from fakeforensics.errors import UserError
from fakeforensics.models.card import Architecture
from fakeforensics.models.registry import build_detector

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(3, [1, 2, 5, 0.1], (200, 4))
OTHERS = RANDOM.normal(3, 4, (300, 4))
REALS = np.zeros(200, np.int64)


def detector(name="svdd", **settings):
    return build_detector(name, Architecture(crop_size=32), settings)


def fit(head, features=FEATURES, labels=REALS):
    head.set_fitted(head.fit(features, labels, seed=0))
    return head


def scores(head, features):
    values = head.read(torch.tensor(features), head.fitted)
    (column,) = values
    return values[column].numpy()


def test_hand_worked_ball():
    # the smallest ball around 0 and 4 has center 2 and radius 2: at 7 the score is 5² − 2² = 21, in the
    # center −4; ν = 0.5 of two reals lets each have the weight 1
    head = fit(detector(nu=0.5, standardize=False), np.array([[0.0], [4.0]]), REALS[:2])
    assert scores(head, np.array([[7.0], [2.0], [4.0]])) == pytest.approx([21.0, -4.0, 0.0], abs=1e-6)


@pytest.mark.parametrize("nu", [0.05, 0.1, 0.5])
def test_a_gaussian_kernel_ranks_as_the_one_class_svm(nu):
    # K(x, x) = 1, so Σ α_i K_ii is constant and both duals have the same solution; the scores differ by the
    # factor 2 and a shift
    ball = scores(fit(detector(kernel="rbf", nu=nu)), OTHERS)
    margin = scores(fit(detector("oc_svm", nu=nu)), OTHERS)
    alike = (margin - margin.mean()) / margin.std()
    assert (ball - ball.mean()) / ball.std() == pytest.approx(alike, abs=2e-3)  # scikit-learn stops at 1e-3


def test_a_gaussian_kernel_ranks_as_an_exact_one_class_svm():
    from sklearn.svm import OneClassSVM

    head = fit(detector(kernel="rbf"))
    mean, deviation = FEATURES.mean(axis=0), FEATURES.std(axis=0)
    x, others = (FEATURES - mean) / deviation, (OTHERS - mean) / deviation
    exact = -OneClassSVM(nu=0.1, gamma=1 / (4 * x.var()), tol=1e-10).fit(x).decision_function(others)
    ball = scores(head, OTHERS)
    scaled = (ball - ball.mean()) / ball.std()
    assert scaled == pytest.approx((exact - exact.mean()) / exact.std(), abs=1e-6)
    # far from all reals the kernel is near zero, and what is equal to 1e-6 has no order
    assert (
        rankdata(scaled.round(6)) == rankdata(((exact - exact.mean()) / exact.std()).round(6))
    ).mean() > 0.95


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_nu_bounds_the_share_outside_and_far_away_is_more_fake(kernel):
    head = fit(detector(kernel=kernel, nu=0.2))
    assert (scores(head, FEATURES) > 1e-6).mean() <= 0.2
    assert scores(head, FEATURES[:1] + 100) > scores(head, FEATURES).max()


def test_a_linear_ball_is_another_one_than_a_gaussian():
    linear, gaussian = (rankdata(scores(fit(detector(kernel=one)), OTHERS)) for one in ("linear", "rbf"))
    assert not np.array_equal(linear, gaussian)


def test_of_many_images_a_seeded_sample_is_taken_and_the_card_says_so():
    head = fit(detector(most_images=50))
    assert len(head.fitted["support"]) <= 50
    assert "50 of 200 images" in head.card.title
    assert fit(detector()).card.title == detector().title
    first, again = (detector(most_images=50).fit(FEATURES, REALS, seed=3) for _ in range(2))
    assert all(np.array_equal(array, again[name]) for name, array in first.items())


@pytest.mark.parametrize("wrong", [{"nu": 0}, {"nu": 1.1}, {"kernel": "poly"}, {"most_images": 6000}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UserError):
        detector(**wrong)


def test_it_sees_reals_alone():
    assert detector().sees == "reals"

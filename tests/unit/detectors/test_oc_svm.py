import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.svm import OneClassSVM

from fakeforensics.detectors.oc_svm import GRID, choose_gamma
from fakeforensics.models.card import Architecture
from fakeforensics.models.registry import build_detector

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(3, [1, 2, 5, 0.1], (60, 4))
OTHERS = RANDOM.normal(3, 4, (10, 4))
REALS = np.zeros(60, np.int64)


def detector(**settings):
    return build_detector("oc_svm", Architecture(crop_size=32), settings)


def scores(head, fitted, features):
    read = head.read(torch.tensor(features), {name: torch.tensor(array) for name, array in fitted.items()})
    return read["score_oc"].numpy()


@pytest.mark.parametrize("settings", [{}, {"nu": 0.5, "gamma": 0.01}])
def test_scores_are_scikit_learns_with_the_sign_turned(settings):
    head = detector(**settings)
    fitted = head.fit(FEATURES, REALS, seed=0)
    mean, deviation = FEATURES.mean(axis=0), FEATURES.std(axis=0)
    svm = OneClassSVM(nu=settings.get("nu", 0.1), gamma=settings.get("gamma", "scale"))
    svm.fit((FEATURES - mean) / deviation)
    expected = -svm.decision_function((OTHERS - mean) / deviation)
    assert scores(head, fitted, OTHERS) == pytest.approx(expected, abs=1e-9)


def test_far_away_is_more_fake_and_nu_bounds_the_share_outside():
    head = detector(nu=0.2)
    fitted = head.fit(FEATURES, REALS, seed=0)
    inside = scores(head, fitted, FEATURES)
    # at most ν of the training reals lie outside, up to those on the boundary itself
    assert (inside > 1e-6).mean() <= 0.2
    assert scores(head, fitted, FEATURES.mean(axis=0, keepdims=True)) < 0
    assert scores(head, fitted, FEATURES[:1] + 100) == pytest.approx(fitted["rho"])


def test_a_feature_that_never_changes_is_no_division_by_zero():
    constant = FEATURES.copy()
    constant[:, 1] = 7.0
    fitted = detector().fit(constant, REALS, seed=0)
    assert all(np.isfinite(array).all() for array in fitted.values())
    assert fitted["deviation"][1] == 1.0


def test_the_reals_choose_the_tightest_boundary_that_holds_for_others():
    # Of 60 reals the last 48 of the seed's order are fitted, the first 12 judge: at ν = 0.1 at most
    # 0.1 + 2 √(0.1 · 0.9 / 12) = 0.273 of them, 3 of 12, may lie outside.
    order = np.random.default_rng(5).permutation(60)
    x = (FEATURES - FEATURES.mean(axis=0)) / FEATURES.std(axis=0)
    outside = [
        int((OneClassSVM(nu=0.1, gamma=gamma).fit(x[order[12:]]).predict(x[order[:12]]) == -1).sum())
        for gamma in GRID
    ]
    first_bad = next(place for place, count in enumerate(outside) if count > 3)
    assert 0 < first_bad < len(GRID)  # the grid reaches from too wide to too tight
    assert choose_gamma(x, 0.1, seed=5) == GRID[first_bad - 1]
    fitted = detector(gamma="grid").fit(FEATURES, REALS, seed=5)
    assert fitted["gamma"].tolist() == [GRID[first_bad - 1]]


def test_where_no_boundary_holds_the_widest_is_taken():
    # Far from each other, reals lie outside any boundary that is drawn around the others: the kernel of two
    # of them is exp(−100²/1024) = 6e-5 at the smallest γ.
    x = 100.0 * np.eye(20)
    assert choose_gamma(x, 0.1, seed=0) == 2.0**-10


def test_of_many_reals_a_seeded_sample_is_taken():
    head = detector(most_reals=20, beyond="sample")
    first, again, other = (head.fit(FEATURES, REALS, seed=seed) for seed in (1, 1, 2))
    for name, array in first.items():
        assert np.array_equal(array, again[name]), name
    assert not np.array_equal(first["mean"], other["mean"])
    rows = np.sort(np.random.default_rng(1).choice(60, 20, replace=False))
    assert first["mean"] == pytest.approx(FEATURES[rows].mean(axis=0))
    assert len(first["support"]) <= 20
    head.set_fitted(first)
    assert "a sample of 20 of 60 reals" in head.card.title


def test_of_many_reals_all_are_used_with_an_approximate_kernel():
    random = np.random.default_rng(2)
    many, others = random.normal(size=(1500, 3)), random.normal(0, 2, (200, 3))
    zeros = np.zeros(1500, np.int64)
    exact, head = detector(), detector(most_reals=1000, components=300)
    fitted = head.fit(many, zeros, seed=0)
    assert fitted["support"].shape == (300, 3)
    ranks = spearmanr(
        scores(exact, exact.fit(many, zeros, seed=0), others), scores(head, fitted, others)
    ).statistic
    assert ranks > 0.95
    # SGD minimizes the same objective, so that about ν of the reals lie outside
    assert (scores(head, fitted, many) > 0).mean() == pytest.approx(0.1, abs=0.05)
    head.set_fitted(fitted)
    assert "300 of 1,500 reals" in head.card.title
    exact.set_fitted(exact.fit(FEATURES, REALS, seed=0))
    assert exact.card.title == exact.title


def test_the_approximation_is_scikit_learns():
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import SGDOneClassSVM

    head = detector(most_reals=20, components=10, gamma=0.2)
    x = (FEATURES - FEATURES.mean(axis=0)) / FEATURES.std(axis=0)
    kernel = Nystroem(gamma=0.2, n_components=10, random_state=4).fit(x)
    svm = SGDOneClassSVM(nu=0.1, random_state=4).fit(kernel.transform(x))
    expected = -svm.decision_function(kernel.transform(x))
    assert scores(head, head.fit(FEATURES, REALS, seed=4), FEATURES) == pytest.approx(expected, abs=1e-9)

import numpy as np
import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.models.card import Architecture
from fakeforensics.models.registry import build_detector

RANDOM = np.random.default_rng(1)
REALS = RANDOM.normal(0, 1, (80, 2))
FAKES = RANDOM.normal([2.5, 0], 0.3, (40, 2))  # on one side, within reach of the reals
FEATURES = np.concatenate([REALS, FAKES])
LABELS = np.repeat([0, 1], [80, 40])


def scores(features, labels, others, name="svdd_fakes", **settings):
    head = build_detector(name, Architecture(crop_size=32), settings)
    head.set_fitted(head.fit(features, labels, seed=0))
    return head.read(torch.tensor(others), head.fitted)["score_ball"].numpy()


def test_hand_worked_ball():
    # Reals at 0 and 4, a fake at 3, all bounds 1; a = 4β₁ − 3γ, β₀ + β₁ − γ = 1, and the dual is
    # 16β₁ − 9γ − a². Its slope by β₁, 16 − 8a, is above 0 below a = 2, so β₁ = 1; by γ it is −9 + 6a, zero at
    # a = 1.5, whence γ = 5/6 and β₀ = 5/6.
    features, labels = np.array([[0.0], [4.0], [3.0]]), np.array([0, 0, 1])
    found = scores(features, labels, features, kernel="linear", standardize=False, nu=0.5, nu_fakes=1.0)
    # a = 1.5: the real at 0 and the fake at 3 lie on the surface (R = 1.5), the real at 4 is 2.5² − 1.5² out
    assert found == pytest.approx([0.0, 4.0, 0.0], abs=1e-6)


def test_fakes_are_pushed_out_of_the_ball():
    without = scores(REALS, LABELS[:80], FEATURES, "svdd", kernel="rbf")
    with_fakes = scores(FEATURES, LABELS, FEATURES)
    assert (with_fakes[80:] > 0).mean() > (without[80:] > 0).mean()
    assert (with_fakes[80:] < -1e-6).mean() <= 0.1  # ν₂ bounds the share of fakes inside
    assert (with_fakes[:80] > 1e-6).mean() <= 0.1 + 1 / 8  # ν of the reals, up to the fakes' weights


def test_without_fakes_it_is_svdd():
    alone = scores(REALS, LABELS[:80], FAKES)
    assert alone == pytest.approx(scores(REALS, LABELS[:80], FAKES, "svdd", kernel="rbf"))


def test_the_reals_alone_standardize():
    head = build_detector("svdd_fakes", Architecture(crop_size=32), {})
    assert head.fit(FEATURES, LABELS, seed=0)["mean"] == pytest.approx(REALS.mean(axis=0))


def test_settings_and_what_it_sees():
    head = build_detector("svdd_fakes", Architecture(crop_size=32), {})
    assert head.sees == "reals+fakes"
    with pytest.raises(UserError):
        build_detector("svdd_fakes", Architecture(crop_size=32), {"nu_fakes": 0})

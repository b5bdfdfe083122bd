import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from fakeforensics.detectors.spectrum import code_rings, spline_matrix
from fakeforensics.errors import UserError
from tests.unit.detectors.networks import build

RANDOM = np.random.default_rng(0)
FEATURES = np.concatenate([RANDOM.normal(5, 1, (40, 6)), RANDOM.normal(5.8, 1, (40, 6))])
LABELS = np.repeat([0, 1], 40)
OTHERS = RANDOM.normal(5.4, 1.5, (30, 6))


def scores(head, features=OTHERS):
    head.set_fitted(head.fit(FEATURES, LABELS, seed=0))
    return head.read(torch.tensor(features), head.fitted)["score_ps"].numpy()


def images(count, size, upsampled, seed):
    noise = torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))
    return noise[..., ::2, ::2].repeat_interleave(2, 2).repeat_interleave(2, 3) if upsampled else noise


def test_1024_pixels_give_the_722_numbers_of_the_public_code():
    head = build("spectrum", 1024, profile="log_magnitude")
    assert (head.first, head.end) == (1, 723)
    assert int(code_rings(128).max()) - 1 == 88


@pytest.mark.parametrize("size", [16, 17])
def test_the_codes_profile_is_a_direct_transcription_of_its_definition(size):
    # fftshift, 20 ln(|F| + 1e-8), mean over integer radii around ((n−1)/2, (n−1)/2), first and last dropped
    head = build("spectrum", 32, profile="log_magnitude")
    head.rings, image = code_rings(size), images(1, size, upsampled=False, seed=0)
    head.first, head.end = 1, int(head.rings.max())
    gray = 255 * (0.299 * image[0, 0] + 0.587 * image[0, 1] + 0.114 * image[0, 2]).double().numpy()
    decibels = 20 * np.log(np.abs(np.fft.fftshift(np.fft.fft2(gray))) + 1e-8)
    y, x = np.indices((size, size))
    radius = np.hypot(x - (size - 1) / 2, y - (size - 1) / 2).astype(int)
    expected = [decibels[radius == r].mean() for r in range(1, radius.max())]
    assert head.features(image)[0].tolist() == pytest.approx(expected, rel=1e-5)


def test_hand_worked_power():
    # A gray image of value 1/255·2: |F| is 2·32² = 2048 at the constant term, and 0 elsewhere. Ring 0 holds
    # the constant term alone: ln 2048² = 2 ln 2048; the others ln 1e-8.
    head = build("spectrum", 32)
    found = head.features(torch.full((1, 3, 32, 32), 2 / 255))[0]
    assert found.shape == (16,)
    assert found[0].item() == pytest.approx(2 * math.log(2048), rel=1e-6)
    assert found[1:].max().item() == pytest.approx(math.log(1e-8), abs=0.5)


def test_a_wave_raises_its_own_frequency():
    wave = 0.5 + 0.4 * torch.cos(2 * torch.pi * 10 * torch.arange(64) / 64).expand(1, 3, 64, 64)
    found = build("spectrum", 64).features(wave)[0]
    assert int(found[1:].argmax()) + 1 == 10


@pytest.mark.parametrize("head", ["svm_rbf", "svm_linear", "logistic"])
@pytest.mark.parametrize("normalize", ["standard", "first", "none"])
def test_scores_are_scikit_learns(head, normalize):
    x, others = (
        {
            "standard": (one - FEATURES.mean(axis=0)) / FEATURES.std(axis=0),
            "first": one / one[:, :1],
            "none": one,
        }[normalize]
        for one in (FEATURES, OTHERS)
    )
    fit = {
        "svm_rbf": SVC(C=2.0, gamma="scale"),
        "svm_linear": SVC(C=2.0, kernel="linear"),
        "logistic": LogisticRegression(C=2.0, solver="liblinear", random_state=0, max_iter=1000),
    }[head].fit(x, LABELS)
    found = scores(build("spectrum", 32, head=head, normalize=normalize, c=2.0))
    assert found == pytest.approx(fit.decision_function(others), abs=1e-8)


@pytest.mark.parametrize("profile", ["power", "log_magnitude"])
@pytest.mark.parametrize("head", ["svm_rbf", "svm_linear", "logistic"])
def test_up_sampled_noise_is_told_from_noise(profile, head):
    detector = build("spectrum", 64, profile=profile, head=head)
    seen = torch.cat([images(20, 64, fake, seed=fake) for fake in (0, 1)])
    detector.set_fitted(detector.fit(detector.features(seen).double().numpy(), np.repeat([0, 1], 20), seed=0))
    values = [detector.score(images(20, 64, fake, seed=5 + fake))["score_ps"] for fake in (0, 1)]
    assert (values[0] < 0).all()
    assert (values[1] > 0).all()


def test_bins_interpolate():
    head = build("spectrum", 32, bins=3, normalize="none")
    assert head.features(images(2, 32, upsampled=False, seed=0)).shape == (2, 16)
    assert head._shaped(torch.ones(2, 16, dtype=torch.float64)).shape == (2, 3)
    # from 5 numbers to 3: the first, the middle and the last
    squares = torch.tensor([[0.0, 1.0, 4.0, 9.0, 16.0]], dtype=torch.float64)
    head.spline = spline_matrix(5, 3)
    assert head._shaped(squares)[0].tolist() == pytest.approx([0, 4, 16])
    # a cubic spline through cubes is their cube: from 5 numbers x³ at 0 … 4 to 9 at each half
    cubes = torch.tensor([[0.0, 1.0, 8.0, 27.0, 64.0]], dtype=torch.float64)
    head.spline = spline_matrix(5, 9)
    assert head._shaped(cubes)[0].tolist() == pytest.approx([(number / 2) ** 3 for number in range(9)])


@pytest.mark.parametrize(("head", "c"), [("svm_rbf", 6.37), ("svm_linear", 1), ("logistic", 1)])
def test_errors_weigh_as_in_the_public_code(head, c):
    default, given = (scores(build("spectrum", 32, head=head, **own)) for own in ({}, {"c": c}))
    assert default == pytest.approx(given)
    assert default != pytest.approx(scores(build("spectrum", 32, head=head, c=30 * c)))


def test_a_sample_is_said_and_no_buffer_is_saved_but_what_was_fitted():
    head = build("spectrum", 32, most_images=30)
    scores(head)
    assert "30 of 80 images" in head.card.title
    assert all(name.startswith("fitted_") for name in head.state_dict())
    assert head.sees == "reals+fakes"
    assert head.feature_settings == {"profile": "power"}


@pytest.mark.parametrize("wrong", [{"c": 0}, {"bins": 1}, {"head": "forest"}, {"gamma": -1}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UserError):
        build("spectrum", 32, **wrong)

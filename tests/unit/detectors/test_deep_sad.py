import numpy as np
import pytest
import torch

from fakeforensics.detectors.deep_sad import deep_sad_loss
from fakeforensics.detectors.sad import sad_loss
from fakeforensics.errors import UserError
from tests.unit.detectors.networks import build, check_contract, separation, shorten_resnet, striped, train


def test_hand_worked_losses():
    distance = torch.tensor([4.0, 4.0, 0.25])
    # unlabeled: 4; labeled real 3·(4 + 1e-6); labeled fake 3/(0.25 + 1e-6)
    losses = deep_sad_loss(distance, torch.tensor([-1.0, 0.0, 1.0]), eta=3.0)
    assert losses.tolist() == pytest.approx([4.0, 12.000003, 11.999952], rel=1e-6)


def test_with_all_labels_and_eta_1_it_is_sad_up_to_eps():
    distance, labels = torch.tensor([0.5, 2.0, 0.5, 2.0]), torch.tensor([0.0, 0.0, 1.0, 1.0])
    assert torch.allclose(deep_sad_loss(distance, labels, 1.0), sad_loss(distance, labels), atol=2e-6)


def test_shares_of_labels_are_hidden():
    labels = np.repeat([0, 1], [10, 20])
    detector = build("deep_sad", 32, unlabeled_reals=0.5, unlabeled_fakes=0.1)
    hidden = detector.relabel(labels, seed=3)
    assert (hidden[:10] == -1).sum() == 5
    assert (hidden[10:] == -1).sum() == 2
    assert (hidden[hidden != -1] == labels[hidden != -1]).all()
    assert (hidden == detector.relabel(labels, seed=3)).all()
    assert (hidden != detector.relabel(labels, seed=4)).any()
    assert (build("deep_sad", 32).relabel(labels, 0) == labels).all()
    assert (labels >= 0).all()  # the given labels are left alone


def test_the_center_is_that_of_all_images_away_from_zero_and_stays(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("deep_sad", 32).eval()
    assert detector.hooks_see == "all"
    images, _ = striped(6, 32)
    with torch.no_grad():
        mean = detector.backbone(images).mean(dim=0)
        detector.on_start([images])
        first = detector.center.clone()
        detector.on_epoch_end([images + 1])
    large = mean.abs() >= 0.1
    assert torch.allclose(first[large], mean[large], atol=1e-5)
    assert (first[~large].abs() == 0.1).all()
    assert torch.equal(detector.center, first)


def test_it_separates_stripes(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("deep_sad").eval()
    with torch.no_grad():
        detector.on_start([striped(16)[0]])
    assert separation(train(detector, 15)) > 0.95


def test_contract(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("deep_sad")
    assert detector.sees == "reals+fakes"
    check_contract(detector, torch.tensor([0.0, 1.0, -1.0, 1.0]))


@pytest.mark.parametrize("wrong", [{"eta": 0}, {"unlabeled_reals": 1.5}, {"center": "mean"}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UserError):
        build("deep_sad", 32, **wrong)

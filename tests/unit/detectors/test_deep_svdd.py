import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.models.latent import LatentOutput
from tests.unit.detectors.networks import build, check_contract, shorten_resnet, striped, train

IMAGES = torch.zeros(2, 3, 32, 32)


def output_of(*distances):
    count = len(distances)
    return LatentOutput(torch.zeros(count, 4), torch.zeros(count), torch.tensor(distances))


def test_loss_and_score_are_the_distance():
    detector = build("deep_svdd", 32)
    output = LatentOutput(torch.zeros(2, 4), torch.tensor([1.0, -1.0]), torch.tensor([9.0, 0.25]))
    assert detector.losses(IMAGES, output, torch.zeros(2)).tolist() == [9.0, 0.25]
    assert detector.read(IMAGES, output) == {"score_cd": output.distance}
    assert not any(weight.requires_grad for weight in detector.classifier.parameters())
    assert "radius" not in detector.state_dict()


def test_it_sees_reals_alone_and_keeps_its_center():
    detector = build("deep_svdd", 32)
    assert detector.sees == "reals"
    assert detector.settings.center == "init"
    assert detector.inherits == {}  # `train.center` is the thesis's, for sad and joint


def test_hand_worked_losses_of_the_soft_boundary():
    detector = build("deep_svdd", 32, objective="soft_boundary", nu=0.5)
    detector.radius.fill_(2.0)
    # R² + max(0, d² − R²)/ν: 4 + (9 − 4)/0.5 = 14; within the ball R² = 4 alone
    assert detector.losses(IMAGES, output_of(9.0, 1.0), torch.zeros(2)).tolist() == [14.0, 4.0]
    # during the warm-up R = 0: d²/ν
    detector.radius.zero_()
    assert detector.losses(IMAGES, output_of(9.0, 1.0), torch.zeros(2)).tolist() == [18.0, 2.0]


def test_the_radius_is_a_quantile_of_all_reals_after_the_warm_up(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("deep_svdd", 32, objective="soft_boundary", nu=0.25, warm_up=2).eval()
    images, _ = striped(12, 32)
    with torch.no_grad():
        detector.on_start([images])
        detector.on_epoch_end([images[:7], images[7:]])
        assert (int(detector.epochs), float(detector.radius)) == (1, 0.0)
        detector.on_epoch_end([images[:7], images[7:]])
        distances = detector(images).distance.sqrt()
    assert float(detector.radius) == pytest.approx(float(distances.quantile(0.75)), rel=1e-5)
    # at the best R at least a share ν lies outside or on the boundary
    assert (distances > detector.radius).float().mean() == pytest.approx(0.25)


def test_the_codes_way_takes_each_batch():
    detector = build("deep_svdd", 32, objective="soft_boundary", nu=0.5, warm_up=0, radius="batch").train()
    detector.losses(IMAGES, output_of(9.0, 1.0), torch.zeros(2))
    assert float(detector.radius) == 2.0  # the median of distances 3 and 1
    detector.eval()
    detector.losses(IMAGES, output_of(100.0, 100.0), torch.zeros(2))
    assert float(detector.radius) == 2.0  # validation does not move it


def test_training_pulls_reals_to_the_center(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("deep_svdd").eval()
    images = striped(8)[0][::2]
    with torch.no_grad():
        detector.on_start([images])
    detector.train()
    with torch.no_grad():
        before = detector(images).distance.mean()
    train(detector, 10, count=8, label=0).train()
    with torch.no_grad():
        assert detector(images).distance.mean() < before / 2


@pytest.mark.parametrize("settings", [{}, {"objective": "soft_boundary"}])
def test_contract(monkeypatch, settings):
    shorten_resnet(monkeypatch)
    check_contract(build("deep_svdd", **settings), torch.zeros(4))


@pytest.mark.parametrize("wrong", [{"nu": 0}, {"nu": 2}, {"warm_up": -1}, {"objective": "hard"}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UserError):
        build("deep_svdd", 32, **wrong)

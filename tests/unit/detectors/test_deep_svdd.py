import pytest
import torch

from fakeforensics.detectors.deep_svdd import DeepSvdd
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
    # in the warm-up of the PyTorch code R = 0: d²/ν
    detector.radius.zero_()
    assert detector.losses(IMAGES, output_of(9.0, 1.0), torch.zeros(2)).tolist() == [18.0, 2.0]


def test_r_is_solved_for_in_the_warm_up_and_at_the_end_of_each_block(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("deep_svdd", 32, objective="soft_boundary", nu=0.25, warm_up=2, block=3).eval()
    images, _ = striped(12, 32)
    solved = []
    with torch.no_grad():
        detector.on_start([images[:7], images[7:]])
        distances = detector(images).distance.sqrt()
        # (1 − ν) · 12 = 9 of 12 distances are inside, 3 outside
        assert float(detector.radius) == pytest.approx(float(distances.sort().values[8]), rel=1e-5)
        for epoch in range(10):
            detector.radius.fill_(-1.0)
            detector.on_epoch_end([images])
            solved += [epoch] if float(detector.radius) != -1.0 else []
    # after epochs 0 and 1 of the warm-up, then after every third
    assert solved == [0, 1, 3, 6, 9]


def test_no_other_radius_has_a_smaller_loss(monkeypatch):
    # Distances 1, 2, 3, 4 and ν = 0.3: R² + 1/(νn) Σ max(0, d² − R²). (1 − ν) · 4 = 2.8, so 3 inside:
    # R = 3 costs 9 + 7/1.2 = 14.833, the interpolated quantile 3.1 costs 9.61 + 6.39/1.2 = 14.935, R = 4 16.
    shorten_resnet(monkeypatch)
    detector = build("deep_svdd", 32, objective="soft_boundary", nu=0.3)
    output = output_of(1.0, 4.0, 9.0, 16.0)
    images = torch.zeros(4, 3, 32, 32)

    def loss(radius):
        detector.radius.fill_(radius)
        return float(detector.losses(images, output, torch.zeros(4)).mean())

    assert [loss(radius) for radius in (3.0, 3.1, 4.0)] == pytest.approx([14.833, 14.935, 16.0], abs=1e-3)
    assert min(range(1, 60), key=lambda tenth: loss(tenth / 10)) == 30
    detector.forward = lambda images: output
    detector._solve_radius([images])
    assert float(detector.radius) == 3.0


def test_the_recipe_is_the_papers_unless_the_codes_is_asked_for():
    paper, code = (DeepSvdd.recipe_of({"recipe": name}) for name in ("paper", "code"))
    assert DeepSvdd.recipe_of({}) == paper
    assert paper == {**code, "train.weight_decay": 1e-6, "train.max_epochs": 250, "train.milestones": (150,)}
    assert (code["train.max_epochs"], code["train.milestones"]) == (150, (50,))
    assert code["train.weight_decay"] == 0.5e-6


def test_the_codes_way_takes_each_batch():
    detector = build("deep_svdd", 32, objective="soft_boundary", nu=0.5, warm_up=0, radius="batch").train()
    detector.losses(IMAGES, output_of(9.0, 1.0), torch.zeros(2))
    assert float(detector.radius) == 2.0  # the median of distances 3 and 1
    with torch.no_grad():
        detector.on_start([IMAGES])
        detector.on_epoch_end([IMAGES])
    assert float(detector.radius) == 2.0  # no solution for all images
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


@pytest.mark.parametrize(
    "wrong", [{"nu": 0}, {"nu": 2}, {"warm_up": -1}, {"block": 0}, {"objective": "hard"}]
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UserError):
        build("deep_svdd", 32, **wrong)

import torch

from fakeforensics.models.card import Architecture
from fakeforensics.models.latent import LatentOutput
from fakeforensics.models.registry import build_detector


def test_loss_and_score_are_the_distance():
    detector = build_detector("deep_svdd", Architecture(crop_size=32), {})
    output = LatentOutput(torch.zeros(2, 4), torch.tensor([1.0, -1.0]), torch.tensor([9.0, 0.25]))
    images = torch.zeros(2, 3, 32, 32)
    assert detector.losses(images, output, torch.zeros(2)).tolist() == [9.0, 0.25]
    assert detector.read(images, output) == {"score_cd": output.distance}
    assert not any(weight.requires_grad for weight in detector.classifier.parameters())


def test_it_sees_reals_alone_and_keeps_its_center():
    detector = build_detector("deep_svdd", Architecture(crop_size=32), {})
    assert detector.sees == "reals"
    assert detector.settings.center == "init"
    assert detector.inherits == {}  # `train.center` is the thesis's, for sad and joint

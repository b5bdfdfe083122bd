import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.models.vae import VaeOutput
from tests.unit.detectors.networks import build, check_contract, separation, shorten_resnet, striped, train


def test_hand_worked_losses_and_scores(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("dp_vae", latent=2, alpha=10.0).eval()
    # normalized zeros are the channels' means; logits of them reconstruct exactly
    mean = detector.pixel_mean.expand(2, 3, 64, 64)
    output = VaeOutput(
        torch.tensor([[0.0, 0.0], [6.0, 8.0]]), torch.zeros(2, 2), torch.zeros(2, 2), mean.logit()
    )
    images = torch.zeros(2, 3, 64, 64)
    monkeypatch.setattr(detector, "decode_frozen", lambda z: torch.zeros(1, 3, 64, 64))  # x̂ = ½ everywhere
    gray = 0.5 * float((0.5 - mean[0]).square().sum())
    # real: 0 + KL 0; fake: ½ ‖½ − x‖² + ½ (4² + 2²) = … + 10
    losses = detector.losses(images, output, torch.tensor([0.0, 1.0]))
    assert losses.tolist() == pytest.approx([0.0, gray + 10], rel=1e-4, abs=1e-6)
    scores = detector.read(images, output)
    # KL from N(0, I): ½ (36 + 64) = 50; −ELBO the same as nothing is lost
    assert scores["score_kl"].tolist() == pytest.approx([0.0, 50.0])
    assert scores["score_elbo"].tolist() == pytest.approx([0.0, 50.0], rel=1e-4, abs=1e-6)


def test_bernoulli_is_the_cross_entropy(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("dp_vae", likelihood="bernoulli")
    # any pixel costs log 2 at the logit 0: 3·64·64·0.693147
    found = detector.surprise(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64))
    assert found.item() == pytest.approx(3 * 64 * 64 * 0.693147, rel=1e-5)


def test_fakes_do_not_update_the_decoder_and_reals_do(monkeypatch):
    shorten_resnet(monkeypatch)
    detector, (images, _) = build("dp_vae"), striped(4)
    for label, moved in ((1.0, False), (0.0, True)):
        detector.zero_grad()
        detector.losses(images, detector(images), torch.full((4,), label)).sum().backward()
        assert all(bool(weight.grad.any()) == moved for weight in detector.decoder.parameters())
        assert detector.mean.weight.grad.any()


def test_the_frozen_decoder_decodes_alike(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("dp_vae")
    z = torch.randn(2, 128)
    assert torch.equal(detector.decode_frozen(z), detector.decoder(z))


def test_it_separates_stripes(monkeypatch):
    shorten_resnet(monkeypatch)
    assert separation(train(build("dp_vae", 32, latent=8), 10, count=8, size=32), size=32) > 0.95


def test_contract(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("dp_vae")
    assert detector.sees == "reals+fakes"
    check_contract(detector, torch.tensor([0.0, 1.0, 0.0, 1.0]))


@pytest.mark.parametrize("wrong", [{"alpha": 0}, {"latent": 0}, {"likelihood": "laplace"}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UserError):
        build("dp_vae", 32, **wrong)

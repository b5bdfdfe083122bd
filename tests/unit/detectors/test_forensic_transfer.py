import pytest
import torch

from fakeforensics.detectors.forensic_transfer import ForensicTransferOutput
from fakeforensics.errors import UserError
from tests.unit.detectors.networks import build, check_contract, separation, train


def test_the_residual_is_the_third_derivative():
    # along a row, x³ has the constant third difference 6; along columns nothing changes
    cubes = (torch.arange(32.0) ** 3).expand(1, 3, 32, 32)
    residual = build("forensic_transfer", 32).residual(cubes)
    assert residual.shape == (1, 6, 32, 32)
    assert torch.allclose(residual[:, ::2, :, 1:-2], torch.tensor(6.0), atol=0.05)  # edges repeat
    assert torch.allclose(residual[:, 1::2], torch.tensor(0.0), atol=0.05)


@pytest.mark.parametrize(("size", "map_size"), [(256, 16), (64, 4), (50, 4), (32, 2)])
def test_sizes(size, map_size):
    detector, images = build("forensic_transfer", size).eval(), torch.zeros(1, 3, size, size)
    output = detector(images)
    assert output.latent.shape == (1, 128, map_size, map_size)
    assert detector.decode(output.latent, images.shape[-2:]).shape == (1, 6, size, size)


def test_activations_are_means_of_halves():
    detector = build("forensic_transfer", 32).eval()
    output = detector(torch.randn(2, 3, 32, 32))
    assert (output.latent >= 0).all()
    assert torch.allclose(output.real, output.latent[:, :64].mean(dim=(1, 2, 3)), atol=1e-6)
    assert torch.allclose(output.fake, output.latent[:, 64:].mean(dim=(1, 2, 3)), atol=1e-6)


@pytest.mark.parametrize(("activation", "expected"), [("halves", [0.3, 1.7]), ("share", [1 / 16, 9 / 16])])
def test_hand_worked_losses(monkeypatch, activation, expected):
    detector = build("forensic_transfer", 32, activation=activation)
    images = torch.zeros(2, 3, 32, 32)
    # a gray image has the residual 0; a decoder that gives 2 everywhere errs by 2
    monkeypatch.setattr(detector, "decode", lambda latent, size: torch.full((2, 6, 32, 32), 2.0))
    output = ForensicTransferOutput(
        torch.zeros(2, 128, 2, 2), torch.tensor([0.9, 0.9]), torch.tensor([0.2, 0.2])
    )
    if activation == "share":  # a_1/(a_0 + a_1) = 1/4: (1/4 − 0)² and (1/4 − 1)²
        output = output._replace(real=torch.tensor([0.6, 0.6]))
    # else as of the variant: |0.2 − 0| + |0.9 − 1| = 0.3 and |0.2 − 1| + |0.9 − 0| = 1.7
    losses = detector.losses(images, output, torch.tensor([0.0, 1.0])).tolist()
    assert losses == pytest.approx([0.2 + one for one in expected])
    assert detector.read(images, output)["score_act"].tolist() == pytest.approx(
        (output.fake - output.real).tolist()
    )


def test_a_silent_code_has_a_finite_loss():
    detector = build("forensic_transfer", 32, activation="share", gamma=0)
    zero = torch.zeros(2)
    output = ForensicTransferOutput(torch.zeros(2, 128, 2, 2), zero, zero)
    assert detector.losses(torch.zeros(2, 3, 32, 32), output, torch.tensor([0.0, 1.0])).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(("select", "kept"), [("label", [0, 1]), ("prediction", [0, 0])])
def test_the_half_of_the_class_is_decoded_or_the_less_active_one(monkeypatch, select, kept):
    detector, seen = build("forensic_transfer", 32, select=select), []

    def decode(latent, size):
        seen.append(latent)
        return torch.zeros(2, 6, 32, 32)

    monkeypatch.setattr(detector, "decode", decode)
    latent = torch.ones(2, 128, 2, 2)
    output = ForensicTransferOutput(latent, torch.tensor([0.1, 0.1]), torch.tensor([0.9, 0.9]))
    detector.losses(torch.zeros(2, 3, 32, 32), output, torch.tensor([0.0, 1.0]))
    for image, half in zip(seen[0], kept, strict=True):
        assert (image[64 * half : 64 * half + 64] == 1).all()
        assert image.sum() == 64 * 4


def test_it_separates_stripes():
    assert separation(train(build("forensic_transfer"), 20, rate=3e-3)) > 0.95


def test_contract():
    detector = build("forensic_transfer")
    assert detector.sees == "reals+fakes"
    assert detector.start_from("imagenet", None) == {"weights": "none"}
    check_contract(detector, torch.tensor([0.0, 1.0, 0.0, 1.0]))


@pytest.mark.parametrize("wrong", [{"gamma": -1}, {"activation": "l2"}, {"select": "random"}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UserError):
        build("forensic_transfer", 32, **wrong)

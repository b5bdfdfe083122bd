"""What every trained network must do: losses and scores per image, gradients for all that is trained."""

import torch
from torchvision.models.resnet import BasicBlock, ResNet

from fakeforensics.models.card import Architecture
from fakeforensics.models.registry import build_detector
from fakeforensics.params import TrainParams
from fakeforensics.training.schedule import learning_rate


def shorten_resnet(monkeypatch, blocks=(1, 1, 1, 1)):
    """Half the layers, half the time."""
    monkeypatch.setattr(
        "fakeforensics.models.backbone.zoo.get_model",
        lambda name, weights=None, **options: ResNet(BasicBlock, list(blocks)),
    )


def build(name, crop_size=64, **settings):
    torch.manual_seed(0)
    return build_detector(name, Architecture(crop_size=crop_size), settings)


def striped(count, size=64, seed=0, fake_rows=None):
    """Noise images whose second half (or `fake_rows`) has stripes; and their labels."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.3 * torch.randn(count, 3, size, size, generator=generator)
    labels = (torch.arange(count) % 2).float()
    stripes = 1.5 * (torch.arange(size) % 2 * 2.0 - 1)
    return images + labels.view(-1, 1, 1, 1) * stripes, labels


def check_contract(detector, labels, size=64):
    """Losses of a training batch in bfloat16 and of a validation batch; finite scores, one per image."""
    images, _ = striped(len(labels), size)
    detector.train()
    with torch.autocast("cpu", torch.bfloat16):
        output = detector(images)
    losses = detector.losses(images, output, labels)
    assert losses.shape == labels.shape
    assert losses.dtype == torch.float32
    losses.mean().backward()
    for name, weight in detector.named_parameters():
        if weight.requires_grad:
            assert weight.grad is not None, name
            assert torch.isfinite(weight.grad).all(), name
        else:
            assert weight.grad is None, name
    detector.eval()
    with torch.no_grad():
        assert torch.isfinite(detector.losses(images, detector(images), labels)).all()
        values = detector.score(images)
        again = detector.score(images[:1])
    assert list(values) == [score.column for score in detector.scores]
    for column, value in values.items():
        assert value.shape == labels.shape
        assert value.dtype == torch.float32
        assert torch.isfinite(value).all()
        assert torch.allclose(value[:1], again[column], rtol=1e-3, atol=1e-4)  # no image depends on others


def train(detector, steps, count=16, rate=1e-3, label=None, optimizer=torch.optim.Adam, size=64):
    """A few steps on striped images; with a `label` on those images alone."""
    images, labels = striped(count, size)
    if label is not None:
        images, labels = images[labels == label], labels[labels == label]
    weights = [weight for weight in detector.parameters() if weight.requires_grad]
    step = optimizer(weights, lr=rate)
    detector.train()
    for _ in range(steps):
        step.zero_grad()
        detector.losses(images, detector(images), labels).mean().backward()
        step.step()
    return detector.eval()


def separation(detector, count=16, size=64):
    """The share of pairs of new images in which the striped one scores higher."""
    images, labels = striped(count, size, seed=1)
    with torch.no_grad():
        values = detector.score(images)[detector.scores[0].column]
    fakes, reals = values[labels == 1], values[labels == 0]
    return (fakes[:, None] > reals).float().mean().item()


def train_params(recipe):
    """The `train` group that a recipe gives over the defaults."""
    return TrainParams(
        **{key.removeprefix("train."): value for key, value in recipe.items() if key.startswith("train.")}
    )


def rates(params, losses, accuracies=None):
    """The learning rate before each epoch and after the last of a history of these validation figures."""
    seen = zip(losses, accuracies or losses, strict=True)
    history = [
        {"epoch": epoch, "val_loss": loss, "val_accuracy": right} for epoch, (loss, right) in enumerate(seen)
    ]
    return [learning_rate(history[:epoch], params) for epoch in range(len(history) + 1)]

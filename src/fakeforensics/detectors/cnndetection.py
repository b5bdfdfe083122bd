"""CNNDetection: a classifier whose training images are blurred and compressed at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import field_validator
from torch import nn

from fakeforensics.detectors.bce import Bce
from fakeforensics.metrics.spec import Scores
from fakeforensics.models.card import Architecture, Sees
from fakeforensics.models.latent import S_SL
from fakeforensics.params import Group, Number

VERSIONS = (0.5, 0.1)
_DEVIATION = 0.02  # of the classifier's first weights


class CnnDetectionSettings(Group):
    """Settings of CNNDetection.

    Args:
        version: Which of the two published networks is trained, 0.5 or 0.1: the share of images that are
            blurred, and of those that are compressed.
        plateau: What happens after the learning rate falls. `paper`: the best accuracy so far remains the
            one to beat. `code`: the next epoch becomes the best, its weights replace the older ones, and
            from then on a rise must be at least 0.002.
    """

    version: Number = VERSIONS[0]
    plateau: Literal["paper", "code"] = "paper"

    @field_validator("version")
    @classmethod
    def _is_published(cls, version: float) -> float:
        if version not in VERSIONS:
            raise ValueError(f"there are the versions {VERSIONS[0]} and {VERSIONS[1]}, not {version}")
        return version


class CnnDetection(Bce):
    """Binary cross-entropy with the recipe of CNNDetection, scored by S_SL.

    The network is a ResNet-50 from ImageNet. Images are resized to 256 pixels, blurred, compressed by one of
    two JPEG encoders, cropped to 224 and flipped, in this order. Adam starts at 1e-4. The rate is divided by
    10 when the validation accuracy has not risen by 0.001 for 5 epochs. Training ends when it falls below
    1e-6.

    Differences from the public code: it resets the best accuracy after each fall of the learning rate, which
    the paper does not mention (`plateau: code`). It also blurs validation images with σ = 1.5 and compresses
    them with Pillow at quality 65. Here validation images are not augmented.

    Source:
        Wang et al., CNN-generated images are surprisingly easy to spot… for now, CVPR 2020;
        PeterWang512/CNNDetection at ea0b562.
    """

    name: ClassVar[str] = "cnndetection"
    label: ClassVar[str] = "CNNDetection"
    title: ClassVar[str] = "binary cross-entropy on blurred and compressed images"
    sees: ClassVar[Sees] = "reals+fakes"
    scores: ClassVar[Scores] = (S_SL,)
    Settings: ClassVar[type[Group]] = CnnDetectionSettings
    recipe: ClassVar[Mapping[str, Any]] = {
        "train.backbone": "resnet50",
        "train.crop_size": 224,
        "train.batch_size": 64,
        "train.optimizer": "adam",
        "train.learning_rate": 1e-4,
        "train.betas": (0.9, 0.999),
        "train.schedule": "plateau",
        "train.monitor": "accuracy",
        "train.lr_factor": 0.1,
        "train.plateau_patience": 4,  # the fifth epoch without a rise is one too many
        "train.plateau_threshold": 0.001,
        "train.min_learning_rate": 1e-6,
        "train.patience": 1000,  # the learning rate ends training
        "train.max_epochs": 1000,
        "augment.resize": 256,
        "augment.blur_prob": 0.5,
        "augment.blur_sigma": (0.0, 3.0),
        "augment.jpeg_prob": 0.5,
        "augment.jpeg_quality": (30, 100),
        "augment.jpeg_method": "both",
        "augment.flip_prob": 0.5,
    }

    def __init__(self, architecture: Architecture, settings: Group) -> None:
        super().__init__(architecture, settings)
        nn.init.normal_(self.classifier.weight, 0.0, _DEVIATION)

    @classmethod
    def recipe_of(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """The recipe with the shares of the version and the plateau of paper or code."""
        share = settings.get("version", VERSIONS[0])
        restart = 0.002 if settings.get("plateau") == "code" else None
        shares = {"augment.blur_prob": share, "augment.jpeg_prob": share}
        return {**cls.recipe, **shares, "train.plateau_restart": restart}

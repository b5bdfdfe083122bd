"""The interface of a detector: what its module gives to training, scoring and reports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from fakeforensics.metrics.spec import Scores
from fakeforensics.models.backbone import BackboneFacts, build_backbone, start_backbone
from fakeforensics.models.card import Architecture, DetectorCard, Sees
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.params import Group

FITTED = "fitted_"  # how the names of the buffers that hold fitted arrays begin
Values = dict[str, Float[Tensor, " batch"]]
Labels = Float[Tensor, " batch"]


class NoSettings(Group):
    """A detector without settings of its own."""


class Detector(nn.Module, ABC):
    """A detector: a module `fakeforensics.detectors.<name>` holds one subclass with that `name`.

    Subclass `NetworkDetector`, `HeadDetector` or `ForeignDetector`.

    Args:
        architecture: The parameters of the network.
        settings: An instance of `Settings`.

    Attributes:
        name: The name of its module and in params.yaml.
        label: Short name for tables.
        title: A description in a few words.
        sees: What it is trained and validated on. `reals` never gets a fake, whatever the protocol holds.
            `reals+simulated` gets no fakes either, but makes its own. `reals+reference` gets reals and the
            labeled images of a reference set. `elsewhere` gets nothing here.
        scores: Its scores. The first is the main one; of equally good ones the last is preferred.
        Settings: Schema of its own settings, which `detector_settings` in params.yaml may change.
        inherits: For a setting, the parameter of params.yaml that is its default, such as
            {"center": "train.center"}.
        recipe: The values of the groups `train` and `augment` that its authors prescribe, such as
            {"train.learning_rate": 1e-3}. They replace those of params.yaml. The values of a protocol, and
            `train` and `augment` in `detector_settings`, replace the recipe.
        backbone: f, if the detector called `use_backbone`.
        runs_code: Whether loading it runs code that its card names; only the pipeline does so.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    title: ClassVar[str]
    sees: ClassVar[Sees]
    scores: ClassVar[Scores]
    Settings: ClassVar[type[Group]] = NoSettings
    inherits: ClassVar[Mapping[str, str]] = {}
    recipe: ClassVar[Mapping[str, Any]] = {}
    backbone: nn.Module
    facts: BackboneFacts | None = None
    runs_code: bool = False

    def __init__(self, architecture: Architecture, settings: Group) -> None:
        super().__init__()
        self.architecture = architecture
        self.settings = settings

    @classmethod
    def complete(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Add what the files named in the settings determine, such as hashes. Called when resolving them."""
        return settings

    @classmethod
    def recipe_of(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG003
        """The recipe; a detector with several chooses one by its settings, which are not validated yet."""
        return cls.recipe

    def use_backbone(self) -> BackboneFacts:
        """Build the backbone of the architecture as `self.backbone`."""
        self.backbone, self.facts = build_backbone(self.architecture)
        return self.facts

    @abstractmethod
    def score(self, images: Float[Tensor, "batch 3 h w"]) -> Values:
        """The scores of normalized images by column, each higher for an image that is more likely fake."""

    def start_from(self, weights: str, sha256: str | None) -> dict[str, str]:
        """Load `train.weights` into what can start from them, by default the backbone.

        Returns:
            What was loaded, for the record.
        """
        if self.facts is None:
            return {"weights": "none"}
        return start_backbone(self.backbone, self.facts, self.architecture.crop_size, weights, sha256)

    def prepare(self, state: Mapping[str, Tensor]) -> None:
        """Allocate saved tensors whose shapes only training determines; called before they are loaded."""

    @property
    def preprocess(self) -> Preprocess:
        """The steps from an image to the network's input."""
        if self.facts is None:
            return Preprocess(crop_size=self.architecture.crop_size)
        return Preprocess(crop_size=self.architecture.crop_size, mean=self.facts.mean, std=self.facts.std)

    @property
    def heat_layer(self) -> nn.Module | None:
        """The layer whose feature map a heat map shows; None if there is none."""
        if self.facts is None or self.facts.heat_layer is None:
            return None
        return self.backbone.get_submodule(self.facts.heat_layer)

    @property
    def card(self) -> DetectorCard:
        """The part of model.json that describes the detector."""
        return DetectorCard(
            name=self.name,
            label=self.label,
            title=self.title,
            sees=self.sees,
            settings=self.settings.model_dump(mode="json", by_alias=True),
            architecture=self.architecture,
            scores=self.scores,
        )


class NetworkDetector(Detector):
    """A detector that is trained by gradient descent.

    Attributes:
        hooks_see: The training images that `on_start`, `on_epoch_end` and `on_finish` get: the `reals`, or
            `all` that the detector sees.
    """

    hooks_see: ClassVar[Literal["reals", "all"]] = "reals"

    @abstractmethod
    def losses(self, images: Float[Tensor, "batch 3 h w"], output: Any, labels: Labels) -> Labels:
        """The loss of each image; a batch's loss is their mean.

        Args:
            images: Normalized.
            output: What the network returned for them.
            labels: 0 real, 1 fake; 2 + k for an image of class k of the reference set; in training, whatever
                `relabel` made of them.
        """

    @abstractmethod
    def read(self, images: Float[Tensor, "batch 3 h w"], output: Any) -> Values:
        """The scores by column, from the images and what the network returned for them."""

    def score(self, images: Float[Tensor, "batch 3 h w"]) -> Values:
        """The scores of normalized images by column."""
        return self.read(images, self(images))

    def distance(self, output: Any) -> Labels | None:  # noqa: ARG002
        """The distance of each image from what the detector considers real, at least 0; None if undefined.

        The means over validation reals and over validation fakes are recorded after each epoch.
        """
        return None

    def relabel(self, labels: Int[np.ndarray, " images"], seed: int) -> Int[np.ndarray, " images"]:  # noqa: ARG002
        """The labels to train on, by default unchanged; −1 hides one. Called before the optimizer is created.

        A detector may also count classes here.

        Args:
            labels: Of all training images that the detector sees.
            seed: The run's seed, for random draws.
        """
        return labels

    def mix(self, images: Float[Tensor, "batch 3 h w"], labels: Labels) -> Float[Tensor, "batch 3 h w"]:  # noqa: ARG002
        """Mix the normalized images of a training batch before they are encoded; by default do nothing."""
        return images

    def on_start(self, images: Iterable[Float[Tensor, "_ 3 h w"]]) -> None:
        """Run before the first epoch. All three hooks run in evaluation mode without gradients.

        What it computes must be a buffer, so that it is part of a checkpoint.

        Args:
            images: This process's share of the training images that `hooks_see` names, normalized and not
                augmented.
        """

    def on_epoch_end(self, images: Iterable[Float[Tensor, "_ 3 h w"]]) -> None:
        """Run after the training of an epoch, before its validation."""

    def on_finish(self, images: Iterable[Float[Tensor, "_ 3 h w"]]) -> None:
        """Run after the best weights are restored, before they are saved."""


class HeadDetector(Detector):
    """A detector that is fitted once on features, such as a support vector machine on a backbone's codes.

    The fitted values are plain arrays, so that a model is saved without pickle, scores on a GPU and exports.
    """

    def __init__(self, architecture: Architecture, settings: Group) -> None:
        super().__init__(architecture, settings)
        self.build()

    def build(self) -> None:
        """Build what `features` needs: by default the backbone, which is not trained."""
        self.use_backbone()

    def features(self, images: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch dim"]:
        """The features of normalized images; by default the backbone's code."""
        with torch.autocast(images.device.type, enabled=False):
            code: Tensor = self.backbone(images)
        return code.float()

    @property
    def feature_settings(self) -> Mapping[str, Any]:
        """The settings that decide `features`; heads with equal values share the stored features."""
        return {}

    @abstractmethod
    def fit(
        self, features: Float[np.ndarray, "n dim"], labels: Int[np.ndarray, " n"], seed: int
    ) -> dict[str, np.ndarray]:
        """Fit the head.

        Args:
            features: The features of all training images that the detector sees, float64.
            labels: 0 real, 1 fake; 2 + k for an image of class k of the reference set.
            seed: The run's seed, for random draws.

        Returns:
            The arrays that `read` needs, by name.
        """

    @abstractmethod
    def read(self, features: Float[Tensor, "batch dim"], fitted: Mapping[str, Tensor]) -> Values:
        """The scores by column, from features and what `fit` returned, both float64."""

    def score(self, images: Float[Tensor, "batch 3 h w"]) -> Values:
        """The scores of normalized images by column."""
        return self.score_features(self.features(images))

    def score_features(self, features: Float[Tensor, "batch dim"]) -> Values:
        """The scores of images by column, from their features."""
        values = self.read(features.double(), self.fitted)
        return {column: value.float() for column, value in values.items()}

    @property
    def fitted(self) -> dict[str, Tensor]:
        """The arrays that `fit` returned."""
        return {
            name.removeprefix(FITTED): tensor
            for name, tensor in self.named_buffers(recurse=False)
            if name.startswith(FITTED)
        }

    def set_fitted(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Store the arrays that `fit` returned as buffers, in float64."""
        for name, array in arrays.items():
            self.register_buffer(FITTED + name, torch.tensor(np.asarray(array), dtype=torch.float64))

    def prepare(self, state: Mapping[str, Tensor]) -> None:
        """Make room for the fitted arrays."""
        for name, tensor in state.items():
            if name.startswith(FITTED):
                self.register_buffer(name, torch.zeros_like(tensor))


class ForeignDetector(Detector):
    """A detector that was trained elsewhere: it is scored, and nothing is fitted.

    Its threshold and calibration come from the protocol's validation images, like those of the others.
    """

    def start_from(self, weights: str, sha256: str | None) -> dict[str, str]:  # noqa: ARG002
        """Load nothing: `train.weights` are for networks that are trained here."""
        return {"weights": "elsewhere"}

    @abstractmethod
    def write_onnx(self, path: Path) -> None:
        """Write it as one ONNX file; its input is `images`, 8-bit RGB crops, channels first.

        Its outputs are named by the columns of the scores, a number per image each. A detector that runs code
        need not have this form.
        """

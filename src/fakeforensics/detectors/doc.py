"""DOC: deep features that are compact on reals and still describe an unrelated labeled set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from fakeforensics.errors import UserError
from fakeforensics.metrics.spec import Scores, ScoreSpec
from fakeforensics.models.card import Architecture, Sees
from fakeforensics.models.detector import Labels, Values
from fakeforensics.models.late import LateDetector
from fakeforensics.models.latent import Reals
from fakeforensics.params import Count, Group, Number

S_DOC = ScoreSpec(
    name="doc", label="S_DOC", title="distance to the nearest real", column="score_doc", scale="positive"
)
_FIRST = 2  # label of the reference set's first class


class DocSettings(Group):
    """Settings of DOC.

    Args:
        lambda_: λ, the weight of compactness; `lambda` in files.
        compact: What is made compact: the `features` g that are compared in the end, or the `logits` of the
            reference classes, as in the public code.
        templates: Training reals that an image is compared with, evenly spread over those of the first
            process; 40 in the public code.
        default_reference: What takes the place of a protocol's `reference_set` if it has none: scikit-learn's
            1,797 handwritten `digits`, which need no download, or `none`, which is an error.
    """

    lambda_: Annotated[Number, Field(ge=0, alias="lambda")] = 0.1
    compact: Literal["features", "logits"] = "features"
    templates: Annotated[Count, Field(ge=1, le=100_000)] = 40
    default_reference: Literal["digits", "none"] = "digits"


class DocOutput(NamedTuple):
    """Features g and logits of the reference classes of each image, in float32."""

    features: Float[Tensor, "batch width"]
    logits: Float[Tensor, "batch classes"]


def compactness(values: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
    """1/k ‖x_i − m_i‖² of each row, where m_i is the mean of the other n − 1 rows; 0 of a single row.

    Since x_i − m_i = n/(n−1) (x_i − x̄), no mean is computed n times. Their mean over the rows is
    l_C = 1/(nk) Σ ‖x_i − m_i‖².
    """
    count = len(values)
    if count < 2:
        return values.sum(dim=1) * 0
    centered = values - values.mean(dim=0)
    return (count / (count - 1)) ** 2 * centered.square().mean(dim=1)


class Doc(LateDetector):
    """Cross-entropy on the reference set + λ l_C on reals; scored by the distance to the nearest real.

    One network plays both weight-shared branches: a batch holds both kinds of images. The loss is CE + λ l_C.
    CE is the mean over a batch's reference images, and l_C the mean over its reals. Each image's loss is
    weighted so that the mean of the batch equals that sum. The paper's batches hold 32 images of each kind;
    these hold 32 of each kind on average (`train.balance: class`).

    The reference set is the protocol's `reference_set`, in which each source and domain is a class. A
    protocol without one gets scikit-learn's digits. The public code uses ImageNet and a network trained on
    it. The digits need no download, but features that describe digits are poorer.

    Differences from the public code: it computes compactness on the logits, but compares g, the layer before
    them (`compact: logits`). It divides the loss by n² instead of n k. Its gradient belongs to no loss: it is
    that of l_C times k/(2n), divided as integers (15 for 1,000 logits and 32 images), minus a sum over all
    logits. `lambda: 1.5` comes closest to it. Its learning rate never reaches the step, its biases learn at
    twice the rate, and a comment calls the Euclidean distance cosine. It trains the last convolutions and the
    fully connected layers of AlexNet or VGG16. Here the fourth stage of a ResNet is trained, or the fully
    connected layers of AlexNet or VGG16.

    Source:
        Perera and Patel, Learning Deep Features for One-Class Classification, IEEE TIP 28, 2019;
        PramuPerera/DeepOneClass at cdb6bcc.
    """

    name: ClassVar[str] = "doc"
    label: ClassVar[str] = "DOC"
    title: ClassVar[str] = "features compact on reals that still describe a reference set"
    sees: ClassVar[Sees] = "reals+reference"
    scores: ClassVar[Scores] = (S_DOC,)
    Settings: ClassVar[type[Group]] = DocSettings
    recipe: ClassVar[Mapping[str, Any]] = {
        "train.optimizer": "sgd",
        "train.learning_rate": 5e-5,
        "train.momentum": 0.9,
        "train.weight_decay": 5e-4,
        "train.lr_decay": 1.0,
        "train.batch_size": 64,
        "train.balance": "class",
        "train.max_steps": 700,
        "train.patience": 700,
        "train.max_epochs": 700,
    }
    settings: DocSettings
    templates: Tensor

    def __init__(self, architecture: Architecture, settings: Group) -> None:
        super().__init__(architecture, settings)
        self.classifier = nn.Linear(self.width, 1)
        self.register_buffer("templates", torch.zeros(self.settings.templates, self.width))

    def relabel(self, labels: Int[np.ndarray, " images"], seed: int) -> Int[np.ndarray, " images"]:  # noqa: ARG002
        """Count the reference set's classes and build the classifier for them; the labels stay.

        Raises:
            UserError: If there are fewer than two.
        """
        classes = int(labels.max()) - _FIRST + 1
        if classes < 2:
            raise UserError(
                "the detector 'doc' learns from a reference set of several classes",
                expected="at least two of its sources or domains",
                found=str(max(classes, 0)),
                fix="name more sources or domains in the protocol's `reference_set`",
            )
        self._build_classifier(classes)
        return labels

    def prepare(self, state: Mapping[str, Tensor]) -> None:
        """Build the classifier for as many classes as were saved."""
        self._build_classifier(len(state["classifier.bias"]))

    def _build_classifier(self, classes: int) -> None:
        self.classifier = nn.Linear(self.width, classes).to(self.templates.device)

    def forward(self, images: Float[Tensor, "batch 3 h w"]) -> DocOutput:
        """Features and logits of normalized images."""
        features = self.code(images)
        with torch.autocast(images.device.type, enabled=False):
            return DocOutput(features, self.classifier(features))

    def losses(
        self,
        images: Float[Tensor, "batch 3 h w"],  # noqa: ARG002
        output: DocOutput,
        labels: Labels,
    ) -> Labels:
        """Cross-entropy of a reference image, λ l_C of a real, times the batch's size over its kind's."""
        is_real = labels < _FIRST
        reals, others = torch.nonzero(is_real).squeeze(1), torch.nonzero(~is_real).squeeze(1)
        made_compact = output.features if self.settings.compact == "features" else output.logits
        compact = self.settings.lambda_ * compactness(made_compact[reals])
        entropy = functional.cross_entropy(
            output.logits[others], labels[others].long() - _FIRST, reduction="none"
        )
        losses = output.logits.sum(dim=1) * 0  # every parameter gets a gradient, whatever the batch holds
        for rows, values in ((reals, compact), (others, entropy)):
            losses = losses.index_add(0, rows, values * (len(labels) / max(1, len(rows))))
        return losses

    def on_finish(self, images: Reals) -> None:
        """Keep the features of templates, evenly spread over the reals."""
        found = torch.cat([self.code(batch) for batch in images])
        rows = torch.linspace(0, len(found) - 1, len(self.templates), device=found.device).round().long()
        self.templates.copy_(found[rows])

    def read(self, images: Float[Tensor, "batch 3 h w"], output: DocOutput) -> Values:  # noqa: ARG002
        """The Euclidean distance of g to the nearest template."""
        features, templates = output.features.double(), self.templates.double()
        squares = features.square().sum(dim=1, keepdim=True) + templates.square().sum(dim=1)
        squares = squares - 2 * features @ templates.T
        return {S_DOC.column: squares.amin(dim=1).clamp_min(0).sqrt().float()}

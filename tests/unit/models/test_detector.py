"""The contract, by detectors that are not the package's own."""

import re
import textwrap
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from fakeforensics.metrics.spec import ScoreSpec
from fakeforensics.models.card import Architecture
from fakeforensics.models.detector import HeadDetector, NetworkDetector, NoSettings

SCORE = ScoreSpec(name="t", label="S_T", title="a toy's", column="toy", scale="real")


class Own(NetworkDetector):
    """A network of its own, without a backbone of torchvision."""

    name: ClassVar = "own"
    label: ClassVar = "Own"
    title: ClassVar = "a network of its own"
    sees: ClassVar = "reals"
    scores: ClassVar = (SCORE,)

    def __init__(self, architecture, settings):
        super().__init__(architecture, settings)
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images):
        return images.mean(dim=(1, 2, 3)) * self.weight

    def losses(self, images, output, labels):
        return (output - images.amax(dim=(1, 2, 3))).square()

    def read(self, images, output):
        return {"toy": output}


class Head(HeadDetector):
    name: ClassVar = "head"
    label: ClassVar = "Head"
    title: ClassVar = "distance to the mean"
    sees: ClassVar = "reals"
    scores: ClassVar = (SCORE,)

    def build(self):
        """It needs none."""

    def features(self, images):
        return images.mean(dim=(2, 3))

    def fit(self, features, labels, seed):
        return {"mean": features.mean(axis=0)}

    def read(self, features, fitted):
        return {"toy": (features - fitted["mean"]).square().sum(dim=1)}


def test_a_network_without_a_backbone_starts_from_nothing_and_has_no_heat_map():
    detector = Own(Architecture(crop_size=48), NoSettings())
    assert detector.start_from("imagenet", None) == {"weights": "none"}
    assert detector.heat_layer is None
    assert detector.preprocess.crop_size == 48
    scores = detector.score(torch.full((2, 3, 48, 48), 3.0))
    assert scores["toy"].tolist() == pytest.approx([3.0, 3.0])
    assert detector.distance(detector(torch.zeros(1, 3, 48, 48))) is None


def test_a_detector_with_a_backbone_shows_its_last_map_and_its_normalization():
    detector = Own(Architecture(crop_size=32), NoSettings())
    facts = detector.use_backbone()
    assert detector.heat_layer is detector.backbone.layer4
    assert (detector.preprocess.mean, detector.preprocess.std) == (facts.mean, facts.std)


def test_the_card_says_what_a_detector_declares():
    card = Own(Architecture(crop_size=48), NoSettings()).card
    assert (card.name, card.label, card.title, card.sees) == ("own", "Own", "a network of its own", "reals")
    assert card.scores == (SCORE,)
    assert card.settings == {}
    assert card.architecture.crop_size == 48


def test_what_was_fitted_is_kept_in_float64_and_scores_are_float32():
    head = Head(Architecture(crop_size=32), NoSettings())
    images = torch.zeros(2, 3, 32, 32)
    images[1] = 2.0
    features = head.features(images).double().numpy()
    head.set_fitted(head.fit(features, np.zeros(2, np.int64), seed=0))
    assert head.fitted["mean"].dtype == torch.float64
    assert list(head.state_dict()) == ["fitted_mean"]
    # the mean of 0 and 2 is 1: either lies 1 away in each of the three channels
    scores = head.score(images)["toy"]
    assert scores.dtype == torch.float32
    assert scores.tolist() == [3.0, 3.0]


def test_room_is_made_for_what_only_fitting_knew():
    head = Head(Architecture(crop_size=32), NoSettings())
    state = {"fitted_mean": torch.ones(3, dtype=torch.float64)}
    head.prepare(state)
    head.load_state_dict(state)
    assert head.fitted["mean"].tolist() == [1.0, 1.0, 1.0]


def test_the_network_that_the_page_shows_trains_and_scores():
    page = (Path(__file__).parents[3] / "docs/detectors.md").read_text(encoding="utf-8")
    block = re.search(r"(?:^    .*\n|^\n)*^    class TinyCnn.*\n(?:^    .*\n|^\n)*", page, flags=re.MULTILINE)
    assert block is not None
    found = {}
    exec(textwrap.dedent(block[0]), found)
    detector = found["TinyCnn"](Architecture(crop_size=32), NoSettings())
    images, labels = torch.rand(4, 3, 32, 32), torch.tensor([0.0, 1, 0, 1])
    output = detector(images)
    assert detector.losses(images, output, labels).shape == (4,)
    (score,) = detector.scores
    assert detector.read(images, output)[score.column].shape == (4,)

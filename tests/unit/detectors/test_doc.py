import math

import numpy as np
import pytest
import torch

from fakeforensics.detectors.doc import DocOutput, compactness
from fakeforensics.errors import UserError
from tests.unit.detectors.networks import build, check_contract, shorten_resnet, striped

LABELS = np.array([0, 0, 2, 3])


def build_doc(size=64, classes=2, **settings):
    detector = build("doc", size, **settings)
    detector.relabel(np.append(LABELS, classes + 1), seed=0)
    return detector


def test_hand_worked_compactness():
    # Rows of two numbers. The others' means: of (0, 0) it is (3, 0), of (6, 0) (0, 0), of (0, 0) (3, 0).
    values = torch.tensor([[0.0, 0.0], [6.0, 0.0], [0.0, 0.0]])
    assert compactness(values).tolist() == pytest.approx([9 / 2, 36 / 2, 9 / 2])
    # The paper's n/((n−1)² k) Σ ‖x_i − x̄‖² is their mean: 3/(4·2)·(4 + 16 + 4) = 9
    assert compactness(values).mean().item() == pytest.approx(9.0)
    assert compactness(values[:1]).tolist() == [0.0]
    assert compactness(values[:0]).tolist() == []


@pytest.mark.parametrize(("compact", "expected"), [("features", 8.0), ("logits", 2.0)])
def test_the_batchs_mean_is_the_papers_sum(monkeypatch, compact, expected):
    shorten_resnet(monkeypatch)
    detector = build_doc(32, compact=compact, **{"lambda": 0.5})
    # Two reals with features (0, 4) and (0, 0), one reference image with even logits: CE = log 2. Each real
    # is 16/2 = 8 from the other's features, or, by the logits (2, 0) and (0, 0), 4/2 = 2.
    features = torch.tensor([[0.0, 4.0], [0.0, 0.0], [9.0, 9.0]])
    logits = torch.tensor([[2.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    losses = detector.losses(
        torch.zeros(3, 3, 32, 32), DocOutput(features, logits), torch.tensor([0.0, 0.0, 3.0])
    )
    assert losses.tolist() == pytest.approx([0.5 * expected * 3 / 2] * 2 + [3 * math.log(2)])
    assert losses.mean().item() == pytest.approx(math.log(2) + 0.5 * expected)


def test_the_score_is_the_distance_to_the_nearest_template(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build_doc(32, templates=2)
    detector.templates[1] = 1.0
    features = torch.zeros(2, 512)
    features[0, 0], features[1] = 3.0, 1.5
    # (3, 0, …) is 3 from zero; 1.5 everywhere is 0.5 √512 from the ones
    found = detector.read(torch.zeros(2, 3, 32, 32), DocOutput(features, torch.zeros(2, 2)))["score_doc"]
    assert found.tolist() == pytest.approx([3.0, 0.5 * math.sqrt(512)])


def test_templates_are_spread_over_the_reals_and_a_real_is_at_distance_zero(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build_doc(templates=3).eval()
    images, _ = striped(5)
    with torch.no_grad():
        detector.on_finish([images[:2], images[2:]])
        scores = detector.score(images)["score_doc"]
    assert scores[[0, 2, 4]].tolist() == pytest.approx([0, 0, 0], abs=0.01)
    assert (scores[[1, 3]] > 0.01).all()


def test_compactness_and_classes_are_both_learned(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build_doc(32)
    images, odd = striped(16, 32)
    labels = torch.where(torch.arange(16) < 8, 2 + odd, 0.0)
    images[8:] = 0.3 * torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    step = torch.optim.SGD([one for one in detector.parameters() if one.requires_grad], lr=0.05, momentum=0.9)
    history = []
    detector.train()
    for _ in range(10):
        step.zero_grad()
        output = detector(images)
        losses = detector.losses(images, output, labels)
        losses.mean().backward()
        step.step()
        history.append(losses.mean().item())
    assert history[-1] < history[0] / 2
    assert (output.logits[:8].argmax(dim=1) == odd[:8]).all()


@pytest.mark.parametrize(
    "labels", [[0.0, 0.0, 2.0, 3.0], [0.0] * 4, [2.0, 3.0, 2.0, 3.0], [0.0, 2.0, 2.0, 3.0]]
)
def test_contract(monkeypatch, labels):
    shorten_resnet(monkeypatch)
    detector = build_doc()
    assert detector.sees == "reals+reference"
    check_contract(detector, torch.tensor(labels))


def test_as_many_classes_as_were_saved(monkeypatch):
    shorten_resnet(monkeypatch)
    saved, loaded = build_doc(32, classes=3), build("doc", 32)
    loaded.prepare(saved.state_dict())
    loaded.load_state_dict(saved.state_dict())
    assert loaded.classifier.out_features == 3


@pytest.mark.parametrize(("labels", "found"), [([0, 0], "0"), ([0, 2], "1")])
def test_a_reference_set_of_one_class_is_refused(labels, found):
    with pytest.raises(UserError, match=f"several classes(?s:.*){found}"):
        build("doc", 32).relabel(np.array(labels), seed=0)


@pytest.mark.parametrize("wrong", [{"lambda": -1}, {"templates": 0}, {"compact": "g"}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UserError):
        build("doc", 32, **wrong)

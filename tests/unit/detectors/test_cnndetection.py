import pytest
import torch

from fakeforensics.detectors.cnndetection import CnnDetection
from fakeforensics.errors import UserError
from fakeforensics.params import Params
from fakeforensics.training.settings import resolve_settings
from tests.unit.detectors.networks import (
    build,
    check_contract,
    rates,
    separation,
    shorten_resnet,
    train,
    train_params,
)


def test_the_classifier_starts_near_zero():
    weight = build("cnndetection", 32).classifier.weight
    # 512 draws of N(0, 0.02): their standard deviation is within 0.0031 (5 of its own deviations)
    assert float(weight.detach().std()) == pytest.approx(0.02, abs=0.0031)
    assert float(weight.detach().mean()) == pytest.approx(0.0, abs=0.0045)


@pytest.mark.parametrize(("settings", "share"), [({}, 0.5), ({"version": 0.5}, 0.5), ({"version": 0.1}, 0.1)])
def test_the_version_decides_how_often_images_are_blurred_and_compressed(settings, share):
    recipe = CnnDetection.recipe_of(settings)
    assert (recipe["augment.blur_prob"], recipe["augment.jpeg_prob"]) == (share, share)
    shares = {"augment.blur_prob": 0.5, "augment.jpeg_prob": 0.5}
    assert {**recipe, **shares} == {**CnnDetection.recipe, "train.plateau_restart": None}


def test_the_version_reaches_the_resolved_settings_and_params_go_before_it():
    own = {"version": 0.1, "augment": {"blur_prob": 0.7}}
    params = Params(
        protocols=["demo"],
        detectors=["cnndetection"],
        detector_settings={"cnndetection": own},
        compare={"baseline": "cnndetection"},
        sources={},
    )
    settings = resolve_settings(
        params, "demo", "cnndetection", where="demo.yaml", overrides={"train": {}, "augment": {}}
    )
    assert (settings.augment.blur_prob, settings.augment.jpeg_prob) == (0.7, 0.1)
    assert (settings.augment.resize, settings.augment.jpeg_method) == (256, "both")
    assert (settings.train.backbone, settings.train.schedule) == ("resnet50", "plateau")
    assert settings.own == {"version": 0.1, "plateau": "paper"}


def test_it_separates_stripes(monkeypatch):
    shorten_resnet(monkeypatch)
    assert separation(train(build("cnndetection"), 10)) > 0.95


def test_contract(monkeypatch):
    shorten_resnet(monkeypatch)
    detector = build("cnndetection")
    assert detector.sees == "reals+fakes"
    check_contract(detector, torch.tensor([0.0, 1.0, 0.0, 1.0]))


def test_the_codes_way_with_a_plateau():
    params = train_params(CnnDetection.recipe_of({"plateau": "code"}))
    assert params.plateau_restart == 0.002
    assert train_params(CnnDetection.recipe_of({})).plateau_restart is None


@pytest.mark.parametrize("version", [0.3, 1, "half"])
def test_another_version_is_refused(version):
    with pytest.raises(UserError):
        build("cnndetection", 32, version=version)


def test_the_rate_falls_when_five_epochs_bring_no_rise():
    params = train_params(CnnDetection.recipe)
    # epoch 0 is the best: 0.9005 is less than 0.001 above it. Epochs 1 to 5 bring no rise.
    accuracies = [0.9, 0.9005, 0.9, 0.9, 0.9, 0.9]
    expected = [1e-4] * 6 + [1e-5]
    assert rates(params, [1.0] * 6, accuracies) == pytest.approx(expected)
    assert rates(params, [1.0] * 6, [*accuracies[:5], 0.902]) == pytest.approx([1e-4] * 7)

from pathlib import Path
from typing import Any

import pytest

from fakeforensics.errors import UserError
from fakeforensics.params import Params
from fakeforensics.splits.settings import check_detectors, resolve_settings

PROTOCOL = """
title: t
train: [{source: a}]
test: {x: [{source: a}]}
params: {train: {max_epochs: 3}, augment: {flip_prob: 0.0}}
"""
ALL = ("bce", "sad", "joint", "deep_svdd", "oc_svm")


def params(**values: Any) -> Params:
    needed = {
        "protocols": ["p"],
        "sources": {},
        "detectors": ["bce", "joint"],
        "compare": {"baseline": "bce"},
    }
    return Params.model_validate(needed | values)


def resolve(folder: Path, detector: str, protocol: str = PROTOCOL, **values: Any) -> dict[str, Any]:
    (folder / "p.yaml").write_text(protocol)
    return resolve_settings(params(**values), "p", detector, folder).stored()


def check(folder: Path, protocol: str = PROTOCOL, **values: Any) -> None:
    (folder / "p.yaml").write_text(protocol)
    check_detectors(params(**values), "p", folder)


def test_lambda_is_in_the_joint_settings_alone(tmp_path: Path) -> None:
    assert resolve(tmp_path, "joint", **{"lambda": 0.1})["own"]["lambda"] == 0.1
    for detector in ("bce", "sad", "deep_svdd", "oc_svm"):
        low, high = (resolve(tmp_path, detector, **{"lambda": value}) for value in (0.1, 1))
        assert low == high


def test_the_center_is_inherited_by_the_thesis_detectors_that_have_one(tmp_path: Path) -> None:
    own = {name: resolve(tmp_path, name, train={"center": "init"})["own"] for name in ("bce", "sad", "joint")}
    assert own["bce"] == {}
    assert own["sad"] == {"center": "init"}
    assert own["joint"] == {"center": "init", "lambda": 0.01}
    for center in ("init", "epoch"):
        assert resolve(tmp_path, "deep_svdd", train={"center": center})["own"] == {"center": "init"}


def test_an_inherited_setting_takes_the_protocols_override(tmp_path: Path) -> None:
    protocol = PROTOCOL.replace("max_epochs: 3", "center: init")
    assert resolve(tmp_path, "sad", protocol)["own"] == {"center": "init"}


def test_settings_of_a_detector_go_before_what_it_inherits_and_touch_no_other(tmp_path: Path) -> None:
    changed = {"deep_svdd": {"center": "epoch"}, "joint": {"lambda": 0.5}, "oc_svm": {"nu": 0.2}}
    own = {name: resolve(tmp_path, name, detector_settings=changed)["own"] for name in ALL}
    assert own["deep_svdd"] == {"center": "epoch"}
    assert own["joint"] == {"center": "epoch", "lambda": 0.5}
    assert own["oc_svm"] == {"nu": 0.2, "gamma": "scale", "most_reals": 10_000}
    assert own["sad"] == {"center": "epoch"}


@pytest.mark.parametrize(
    ("detector", "settings", "message"),
    [
        ("bce", {"lambda": 0.1}, r"detector_settings\.bce: unknown key `lambda`"),
        ("joint", {"lambda": -1}, r"detector_settings\.joint: `lambda`"),
        ("oc_svm", {"nu": 1.5}, r"detector_settings\.oc_svm: `nu`"),
        ("oc_svm", {"gamma": "auto"}, r"detector_settings\.oc_svm: `gamma"),
        ("sad", {"center": "never"}, r"detector_settings\.sad: `center`"),
    ],
)
def test_a_faulty_setting_of_a_detector_is_named(
    tmp_path: Path, detector: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        resolve(tmp_path, detector, detector_settings={detector: settings})


def test_the_protocols_own_settings_replace_those_of_params(tmp_path: Path) -> None:
    settings = resolve(tmp_path, "bce", train={"max_epochs": 50, "batch_size": 8})
    assert settings["train"]["max_epochs"] == 3
    assert settings["train"]["batch_size"] == 8
    assert settings["augment"]["flip_prob"] == 0


def test_who_does_the_work_is_no_part_of_the_experiment(tmp_path: Path) -> None:
    here, there = ({"workers": 2, "devices": 1}, {"workers": "auto", "devices": 4})
    assert resolve(tmp_path, "bce", train=here) == resolve(tmp_path, "bce", train=there)


@pytest.mark.parametrize(
    "fault", ["{train: {epochs: 3}}", "{train: {max_epochs: 0}}", "{faces: {size: 128}}"]
)
def test_an_override_that_is_no_setting_is_refused(tmp_path: Path, fault: str) -> None:
    with pytest.raises(UserError, match=r"p\.yaml"):
        resolve(tmp_path, "bce", PROTOCOL.split("params")[0] + f"params: {fault}")


def test_an_unknown_detector_or_backbone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown detector 'svdd'"):
        resolve(tmp_path, "svdd")
    with pytest.raises(UserError, match="unknown backbone 'resnet'"):
        resolve(tmp_path, "bce", train={"backbone": "resnet"})


@pytest.mark.parametrize(
    ("protocol", "values"),
    [
        (PROTOCOL + "detectors: [svdd, bce]\n", {}),
        (PROTOCOL, {"compare": {"baseline": "svdd"}}),
        (PROTOCOL, {"detector_settings": {"svdd": {}}}),
    ],
)
def test_an_unknown_detector_is_refused_wherever_it_is_named(
    tmp_path: Path, protocol: str, values: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match="unknown detector 'svdd'"):
        check(tmp_path, protocol, **values)


def test_a_protocol_may_narrow_the_detectors(tmp_path: Path) -> None:
    protocol = PROTOCOL + "detectors: [joint, deep_svdd]\n"
    check(tmp_path, protocol)
    assert "left_out" not in resolve(tmp_path, "joint", protocol)
    reason = resolve(tmp_path, "bce", protocol)["left_out"]
    assert "p.yaml" in reason
    assert "joint, deep_svdd" in reason


def test_a_protocol_that_leaves_out_every_detector_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"deep_svdd(?s:.*)\[bce, joint\](?s:.*)add deep_svdd to `detectors`"):
        check(tmp_path, PROTOCOL + "detectors: [deep_svdd]\n")


def test_the_code_is_that_of_the_detector_and_of_those_it_imports(tmp_path: Path) -> None:
    code = resolve(tmp_path, "joint")["code"]
    assert list(code) == [f"fakeforensics.detectors.{name}" for name in ("bce", "joint", "sad")]
    assert list(resolve(tmp_path, "oc_svm")["code"]) == ["fakeforensics.detectors.oc_svm"]


def test_the_numbers_of_instances_are_passed_on(tmp_path: Path) -> None:
    settings = resolve(tmp_path, "bce", PROTOCOL + "instances: {seen: [1, 2], fakes: 4, val_fakes: 2}\n")
    assert settings["instances"] == [1, 2]

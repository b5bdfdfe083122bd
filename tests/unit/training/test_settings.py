import json
from typing import Any

import pytest

from fakeforensics.detectors.bce import Bce
from fakeforensics.errors import UserError
from fakeforensics.params import Params, TrainParams
from fakeforensics.training.settings import check_detectors, load_settings, resolve_settings

GOOD = {
    "protocol": "demo",
    "detector": "joint",
    "seed": 0,
    "own": {"lambda": 0.1},
    "train": {},
    "augment": {},
    "code": {"fakeforensics.detectors.joint": "f" * 64},
}


def load(tmp_path, value):
    path = tmp_path / "joint.json"
    path.write_text(json.dumps(value))
    return load_settings(path)


def test_resolved_settings_are_read(tmp_path):
    settings = load(tmp_path, GOOD | {"train": {"batch_size": 8}})
    assert (settings.own, settings.train.batch_size, settings.train.patience) == ({"lambda": 0.1}, 8, 10)


def test_the_record_holds_every_value_but_what_the_card_says_elsewhere(tmp_path):
    settings = load(tmp_path, GOOD)
    assert set(settings.resolved()) == {"seed", "train", "augment"}
    assert settings.resolved()["train"]["betas"] == [0.9, 0.999]


def test_what_is_stored_is_what_is_read_without_the_machine(tmp_path):
    settings = load(tmp_path, GOOD)
    stored = settings.stored()
    assert set(stored) == set(GOOD)  # no `left_out`
    assert not {"workers", "devices"} & set(stored["train"])
    assert load(tmp_path, stored) == settings
    more = {"left_out": "narrowed"}
    assert load(tmp_path, GOOD | more).stored() == stored | more


def test_the_machine_decides_who_works_and_nothing_else(tmp_path):
    settings = load(tmp_path, GOOD | {"train": {"batch_size": 8}})
    moved = settings.on_machine(TrainParams(workers=3, devices=2, batch_size=64))
    assert (moved.train.workers, moved.train.devices, moved.train.batch_size) == (3, 2, 8)
    assert moved.resolved() == settings.resolved()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lambda": 0.1}, "unknown key `lambda`"),
        ({"detector": None}, "`detector`"),
        ({"seed": -1}, "`seed`"),
        ({"train": {"batchsize": 8}}, "unknown key `train.batchsize`"),
        ({"train": {"batch_size": 0}}, "`train.batch_size`"),
        ({"train": {"learning_rate": "1e-4"}}, "`train.learning_rate`"),
        ({"augment": {"blur_sigma": [3, 1]}}, "above the upper end"),
        ({"augment": {"jpeg_quality": [30, 101]}}, "`augment.jpeg_quality"),
    ],
)
def test_what_is_wrong_is_named_before_any_work(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        load(tmp_path, GOOD | change)


def test_a_missing_file_names_the_stage_that_writes_it(tmp_path):
    with pytest.raises(UserError, match="run the stage `settings`"):
        load_settings(tmp_path / "joint.json")


ALL = ("bce", "sad", "joint", "deep_svdd", "oc_svm")
OVERRIDES: dict[str, Any] = {"train": {"max_epochs": 3}, "augment": {"flip_prob": 0.0}}


def params(**values: Any) -> Params:
    needed = {
        "protocols": ["p"],
        "sources": {},
        "detectors": ["bce", "joint"],
        "compare": {"baseline": "bce"},
    }
    return Params.model_validate(needed | values)


def resolve(
    detector: str,
    overrides: dict[str, Any] = OVERRIDES,
    detectors: tuple[str, ...] | None = None,
    as_written: bool = False,
    **values: Any,
) -> dict[str, Any]:
    run = resolve_settings(
        params(**values),
        "p",
        detector,
        where="p.yaml",
        overrides=overrides,
        detectors=detectors,
        as_written=as_written,
    )
    return run.stored()


def test_a_protocol_sets_a_detector_and_params_go_before_it() -> None:
    of_protocol = {"svdd": {"nu": 0.3, "gamma": 2.0, "train": {"crop_size": 64, "max_epochs": 5}}}
    overrides = OVERRIDES | {"detector_settings": of_protocol}
    assert resolve("svdd", overrides)["own"].items() >= {"nu": 0.3, "gamma": 2.0}.items()
    mine = {"svdd": {"nu": 0.2, "train": {"crop_size": 96}}}
    run = resolve("svdd", overrides, detector_settings=mine)
    assert run["own"].items() >= {"nu": 0.2, "gamma": 2.0}.items()
    # 5 of the detector goes before 3 of the protocol; 96 of params.yaml before 64.
    assert (run["train"]["max_epochs"], run["train"]["crop_size"]) == (5, 96)
    assert resolve("oc_svm", overrides)["own"] == resolve("oc_svm")["own"]


@pytest.mark.parametrize(
    ("faulty", "place"),
    [({"nu": 7}, r"p\.yaml: params\.detector_settings\.svdd"), ({"train": {"crop": 7}}, r"svdd\.train")],
)
def test_a_faulty_setting_of_a_protocol_names_the_protocol(faulty: dict[str, Any], place: str) -> None:
    with pytest.raises(UserError, match=place):
        resolve("svdd", OVERRIDES | {"detector_settings": {"svdd": faulty}})


def test_lambda_is_in_the_joint_settings_alone() -> None:
    assert resolve("joint", **{"lambda": 0.1})["own"]["lambda"] == 0.1
    for detector in ("bce", "sad", "deep_svdd", "oc_svm"):
        low, high = (resolve(detector, **{"lambda": value}) for value in (0.1, 1))
        assert low == high


def test_the_center_is_inherited_by_the_thesis_detectors_that_have_one() -> None:
    own = {name: resolve(name, train={"center": "init"})["own"] for name in ("bce", "sad", "joint")}
    assert own["bce"] == {}
    assert own["sad"] == {"center": "init"}
    assert own["joint"] == {"center": "init", "lambda": 0.01}
    for center in ("init", "epoch"):
        assert resolve("deep_svdd", train={"center": center})["own"]["center"] == "init"


def test_as_written_neither_augments_nor_moves_the_center_unless_the_protocol_says_so() -> None:
    augmenting = {"blur_prob": 0.5, "jpeg_prob": 0.5, "resize": 256}
    overrides: dict[str, Any] = {"train": {"precision": "bf16"}, "augment": {}}
    run = resolve("sad", overrides, as_written=True, augment=augmenting)
    assert run["own"] == {"center": "init"}
    assert run["train"]["precision"] == "bf16"
    assert run["train"]["learning_rate"] == 0.0001  # what the thesis states is what params.yaml says
    off = ("blur_prob", "jpeg_prob", "flip_prob", "vertical_flip_prob")
    assert {name: run["augment"][name] for name in off} == dict.fromkeys(off, 0.0)
    assert (run["augment"]["crop"], run["augment"]["resize"]) == ("center", None)
    assert resolve("sad", overrides, augment=augmenting)["augment"]["crop"] == "random"


def test_an_inherited_setting_takes_the_protocols_override() -> None:
    overrides = OVERRIDES | {"train": {"center": "init"}}
    assert resolve("sad", overrides)["own"] == {"center": "init"}


def test_settings_of_a_detector_go_before_what_it_inherits_and_touch_no_other() -> None:
    changed = {"deep_svdd": {"center": "epoch"}, "joint": {"lambda": 0.5}, "oc_svm": {"nu": 0.2}}
    own = {name: resolve(name, detector_settings=changed)["own"] for name in ALL}
    assert own["deep_svdd"]["center"] == "epoch"
    assert own["joint"] == {"center": "epoch", "lambda": 0.5}
    assert (own["oc_svm"]["nu"], own["oc_svm"]["most_reals"]) == (0.2, 10_000)
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
    detector: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        resolve(detector, detector_settings={detector: settings})


def test_the_protocols_own_settings_replace_those_of_params() -> None:
    settings = resolve("bce", train={"max_epochs": 50, "batch_size": 8})
    assert settings["train"]["max_epochs"] == 3
    assert settings["train"]["batch_size"] == 8
    assert settings["augment"]["flip_prob"] == 0


def test_a_recipe_goes_before_params_and_behind_protocol_and_detector_settings(monkeypatch) -> None:
    recipe = {"train.patience": 30, "train.batch_size": 16, "train.max_epochs": 200, "augment.blur_prob": 0.5}
    monkeypatch.setattr(Bce, "recipe", recipe)
    changed = {"bce": {"train": {"batch_size": 4}, "augment": {"jpeg_prob": 0.25}}}
    settings = resolve("bce", train={"patience": 2, "batch_size": 8}, detector_settings=changed)
    train, augment = settings["train"], settings["augment"]
    # 3 epochs and no flip are the protocol's
    assert (train["patience"], train["max_epochs"], train["batch_size"]) == (30, 3, 4)
    assert (augment["blur_prob"], augment["jpeg_prob"], augment["flip_prob"]) == (0.5, 0.25, 0.0)
    assert settings["own"] == {}
    assert resolve("joint", train={"patience": 2})["train"]["patience"] == 2


def test_a_faulty_recipe_is_named(monkeypatch) -> None:
    monkeypatch.setattr(Bce, "recipe", {"train.batchsize": 16})
    with pytest.raises(UserError, match="recipe of the detector 'bce': train: unknown key `batchsize`"):
        resolve("bce")


def test_accuracy_is_monitored_only_where_a_score_has_two_sides() -> None:
    overrides = OVERRIDES | {"train": {"monitor": "accuracy"}}
    assert resolve("bce", overrides)["train"]["monitor"] == "accuracy"
    with pytest.raises(UserError, match="only ranks images"):
        resolve("sad", overrides)


def test_who_does_the_work_is_no_part_of_the_experiment() -> None:
    here, there = ({"workers": 2, "devices": 1}, {"workers": "auto", "devices": 4})
    assert resolve("bce", train=here) == resolve("bce", train=there)


@pytest.mark.parametrize(
    "fault", [{"train": {"epochs": 3}}, {"train": {"max_epochs": 0}}, {"augment": {"flip": 1}}]
)
def test_an_override_that_is_no_setting_is_refused(fault: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"p\.yaml: params\.(train|augment)"):
        resolve("bce", OVERRIDES | fault)


def test_an_unknown_detector_or_backbone_is_refused() -> None:
    with pytest.raises(UserError, match="unknown detector 'iforest'"):
        resolve("iforest")
    with pytest.raises(UserError, match="unknown backbone 'resnet'"):
        resolve("bce", train={"backbone": "resnet"})


@pytest.mark.parametrize(
    ("detectors", "values"),
    [
        (("iforest", "bce"), {}),
        (None, {"compare": {"baseline": "iforest"}}),
        (None, {"detector_settings": {"iforest": {}}}),
    ],
)
def test_an_unknown_detector_is_refused_wherever_it_is_named(
    detectors: tuple[str, ...] | None, values: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match="unknown detector 'iforest'"):
        check_detectors(params(**values), "p.yaml", detectors)


def test_a_protocol_may_narrow_the_detectors() -> None:
    detectors = ("joint", "deep_svdd")
    check_detectors(params(), "p.yaml", detectors)
    assert "left_out" not in resolve("joint", detectors=detectors)
    reason = resolve("bce", detectors=detectors)["left_out"]
    assert "p.yaml" in reason
    assert "joint, deep_svdd" in reason


def test_a_protocol_that_leaves_out_every_detector_is_refused() -> None:
    with pytest.raises(UserError, match=r"deep_svdd(?s:.*)\[bce, joint\](?s:.*)add deep_svdd to `detectors`"):
        check_detectors(params(), "p.yaml", ("deep_svdd",))


def test_the_code_is_that_of_the_detector_and_of_those_it_imports() -> None:
    code = resolve("joint")["code"]
    assert list(code) == [f"fakeforensics.detectors.{name}" for name in ("bce", "joint", "sad")]
    assert list(resolve("oc_svm")["code"]) == ["fakeforensics.detectors.oc_svm"]

import json
import shutil

import pytest

from fakeforensics.errors import UserError
from fakeforensics.files import write_json
from fakeforensics.inference.trained import Trained, open_trained


def card_only(folder, template, **changes):
    folder.mkdir(parents=True)
    value = json.loads((template.directory / "model.json").read_text()) | changes
    (folder / "model.json").write_text(json.dumps(value))
    return folder


def test_of_one_protocol_the_joint_detector_is_taken(trained, tmp_path):
    for objective in ("bce", "sad"):
        card_only(tmp_path / "p" / objective, trained, objective=objective)
    assert open_trained(root=tmp_path).name == "p/bce"
    card_only(tmp_path / "p/joint", trained)
    assert open_trained(root=tmp_path).name == "p/joint"


def test_of_several_protocols_the_user_must_choose(trained, tmp_path):
    for protocol in ("a", "b"):
        card_only(tmp_path / protocol / "joint", trained, protocol=protocol)
    with pytest.raises(UserError, match=r"several(.|\n)*a/joint(.|\n)*b/joint(.|\n)*--model"):
        open_trained(root=tmp_path)
    assert open_trained(tmp_path / "b/joint", root=tmp_path).name == "b/joint"


def test_without_a_model_the_way_to_one_is_told(tmp_path):
    with pytest.raises(UserError, match=r"no trained model here(.|\n)*dvc repro"):
        open_trained(root=tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": "guess"}, "objective"),
        ({"images": {}}, "`images.crop` is missing"),
        ({"images": {"crop": {"s": "half"}, "faces": {}}}, "crop.s"),
        ({"images": {"crop": {}, "faces": {"size": -1}}}, "faces.size"),
        ({"protocol": "../up"}, "protocol"),
        ({"format": {"name": "something", "version": 1}}, "another format"),
    ],
)
def test_a_damaged_or_foreign_card_is_refused(trained, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        open_trained(card_only(tmp_path / "m", trained, **changes))


@pytest.mark.parametrize(
    ("crops", "expected"),
    [
        ({"a": "whole"}, "whole"),
        ({"a": "faces"}, "faces"),
        ({"a": "whole", "b": "faces"}, "faces"),  # a detector of faces that has seen some whole images
    ],
)
def test_what_the_model_takes(trained, tmp_path, crops, expected):
    images = trained.raw_card["images"] | {"crop": crops}
    assert Trained(card_only(tmp_path / "m", trained, images=images)).crop == expected


def test_measurements_are_found_in_the_project_and_beside_a_copy(trained, tmp_path):
    assert trained.metrics["ap"]["sl"]["known"] == 0.9912
    assert trained.decision.threshold == 0.25
    copy = tmp_path / "elsewhere"
    shutil.copytree(trained.directory, copy)
    assert Trained(copy).metrics == {}
    assert Trained(copy).decision is None
    write_json(copy / "metrics.json", {"ap": {}})
    write_json(copy / "decision.json", {"score": "cd", "threshold": 2.0, "chosen": "c"})
    assert Trained(copy).metrics == {"ap": {}}
    assert Trained(copy).decision.score == "cd"


def test_instances_of_the_pilot_study_have_their_own_measurements(trained, tmp_path):
    card_only(tmp_path / "models/p/bce/n3", trained, objective="bce")
    write_json(tmp_path / "metrics/p/bce/n3.json", {"accuracy": {}})
    assert Trained(tmp_path / "models/p/bce/n3").metrics == {"accuracy": {}}


def test_seen_methods_are_the_training_fakes(trained):
    assert trained.seen_methods == ("pggan", "stargan")

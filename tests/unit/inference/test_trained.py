import json
import shutil

import pytest

from fakeforensics.errors import UserError
from fakeforensics.files import write_json
from fakeforensics.inference.trained import Trained, open_trained
from tests.unit.inference.conftest import TOY


def card_only(folder, template, **changes):
    folder.mkdir(parents=True)
    value = json.loads((template.directory / "model.json").read_text()) | changes
    (folder / "model.json").write_text(json.dumps(value))
    return folder


def project(root, trained, **validation):
    """Models of one protocol, each with the validation AP of its scores."""
    for name, ap in validation.items():
        card_only(root / "models/p" / name, trained, detector=trained.raw_card["detector"] | {"name": name})
        if ap is not None:
            # Test sets say the opposite, and must not matter.
            value = {"ap": {"sl": {"t": 1 - max(ap.values()), "mean": 1 - max(ap.values())}}}
            write_json(root / f"metrics/p/{name}.json", value | {"validation": {"ap": ap}})
    return root / "models"


def test_a_single_model_is_taken_unmeasured(trained, tmp_path):
    assert open_trained(root=project(tmp_path, trained, a=None)).name == "p/a"


def test_of_one_protocol_the_best_on_validation_is_taken(trained, tmp_path):
    # The best score of each counts: 0.95 of b against 0.9 of a and c.
    models = project(tmp_path, trained, a={"x": 0.9}, b={"x": 0.1, "y": 0.95}, c={"x": 0.9, "y": 0.8})
    assert open_trained(root=models).name == "p/b"


def test_equally_good_models_go_to_the_last_that_params_yaml_names(trained, tmp_path):
    best = {"x": 1.0}
    models = project(tmp_path, trained, a=best, b={"x": 0.5, "y": 1.0}, c=best, d={"x": 0.9})
    assert open_trained(root=models).name == "p/c"  # the last by name
    (tmp_path / "params.yaml").write_text("detectors: [c, a, b, d]\n")
    assert open_trained(root=models).name == "p/b"
    (tmp_path / "params.yaml").write_text("detectors: [a]\n")
    assert open_trained(root=models).name == "p/a"  # the others are not among them


@pytest.mark.parametrize("missing", [None, {}])
def test_without_every_validation_ap_the_user_must_choose(trained, tmp_path, missing):
    models = project(tmp_path, trained, a={"x": 0.9})
    card_only(models / "p/b", trained)
    if missing is not None:
        write_json(tmp_path / "metrics/p/b.json", {"ap": {}, "validation": missing})
    with pytest.raises(UserError, match=r"on validation(.|\n)*p/a(.|\n)*p/b(.|\n)*--model"):
        open_trained(root=models)


def test_no_instance_of_the_pilot_study_is_taken(trained, tmp_path):
    for instances in ("n1", "n3"):
        card_only(tmp_path / "models/p/bce" / instances, trained)
        write_json(tmp_path / f"metrics/p/bce/{instances}.json", {"validation": {"ap": {"sl": 1.0}}})
    with pytest.raises(UserError, match=r"several(.|\n)*bce/n1(.|\n)*bce/n3"):
        open_trained(root=tmp_path / "models")


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
        ({"detector": {}}, "detector: `name` is missing"),
        ({"detector": None}, "detector"),
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
    write_json(copy / "decision.json", {"score": "gap", "threshold": 2.0, "chosen": "c"})
    with pytest.raises(UserError, match="does not have"):
        _ = Trained(copy).decision


def test_instances_of_the_pilot_study_have_their_own_measurements(trained, tmp_path):
    card_only(tmp_path / "models/p/bce/n3", trained)
    write_json(tmp_path / "metrics/p/bce/n3.json", {"accuracy": {}})
    assert Trained(tmp_path / "models/p/bce/n3").metrics == {"accuracy": {}}


def test_without_a_policy_the_threshold_analysis_of_the_first_score_serves(toy, tmp_path):
    folder = tmp_path / "m"
    shutil.copytree(toy.directory, folder)
    row = {"test_set": "a", "criterion": "accuracy", "chosen_on": "validation"}
    rows = [row | {"score": "share", "threshold": 0.5}, row | {"score": "gap", "threshold": 7.0}]
    write_json(folder / "thresholds.json", {"table_4_10": rows})
    assert (Trained(folder).decision.score, Trained(folder).decision.threshold) == ("gap", 7.0)


def test_the_card_names_detector_and_scores(toy):
    assert (toy.name, toy.label) == ("p/toy", "Toy")
    assert toy.scores == TOY

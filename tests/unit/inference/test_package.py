"""Reading and writing packages."""

import shutil

import numpy as np
import pytest

from fakeforensics.errors import UserError
from fakeforensics.files import write_json
from fakeforensics.inference.choose import open_package
from fakeforensics.inference.package import About, Package, write_package
from fakeforensics.sums import write_list, write_sums
from fakeforensics.thresholds.any_share import adapted_decision
from fakeforensics.thresholds.policy import ConformalCut
from tests.unit.inference.conftest import TOY, card_only, make_model, make_package


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"detector": {}}, "detector: `name` is missing"),
        ({"detector": None}, "detector"),
        ({"images": {}}, "`images.crop` is missing"),
        ({"images": {"crop": {"s": "half"}, "faces": {}}}, "crop.s"),
        ({"images": {"crop": {}, "faces": {"size": -1}}}, "faces.size"),
        ({"protocol": "../up"}, "protocol"),
        ({"counts": {"train": {"src": 3}}}, r"counts\.train\.src"),
        ({"counts": []}, "counts"),
        ({"machine": {"processor": "P"}}, r"machine\.threads"),
        ({"format": {"name": "something", "version": 1}}, "another format"),
    ],
)
def test_a_damaged_or_foreign_card_is_refused(package, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        open_package(card_only(tmp_path / "m", package, **changes))


@pytest.mark.parametrize(
    ("crops", "expected"),
    [
        ({"a": "whole"}, "whole"),
        ({"a": "faces"}, "faces"),
        ({"a": "whole", "b": "faces"}, "faces"),  # a detector of faces that has seen some whole images
    ],
)
def test_the_crops_that_the_model_takes(package, tmp_path, crops, expected):
    images = package.raw_card["images"] | {"crop": crops}
    assert Package(card_only(tmp_path / "m", package, images=images)).crop == expected


def test_a_package_holds_results_and_protocol(package):
    assert (package.title, package.is_demo) == ("Trained on this", False)
    assert package.decision.threshold == 0.25
    assert package.training_images() == {"real": 1200, "pggan": 300, "stargan": 900}
    known, strange, mean, mean_unseen = package.test_set_ap()
    assert (known.ap, known.interval, known.unseen) == (pytest.approx(99.12), (98.0, 99.5), False)
    assert (strange.ap, strange.interval, strange.unseen) == (61.0, None, True)
    assert [mean.unseen, mean_unseen.unseen] == [False, True]


def test_the_error_rates_are_those_of_the_policy_in_force(package, tmp_path):
    copy = shutil.copytree(package.directory, tmp_path / "copy")
    rate = {"level": "frame", "corruption": "clean", "label": "fake", "name": "pggan", "seen": True}
    rate |= {"test_sets": ["t"], "count": 9, "groups": 9, "inconclusive": 0, "low": 0, "high": 0.5}
    rows = [rate | {"asked": None, "rate": 0.2}, rate | {"asked": 0.05, "rate": 0.1}]
    write_json(copy / "errors.json", {"rows": rows})
    assert [one.rate for one in Package(copy).errors] == [0.2]
    cut = ConformalCut(error_rate=0.05, fake_from=1.0)
    own = Package(copy).decision.model_copy(update={"conformal": (cut,), "inconclusive": 0.05})
    assert [one.rate for one in Package(copy, own).errors] == [0.1]
    # Cuts and thresholds from the user's own reals were not tested.
    assert Package(copy, own.model_copy(update={"known_reals": 50})).errors == []
    assert Package(copy, adapted_decision(own, np.arange(9.0), np.arange(9.0))).errors == []


def test_a_training_folder_has_scores_and_nothing_else(package, tmp_path):
    bare = Package(card_only(tmp_path / "models/p/joint", package))
    assert (bare.title, bare.about, bare.decision, bare.metrics) == ("p/joint", None, None, {})
    assert bare.test_set_ap() == []


def test_a_policy_for_another_score_is_refused(package, tmp_path):
    copy = shutil.copytree(package.directory, tmp_path / "copy")
    write_json(copy / "decision.json", {"score": "gap", "threshold": 2.0, "chosen": "c"})
    write_sums(copy)
    with pytest.raises(UserError, match=r"does not have(.|\n)*expected: sl, cd(.|\n)*found: gap"):
        _ = Package(copy).decision


@pytest.mark.parametrize("text", ["{", "[]", '{"title": "t", "extra": 1}'])
def test_a_damaged_package_file_is_named(package, tmp_path, text):
    copy = shutil.copytree(package.directory, tmp_path / "copy")
    (copy / "package.json").write_text(text)
    with pytest.raises(UserError, match=r"package\.json"):
        _ = Package(copy).title


@pytest.mark.parametrize("name", ["model.json", "decision.json", "README.md", "further/model.onnx"])
def test_a_package_with_a_changed_file_is_refused(package, tmp_path, name):
    copy = shutil.copytree(package.directory, tmp_path / "copy")
    path = copy / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    write_sums(copy)  # whatever a package holds is listed
    assert open_package(copy).name == "p/joint"
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(UserError, match=rf"{name}: changed"):
        open_package(copy)
    path.unlink()
    with pytest.raises(UserError, match=rf"{name}: (missing|no such file)"):
        open_package(copy)


def test_a_file_that_was_added_to_a_package_is_refused(package, tmp_path):
    copy = shutil.copytree(package.directory, tmp_path / "copy")
    (copy / ".DS_Store").write_text("what a file manager leaves")
    assert open_package(copy).name == "p/joint"
    (copy / "training.json").write_text("{}")
    with pytest.raises(UserError, match=r"training\.json: does not belong here"):
        open_package(copy)
    (copy / "SHA256SUMS").unlink()
    with pytest.raises(UserError, match="SHA256SUMS: no such file"):
        open_package(copy)


@pytest.mark.parametrize("text", ["{}", '{"rows": 3}', '{"rows": [{"rate": 2}]}', '{"rows": null}'])
def test_damaged_error_rates_are_named(package, tmp_path, text):
    copy = shutil.copytree(package.directory, tmp_path / "copy")
    (copy / "errors.json").write_text(text)
    with pytest.raises(UserError, match=r"errors\.json: (.|\n)*what to do"):
        _ = Package(copy).errors


def test_a_package_is_not_written_without_its_results(package, tmp_path):
    with pytest.raises(UserError, match=r"gone\.json: no such file(.|\n)*dvc repro"):
        write_package(tmp_path, package.directory, {"metrics.json": tmp_path / "gone.json"}, About(title="t"))
    changed = tmp_path / "changed.json"
    changed.write_text('{"ap": 0.5}')
    write_list([changed])
    changed.write_text('{"ap": 0.6}')
    with pytest.raises(UserError, match=r"changed\.json: changed since it was written"):
        write_package(tmp_path, package.directory, {"metrics.json": changed}, About(title="t"))


def test_scores_are_called_by_their_labels(toy, tmp_path):
    folder = shutil.copytree(toy.directory, tmp_path / "toy")
    ap = {"share": {"a": 0.5, "mean": 0.5}, "gap": {"a": 0.25, "mean": 0.25}}
    write_json(folder / "metrics.json", {"ap": ap})
    package = Package(folder)
    assert (package.name, package.scores) == ("p/toy", TOY)
    assert [(row.score, row.ap) for row in package.test_set_ap()] == [
        *(("S_SH", 50.0), ("S_SH", 50.0), ("S_GAP", 25.0), ("S_GAP", 25.0))
    ]


def test_which_methods_training_elsewhere_saw_is_unknown(tmp_path):
    row = {"level": "frame", "asked": None, "corruption": "clean", "label": "fake", "name": "pggan"}
    row |= {
        "seen": True,
        "rate": 0.2,
        "low": 0.1,
        "high": 0.3,
        "inconclusive": 0.0,
        "count": 5,
        "groups": 5,
        "test_sets": ["t"],
    }
    results = {
        "decision.json": {"score": "ext", "threshold": 0.0, "chosen": "c"},
        "errors.json": {"rows": [row]},
    }
    model = make_model(tmp_path / "models/p/external", "external", own={"onnx": "their.onnx"})
    package = make_package(tmp_path / "packages/p/external", model, results)
    assert [one.seen for one in package.errors] == [None]  # the protocol's training saw it

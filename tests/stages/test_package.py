"""The stage `package`: a folder that is enough to use a detector anywhere."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from fakeforensics.cli import app
from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file, write_json, write_parquet
from fakeforensics.images.codec import encode_png
from fakeforensics.inference import export
from fakeforensics.inference.choose import find_packages, open_package
from fakeforensics.inference.onnx_record import OnnxRecord
from fakeforensics.inference.package import Package
from fakeforensics.metrics.table import ScoreTable, write_scores
from fakeforensics.sums import write_sums
from stages import package
from tests.score_specs import SCORES
from tests.score_tables import make_scores
from tests.thin_resnet import thin_networks
from tests.unit.inference.conftest import CROP, make_model
from tests.unit.splits.conftest import index, row

PROTOCOL = """
title: Trained on this
demo: true
train: [{source: src}]
test: {known: [{source: src}], strange: [{source: other}]}
unseen: [strange]
"""
FILES = {
    *("model.safetensors", "model.json", "decision.json", "package.json", "README.md", "SHA256SUMS"),
    *("metrics.json", "details.json", "thresholds.json", "robustness.json", "training.json", "errors.json"),
}
NETWORK = {"model.onnx", "onnx.json"}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project after the evaluate stage."""
    root = tmp_path / "project"
    make_model(root / "models/p/joint")
    (root / "protocols").mkdir()
    (root / "protocols/p.yaml").write_text(PROTOCOL)
    (root / "params.yaml").write_text(
        "protocols: [p]\ndetectors: [bce, joint]\ncompare: {baseline: bce}\nsources: {}\n"
        "evaluate: {corruptions: [jpeg_50]}\n"
    )
    # What the card of `make_model` counts.
    rows = [row("src", f"{name}.png", method=name) for name in ("real", "pggan", "stargan")]
    manifests = root / "data/manifests/p"
    for name in ("train", "val"):
        write_parquet(manifests / f"{name}.parquet", index(rows).assign(split=name, test_set=""))
    empty = index(rows).iloc[:0].assign(split="", test_set="", reference_class=0)
    write_parquet(manifests / "reference.parquet", empty)
    scores = ScoreTable(make_scores({"known": 40.0, "strange": 40.0}, images=20), SCORES["joint"])
    for path in ("joint.parquet", "joint.corrupted/jpeg_50.parquet"):
        write_scores(root / "data/scores/p" / path, scores)
    metrics = {"ap": {"sl": {"known": 0.9, "strange": 0.6}}, "validation": {"ap": {"sl": 0.95}}}
    write_json(root / "metrics/p/joint.json", metrics)
    write_json(root / "metrics/p/joint.decision.json", {"score": "cd", "threshold": 40.0, "chosen": "c"})
    for name in ("details", "thresholds", "robustness"):
        write_json(root / f"metrics/p/joint.{name}.json", {"from": name})
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def no_export():
    """Leaves out the export of ResNet-18, which takes seconds, and the network itself."""
    record = OnnxRecord(weights_sha256="0" * 64, sha256=None, reason="left out here", heat_maps=True)
    with thin_networks() as patch:
        patch.setattr(export, "add_onnx", lambda *_: record)
        yield


def predict(*arguments):
    """What the command prints."""
    done = CliRunner().invoke(app, ["predict", "--as-is", "--json", *arguments])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout), done.stderr


def test_writes_a_folder_that_predicts_anywhere_as_in_the_project(project, tmp_path, monkeypatch):
    package.main("p", "joint")
    assert {path.name for path in (project / "packages/p/joint").iterdir()} == FILES | NETWORK
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copytree(project / "packages/p/joint", elsewhere / "taken along")
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (CROP, CROP, 3)).astype(np.uint8)
    (elsewhere / "crop.png").write_bytes(encode_png(image))
    here, _ = predict(str(elsewhere / "crop.png"))
    bare, told = predict(str(elsewhere / "crop.png"), "--model", "models/p/joint")
    monkeypatch.chdir(elsewhere)
    shutil.rmtree(project)  # nothing of it is needed
    there, warned = predict("crop.png", "--model", "taken along")

    (face,) = there["files"][0]["faces"]
    assert "torch computes the scores" not in warned
    assert face == here["files"][0]["faces"][0]
    assert face["verdict"] == ("fake" if face["score_cd"] >= 40 else "real")
    assert there["demo"]
    assert "Demo model" in warned
    # A training folder gives the same scores, by torch, no verdict, and the way to one.
    (without,) = bare["files"][0]["faces"]
    assert without["score_cd"] == pytest.approx(face["score_cd"], rel=1e-4)
    assert without["verdict"] is None
    assert "torch computes the scores" in told
    assert "dvc repro pipelines/p/dvc.yaml:package@p-joint" in told


def test_a_reference_set_is_no_part_of_what_the_training_images_were_like(no_export, project):
    path = project / "models/p/joint/model.json"
    card = json.loads(path.read_text())
    card["counts"]["train"]["scikit-learn digits"] = {"reference": 100}  # in no manifest
    path.write_text(json.dumps(card))
    write_sums(path.parent)
    package.main("p", "joint")
    training = json.loads((project / "packages/p/joint/training.json").read_text())
    assert training["images"] == 3


def test_describes_protocol_and_results(no_export, project):
    package.main("p", "joint")
    found = Package(project / "packages/p/joint")
    assert found.about.model_dump() == {
        "title": "Trained on this",
        "demo": True,
        "unseen": ("strange",),
        "order": 1,
    }
    assert json.loads((found.directory / "robustness.json").read_text()) == {"from": "robustness"}
    assert found.training.manifests["train.parquet"] == sha256_file(
        project / "data/manifests/p/train.parquet"
    )
    assert found.training.formats == {"PNG": 3}
    # 10 reals and 10 fakes in each of the two sets; every distance lies far above the threshold.
    rates = [(one.corruption, one.label, one.name, one.seen, one.count, one.rate) for one in found.errors]
    assert rates == [
        (corruption, *row)
        for corruption in ("clean", "jpeg_50")
        for row in (
            ("real", "celeba", False, 20, 1.0),
            ("fake", "known", False, 10, 0.0),
            ("fake", "strange", False, 10, 0.0),
        )
    ]
    readme = (found.directory / "README.md").read_text()
    assert "> Demo model" in readme
    assert "| strange | S_SL | 60.00 |  | no |" in readme
    assert "- `robustness.json`: " in readme


def test_a_left_out_detector_gets_a_placeholder_that_is_no_package(no_export, project):
    package.main("p", "joint")
    write_json(project / "data/settings/p/bce.json", {"left_out": "the protocol does not run it"})
    package.main("p", "bce")
    assert (project / "packages/p/bce/left_out").read_text() == "the protocol does not run it\n"
    assert len(find_packages()) == 1
    assert open_package().name == "p/joint"


def test_without_results_there_is_no_package(no_export, project):
    (project / "metrics/p/joint.details.json").unlink()
    with pytest.raises(UserError, match=r"joint\.details\.json: no such file"):
        package.main("p", "joint")
    assert not (project / "packages/p/joint").exists()


def test_a_manifest_of_another_training_is_refused(no_export, project):
    other = index([row("src", "a.png"), row("src", "b.png")]).assign(split="train", test_set="")
    write_parquet(project / "data/manifests/p/train.parquet", other)
    with pytest.raises(UserError, match=r"not the images that p/joint was trained on(.|\n)*pggan of src"):
        package.main("p", "joint")


def test_says_why_there_is_no_network(no_export, project, capsys):
    package.main("p", "joint")
    assert "p/joint: no model.onnx" in capsys.readouterr().out

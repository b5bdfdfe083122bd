"""A detector is one module: a loss, a network and a head that nothing else knows go through every stage."""

import ast
import importlib
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from torchvision import models as zoo
from typer.testing import CliRunner

import fakeforensics.detectors
from fakeforensics.cli import app
from fakeforensics.metrics.table import read_scores
from fakeforensics.models.card import read_card
from tests.pipeline.conftest import leave_out_onnx, leave_out_pictures, outputs, stages
from tests.replicas import picture, write_replica
from tests.thin_resnet import few_blocks, thin_networks, thin_resnet

ROOT = Path(__file__).parents[2]
PROTOCOL = """
title: Trained on CelebA against StarGAN, tested on FaceApp as well
train: [{source: dffd, domain: celeba, methods: [real, stargan]}]
test:
  stargan: [{source: dffd, domain: celeba, methods: [real, stargan]}]
  faceapp: [{source: dffd, domain: ffhq, methods: [real, faceapp]}]
unseen: [faceapp]
"""
SCORES = {
    "bce": ["score_sl", "logit"],
    "focal": ["score_fl", "focal_logit"],
    "tiny_vae": ["score_rec", "score_elbo"],
    "prototype": ["pt"],
    "oc_svm": ["score_oc"],
}


def prepare(root, detectors, **train):
    """A project with one small source, one protocol and these detectors."""
    write_replica(root / "dffd", "dffd")
    (root / "protocols").mkdir()
    (root / "protocols/p.yaml").write_text(PROTOCOL)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    source = {"layout": "dffd", "root": str(root / "dffd"), "crop": "whole", "options": {"subset": True}}
    params |= {"protocols": ["p"], "sources": {"dffd": source}, "detectors": detectors}
    params["detector_settings"] = {"focal": {"gamma": 1.0}} if "focal" in detectors else {}
    params["train"] |= {"weights": "none", "crop_size": 32, "batch_size": 8, "max_epochs": 1} | train
    params["evaluate"] |= {"bootstrap": 100, "corruptions": ["blur_2"]}
    params["thresholds"] |= {"bootstrap": 100, "known_reals": [2], "draws": 5}
    (root / "params.yaml").write_text(yaml.safe_dump(params))


def run_stages(detectors):
    """Call all stages in their order within this process: loading torch takes seconds."""
    for name, stage in stages().items():
        main = importlib.import_module(f"stages.{name}").main
        if "matrix" in stage:
            for detector in detectors:
                main("p", detector)
        elif "foreach" in stage:
            main("dffd" if stage["foreach"] == "${sources}" else "p")
        elif name != "demo":
            main()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("plugins")
    prepare(root, list(SCORES))
    with thin_networks() as patch:
        leave_out_pictures(patch)
        found = [*fakeforensics.detectors.__path__, str(Path(__file__).parent / "plugins")]
        patch.setattr(fakeforensics.detectors, "__path__", found)
        patch.chdir(root)
        run_stages(SCORES)
        yield root


def test_every_output_that_dvc_lists_is_written(project):
    listed = outputs(["dffd"], ["p"], SCORES)
    assert {path for path in listed if not (project / path).exists()} == set()


def test_no_other_module_knows_them():
    for path in (ROOT / "src").rglob("*.py"):
        named = {
            node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)
        }
        assert not {"focal", "tiny_vae", "prototype"} & named, path


@pytest.mark.parametrize("detector", SCORES)
def test_it_is_trained_scored_and_measured(project, detector):
    table = read_scores(project / f"data/scores/p/{detector}.parquet")
    assert [column for column in table.rows.columns if column in SCORES[detector]] == SCORES[detector]
    names = [score.name for score in table.scores]
    metrics = json.loads((project / f"metrics/p/{detector}.json").read_text())
    for measure in ("ap", "auc", "eer"):
        assert list(metrics[measure]) == names
        assert all(
            set(values) == {"stargan", "faceapp", "mean", "mean_unseen"}
            for values in metrics[measure].values()
        )
    rules = json.loads((project / f"metrics/p/{detector}.thresholds.json").read_text())["deployable"]
    assert {row["score"] for row in rules} == {*names, *(["fused"] if len(names) > 1 else [])}
    decision = json.loads((project / f"metrics/p/{detector}.decision.json").read_text())
    assert decision["score"] in names
    robustness = json.loads((project / f"metrics/p/{detector}.robustness.json").read_text())
    assert {row["corruption"] for row in robustness["ap"]} == {"clean", "blur_2"}


def test_it_is_compared_and_reported(project):
    compared = json.loads((project / "metrics/p/comparison.json").read_text())
    assert compared["baseline"] == "bce"
    firsts = list(dict.fromkeys(row["first"] for row in compared["ap_difference"]))
    assert firsts == ["focal/fl", "tiny_vae/rec", "tiny_vae/elbo", "prototype/pt", "oc_svm/oc"]
    html = (project / "report/p/index.html").read_text()
    for label in ("BCE", "Focal", "VAE", "Prototypes", "OC-SVM", "S<sub>REC</sub>", "S<sub>ELBO</sub>"):
        assert label in html


def test_its_settings_are_recorded_and_those_who_see_reals_saw_no_fake(project):
    assert read_card(project / "models/p/focal")["detector"]["settings"] == {"gamma": 1.0}
    seen = {name: read_card(project / f"models/p/{name}")["counts"]["train"]["dffd"] for name in SCORES}
    assert {name: set(methods) for name, methods in seen.items()} == {
        "bce": {"real", "stargan"},
        "focal": {"real", "stargan"},
        "tiny_vae": {"real"},
        "prototype": {"real", "stargan"},
        "oc_svm": {"real"},
    }


@pytest.mark.parametrize("detector", SCORES)
def test_it_predicts_what_was_evaluated_and_exports(project, detector, tmp_path):
    table = read_scores(project / f"data/scores/p/{detector}.parquet").rows.set_index("key")
    manifest = pd.read_parquet(project / "data/manifests/p/test.parquet").set_index("key")
    key = table.index[0]
    image = project / "dffd" / manifest.loc[key, "raw_path"]
    shutil.copy(image, tmp_path / "image.png")
    model = ["--model", str(project / f"models/p/{detector}")]
    printed = CliRunner().invoke(app, ["predict", str(tmp_path / "image.png"), "--json", *model])
    assert printed.exit_code == 0, printed.output
    (face,) = json.loads(printed.stdout)["files"][0]["faces"]
    for column in SCORES[detector]:
        assert face[column] == pytest.approx(float(table.loc[key, column]), rel=1e-4, abs=1e-6)
    out = ["--format", "torch", "--out", str(tmp_path / "out")]
    exported = CliRunner().invoke(app, ["export", *out, *model])
    assert exported.exit_code == 0, exported.output
    assert (tmp_path / "out/model.pt2").is_file()


ONE_CLASS = """
title: Trained on real CelebA alone, tested on FaceApp
train: [{source: dffd, domain: celeba, methods: real}]
test:
  faceapp: [{source: dffd, domain: ffhq, methods: [real, faceapp]}]
unseen: [faceapp]
detectors: [deep_svdd, oc_svm]
"""


def test_one_class_detectors_train_on_a_protocol_without_fakes_and_others_are_left_out(tmp_path, monkeypatch):
    detectors = ["bce", "deep_svdd", "oc_svm"]
    prepare(tmp_path, detectors)
    (tmp_path / "protocols/p.yaml").write_text(ONE_CLASS)
    monkeypatch.setattr(zoo, "get_model", thin_resnet)
    leave_out_onnx(monkeypatch)
    monkeypatch.chdir(tmp_path)
    run_stages(detectors)
    assert not any(tmp_path.glob("models/p/bce/model.*"))
    assert "narrows `detectors`" in json.loads((tmp_path / "metrics/p/bce.json").read_text())["left_out"]
    for name in ("deep_svdd", "oc_svm"):
        assert set(json.loads((tmp_path / f"metrics/p/{name}.json").read_text())["ap"].popitem()[1]) == {
            *("faceapp", "mean", "mean_unseen")
        }
        decision = json.loads((tmp_path / f"metrics/p/{name}.decision.json").read_text())
        # Validation holds reals alone: nothing is calibrated, and no rate of missed fakes is known.
        assert (decision["calibrator"], decision["expected_fnr"]) == (None, None)
        assert decision["measured_on"]["fakes"] == 0
    printed = CliRunner().invoke(app, ["predict", "dffd/ffhq", "--model", "models/p/oc_svm"])
    assert printed.exit_code == 0, printed.output
    assert "narrows" in (tmp_path / "report/p/index.html").read_text()
    assert json.loads((tmp_path / "metrics/p/comparison.json").read_text())["baseline"] == "bce"


@pytest.mark.slow
def test_a_backbone_of_another_family_needs_a_name_alone(tmp_path, monkeypatch):
    prepare(tmp_path, ["bce", "joint"], backbone="convnext_tiny")
    few_blocks(monkeypatch)
    leave_out_pictures(monkeypatch)
    monkeypatch.chdir(tmp_path)
    run_stages(["bce", "joint"])
    card = read_card(tmp_path / "models/p/joint")
    assert card["detector"]["architecture"]["backbone"] == "convnext_tiny"
    assert list(json.loads((tmp_path / "metrics/p/joint.json").read_text())["ap"]) == ["sl", "cd"]
    picture_path = tmp_path / "one.png"
    import cv2

    cv2.imwrite(str(picture_path), picture("one", 0))
    model = ["--model", str(tmp_path / "models/p/joint"), "--explain", str(tmp_path / "maps")]
    printed = CliRunner().invoke(app, ["predict", str(picture_path), *model])
    assert printed.exit_code == 0, printed.output
    assert list((tmp_path / "maps").iterdir())

"""The stage `evaluate` on a few noise images and detectors that nobody trained."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from fakeforensics.errors import UserError
from fakeforensics.files import write_json
from fakeforensics.metrics.table import read_scores
from stages import evaluate
from tests.score_specs import SCORES
from tests.scored_project import make_project


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        root = make_project(tmp_path_factory.mktemp("evaluate"))
        patch.chdir(root)
        for detector in SCORES:
            evaluate.main("p", detector)
        yield root


@pytest.mark.parametrize(
    ("detector", "columns", "scores"),
    [
        ("bce", ["score_sl", "logit"], ["sl"]),
        ("sad", ["score_cd"], ["cd"]),
        ("joint", ["score_sl", "logit", "score_cd"], ["sl", "cd"]),
    ],
)
def test_scores_and_metrics_follow_the_contract(project, detector, columns, scores):
    table, specs = read_scores(project / f"data/scores/p/{detector}.parquet")
    assert specs == SCORES[detector]
    identity = ["key", "test_set", "method", "domain", "source", "label", "group", "video", "frame"]
    assert list(table.columns) == identity + columns
    assert len(table) == 24  # two sets of 6 reals and 6 fakes
    assert table.equals(table.sort_values(["test_set", "key"], ignore_index=True))
    metrics = json.loads((project / f"metrics/p/{detector}.json").read_text())
    assert list(metrics) == ["ap", "auc", "eer", "validation"]
    assert list(metrics["validation"]) == ["ap", "log_loss"][: 2 if "logit" in columns else 1]
    for metric in ("ap", "auc", "eer"):
        assert list(metrics[metric]) == scores
        for values in metrics[metric].values():
            assert list(values) == ["stylegan", "stargan", "mean", "mean_unseen"]
            assert values["mean"] == pytest.approx((values["stylegan"] + values["stargan"]) / 2, abs=1e-6)
            assert values["mean_unseen"] == values["stylegan"]
    details = json.loads((project / f"metrics/p/{detector}.details.json").read_text())
    assert list(details) == ["ap_interval", "auc_interval", "details"]
    low, high = details["ap_interval"][scores[0]]["stylegan"]
    assert low <= metrics["ap"][scores[0]]["stylegan"] <= high


def test_ap_is_scikit_learns_on_the_logits(project):
    table = pd.read_parquet(project / "data/scores/p/bce.parquet")
    rows = table[table["test_set"] == "stargan"]
    found = json.loads((project / "metrics/p/bce.json").read_text())["ap"]["sl"]["stargan"]
    assert found == pytest.approx(average_precision_score(rows["label"], rows["logit"]), abs=5e-7)


def test_a_shared_image_has_one_score(project):
    table = pd.read_parquet(project / "data/scores/p/joint.parquet")
    reals = table[table["label"] == 0].groupby("key")
    assert reals.size().eq(2).all()
    assert reals[["logit", "score_cd"]].nunique().eq(1).all(axis=None)


def test_validation_scores_lie_beside(project):
    table, specs = read_scores(project / "data/scores/p/sad.val.parquet")
    assert specs == SCORES["sad"]
    assert table["test_set"].unique().tolist() == ["validation"]
    assert len(table) == 8
    assert np.isfinite(table["score_cd"]).all()


def test_curves_end_where_they_must(project):
    roc = pd.read_csv(project / "plots/p/joint/roc/stylegan.csv")
    assert roc["score"].unique().tolist() == ["sl", "cd"]
    for _, curve in roc.groupby("score"):
        assert curve[["fpr", "tpr"]].iloc[0].tolist() == [0, 0]
        assert curve[["fpr", "tpr"]].iloc[-1].tolist() == [1, 1]
    pr = pd.read_csv(project / "plots/p/joint/pr/stylegan.csv")
    assert pr.groupby("score")["recall"].max().tolist() == [1, 1]


def test_again_gives_the_same_bytes(project):
    names = ("data/scores/p/bce.parquet", "metrics/p/bce.json", "plots/p/bce/pr/stargan.csv")
    first = [(project / name).read_bytes() for name in names]
    evaluate.main("p", "bce")
    assert [(project / name).read_bytes() for name in names] == first


def test_a_test_set_without_images_is_named(tmp_path, monkeypatch):
    root = make_project(tmp_path, detectors=("bce",))
    monkeypatch.chdir(root)
    path = root / "data/manifests/p/test.parquet"
    manifest = pd.read_parquet(path)
    manifest[manifest["test_set"] == "stargan"].to_parquet(path)
    with pytest.raises(UserError, match="not those of the protocol's test sets"):
        evaluate.main("p", "bce")


def test_a_detector_that_the_protocol_leaves_out_has_outputs_without_a_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "data/settings/p/sad.json", {"left_out": "p trains bce alone"})
    evaluate.main("p", "sad")
    for name in ("metrics/p/sad.json", "metrics/p/sad.details.json"):
        assert json.loads((tmp_path / name).read_text()) == {"left_out": "p trains bce alone"}
    for name in ("data/scores/p/sad.parquet", "data/scores/p/sad.val.parquet"):
        assert (tmp_path / name).read_bytes() == b""
    assert {path.name for path in (tmp_path / "plots/p/sad").iterdir()} == {"pr", "roc"}


@pytest.mark.parametrize(("detector", "scores"), [("bce", ["sl"]), ("sad", ["cd"]), ("joint", ["sl", "cd"])])
def test_pilot_models_are_measured_by_number_of_instances(tmp_path, monkeypatch, detector, scores):
    root = make_project(tmp_path, detectors=(f"{detector}/n1", f"{detector}/n3"))
    monkeypatch.chdir(root)
    for name in ("val", "test"):
        path = root / f"data/manifests/p/{name}.parquet"
        manifest = pd.read_parquet(path)
        if name == "test":  # the pilot's test sets hold fakes alone
            manifest = manifest[manifest["label"] == 1]
        else:  # the model for one instance has not seen the last image
            manifest = manifest.assign(n_from=1, n_to=3)
            manifest.loc[manifest.index[-1], "n_from"] = 2
        manifest.to_parquet(path)
    evaluate.main("p", detector)
    metrics = json.loads((root / f"metrics/p/{detector}.json").read_text())
    names = {"sl": "accuracy", "cd": "accuracy_at_validation_threshold"}
    assert list(metrics) == [*(names[score] for score in scores), "validation"]
    details = json.loads((root / f"metrics/p/{detector}.details.json").read_text())["fakes_alone"]
    assert len(details) == 2 * len(scores) * 2  # models, scores, sets
    table = pd.read_parquet(root / f"data/scores/p/{detector}.parquet")
    for row in details:
        column = {"sl": "logit", "cd": "score_cd"}[row["score"]]
        mine = table[(table["instances"] == int(row["instances"])) & (table["test_set"] == row["test_set"])]
        by_hand = (mine[column] >= row["threshold"]).mean()
        assert row["accuracy"] == pytest.approx(by_hand, abs=1e-6)
        found = metrics[names[row["score"]]][row["score"]][row["test_set"]][row["instances"]]
        assert found == row["accuracy"]
    validation = pd.read_parquet(root / f"data/scores/p/{detector}.val.parquet")
    assert validation.groupby("instances").size().to_dict() == {1: 7, 3: 8}

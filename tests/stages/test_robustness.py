"""The stage `robustness`: what it writes, and what it does not compute twice."""

import json

import pandas as pd
import pytest

from fakeforensics.files import write_json
from fakeforensics.metrics import robustness as room
from stages import evaluate, robustness
from tests.scored_project import make_project

SETTINGS = """protocols: [p]
detectors: [bce, sad]
compare: {baseline: bce}
sources: {}
evaluate: {batch_size: 8, workers: 0, bootstrap: 100, corruptions: [%s]}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    root = make_project(tmp_path, detectors=("bce",))
    monkeypatch.chdir(root)
    evaluate.main("p", "bce")
    return root


def ask_for(root, corruptions):
    (root / "params.yaml").write_text(SETTINGS % corruptions)


def test_only_what_is_new_is_scored(project, monkeypatch):
    scored = []
    real = room.score_manifest

    def counted(*arguments, **named):
        scored.append(arguments[-1].name)
        return real(*arguments, **named)

    monkeypatch.setattr(room, "score_manifest", counted)
    ask_for(project, "jpeg_50, blur_1")
    robustness.main("p", "bce")
    assert scored == ["jpeg_50", "blur_1"]
    ask_for(project, "jpeg_50, blur_2, blur_1")
    robustness.main("p", "bce")
    assert scored == ["jpeg_50", "blur_1", "blur_2"]
    # One image's bytes differ: all is scored again.
    path = project / "data/manifests/p/test.parquet"
    manifest = pd.read_parquet(path)
    manifest.loc[0, "sha256"] = "other"
    manifest.to_parquet(path)
    robustness.main("p", "bce")
    assert len(scored) == 6


def test_files(project):
    clean = [(project / name).read_bytes() for name in ("data/scores/p/bce.parquet", "metrics/p/bce.json")]
    ask_for(project, "blur_4, resize_0.5")
    robustness.main("p", "bce")
    found = json.loads((project / "metrics/p/bce.robustness.json").read_text())
    assert [row["corruption"] for row in found["ap"]] == ["clean", "blur_4", "resize_0.5"]
    assert list(found["accuracy"][1]["by_set"]) == ["stylegan", "stargan", "mean", "mean_unseen"]
    clean_ap = json.loads((project / "metrics/p/bce.json").read_text())["ap"]["sl"]["stylegan"]
    assert found["ap"][0]["by_set"]["stylegan"] == pytest.approx(clean_ap, abs=5e-5)
    rows = pd.read_csv(project / "data/robustness/p/bce.csv")
    assert len(rows) == 3 * 4
    assert rows.loc[rows["corruption"] == "clean", "ap_lost"].eq(0).all()
    assert (project / "plots/p/bce/robustness.png").stat().st_size > 5_000
    # The clean path is untouched.
    again = [(project / name).read_bytes() for name in ("data/scores/p/bce.parquet", "metrics/p/bce.json")]
    assert again == clean


def test_a_set_of_fakes_alone_has_an_accuracy(tmp_path, monkeypatch):
    root = make_project(tmp_path, detectors=("sad",))
    path = root / "data/manifests/p/test.parquet"
    manifest = pd.read_parquet(path)
    manifest[manifest["label"] == 1].to_parquet(path)
    monkeypatch.chdir(root)
    evaluate.main("p", "sad")
    ask_for(root, "jpeg_30")
    robustness.main("p", "sad")
    found = json.loads((root / "metrics/p/sad.robustness.json").read_text())
    assert list(found) == ["accuracy"]
    assert list(found["accuracy"][1]["by_set"]) == ["stylegan", "stargan", "mean", "mean_unseen"]


def test_a_detector_that_the_protocol_leaves_out_has_outputs_without_a_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "data/settings/p/sad.json", {"left_out": "p trains bce alone"})
    robustness.main("p", "sad")
    found = json.loads((tmp_path / "metrics/p/sad.robustness.json").read_text())
    assert found == {"left_out": "p trains bce alone"}
    assert (tmp_path / "data/robustness/p/sad.csv").read_bytes() == b""
    assert (tmp_path / "plots/p/sad/robustness.png").is_file()

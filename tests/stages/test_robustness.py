"""The stage `robustness`: what it writes, and what it does not compute twice."""

import json

import pandas as pd
import pytest

from fakeforensics.evaluation import robustness as room
from stages import evaluate, robustness
from tests.scored_project import make_project

SETTINGS = "evaluate: {batch_size: 8, workers: 0, bootstrap: 100, corruptions: [%s]}\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    root = make_project(tmp_path, objectives=("bce",))
    monkeypatch.chdir(root)
    evaluate.main("p", "bce")
    return root


def ask_for(root, corruptions):
    (root / "params.yaml").write_text("protocols: [p]\nsources: {}\n" + SETTINGS % corruptions)


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


def test_rows_and_picture(project):
    clean = [(project / name).read_bytes() for name in ("data/scores/p/bce.parquet", "metrics/p/bce.json")]
    ask_for(project, "blur_4, resize_0.5")
    robustness.main("p", "bce")
    rows = json.loads((project / "metrics/p/bce.robustness.json").read_text())["robustness"]
    assert [(row["test_set"], row["corruption"]) for row in rows[:3]] == [
        ("stylegan", "clean"),
        ("stylegan", "blur_4"),
        ("stylegan", "resize_0.5"),
    ]
    assert rows[0]["ap_lost"] == rows[0]["accuracy_lost"] == 0
    assert rows[0]["ap"] == json.loads((project / "metrics/p/bce.json").read_text())["ap"]["sl"]["stylegan"]
    assert (project / "plots/p/bce/robustness.png").stat().st_size > 5_000
    # The clean path is untouched.
    again = [(project / name).read_bytes() for name in ("data/scores/p/bce.parquet", "metrics/p/bce.json")]
    assert again == clean

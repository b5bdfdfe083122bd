"""The stage `compare` on the scores of three objectives."""

import json

import pandas as pd
import pytest
import yaml

from fakeforensics.files import write_parquet
from stages import compare
from tests.score_tables import make_scores


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    protocol = {"title": "t", "train": [], "test": {"stylegan": [], "stargan": []}, "unseen": ["stylegan"]}
    (tmp_path / "protocols").mkdir()
    (tmp_path / "protocols/p.yaml").write_text(yaml.safe_dump(protocol, sort_keys=False))
    (tmp_path / "params.yaml").write_text("protocols: [p]\nsources: {}\nevaluate: {bootstrap: 100}\n")
    for objective in ("bce", "sad", "joint"):
        table = make_scores({"stargan": 0, "stylegan": -4}, objective, gap=1.0)
        write_parquet(tmp_path / f"data/scores/p/{objective}.parquet", table)
        validation = make_scores({"validation": 0}, objective, gap=1.0)
        write_parquet(tmp_path / f"data/scores/p/{objective}.val.parquet", validation)
    return tmp_path


def test_each_score_is_compared_with_bce(project):
    compare.main("p")
    rows = json.loads((project / "metrics/p/comparison.json").read_text())["ap_difference"]
    assert [row["first"] for row in rows[::4]] == ["joint/cd", "joint/sl", "sad/cd"]
    assert {row["second"] for row in rows} == {"bce/sl"}
    assert [row["test_set"] for row in rows[:4]] == ["stylegan", "stargan", "mean", "mean_unseen"]
    # The synthetic joint logits are bce's own.
    assert all(row["difference"] == 0 and row["p_value"] == 1 for row in rows[4:8])


def test_on_fakes_alone_accuracies_are_compared_model_by_model(project):
    for path in (project / "data/scores/p").iterdir():
        table = pd.read_parquet(path)
        kept = table if path.name.endswith(".val.parquet") else table[table["label"] == 1]
        write_parquet(path, pd.concat([kept.assign(instances=n) for n in (1, 2)], ignore_index=True))
    compare.main("p")
    found = json.loads((project / "metrics/p/comparison.json").read_text())
    assert list(found) == ["accuracy_difference"]  # fakes alone have no average precision
    rows = found["accuracy_difference"]
    assert len(rows) == 3 * 2 * 2  # pairs, models, sets
    assert [(row["instances"], row["test_set"]) for row in rows[:4]] == [
        ("1", "stylegan"),
        ("1", "stargan"),
        ("2", "stylegan"),
        ("2", "stargan"),
    ]
    assert all(row["difference"] == 0 for row in rows if row["first"] == "joint/sl")

"""The stage `compare` on the scores of three detectors."""

import json

import pytest
import yaml

from fakeforensics.errors import UserError
from fakeforensics.files import write_json
from fakeforensics.metrics.table import ScoreTable, read_scores, write_scores
from stages import compare
from tests.score_specs import SCORES
from tests.score_tables import make_scores


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    protocol = {"title": "t", "train": [], "test": {"stylegan": [], "stargan": []}, "unseen": ["stylegan"]}
    (tmp_path / "protocols").mkdir()
    (tmp_path / "protocols/p.yaml").write_text(yaml.safe_dump(protocol, sort_keys=False))
    ask_for(tmp_path, ["bce", "sad", "joint"], "bce")
    for detector, scores in SCORES.items():
        table = make_scores({"stargan": 0, "stylegan": -4}, detector, gap=1.0)
        write_scores(tmp_path / f"data/scores/p/{detector}.parquet", ScoreTable(table, scores))
        validation = make_scores({"validation": 0}, detector, gap=1.0)
        write_scores(tmp_path / f"data/scores/p/{detector}.val.parquet", ScoreTable(validation, scores))
    return tmp_path


def ask_for(root, detectors, baseline):
    settings = {"protocols": ["p"], "detectors": detectors, "compare": {"baseline": baseline}, "sources": {}}
    (root / "params.yaml").write_text(yaml.safe_dump(settings | {"evaluate": {"bootstrap": 100}}))


def compared(root):
    compare.main("p")
    return json.loads((root / "metrics/p/comparison.json").read_text())


def test_each_score_is_compared_with_the_baseline(project):
    found = compared(project)
    assert list(found) == ["baseline", "ap_difference"]
    assert found["baseline"] == "bce"
    rows = found["ap_difference"]
    assert [row["first"] for row in rows[::4]] == ["sad/cd", "joint/sl", "joint/cd"]
    assert {row["second"] for row in rows} == {"bce/sl"}
    assert [row["test_set"] for row in rows[:4]] == ["stylegan", "stargan", "mean", "mean_unseen"]
    # The synthetic joint logits are bce's own.
    assert all(row["difference"] == 0 and row["p_value"] == 1 for row in rows[4:8])


def test_the_order_and_the_baseline_are_those_of_the_settings(project):
    ask_for(project, ["joint", "bce"], "joint")
    rows = compared(project)["ap_difference"]
    pairs = [(row["first"], row["second"]) for row in rows[::4]]
    assert pairs == [("joint/cd", "joint/sl"), ("bce/sl", "joint/sl")]


def test_without_the_baseline_nothing_is_compared(project):
    ask_for(project, ["sad", "joint"], "bce")
    assert list(compared(project)) == ["baseline", "note"]


def test_detectors_that_the_protocol_leaves_out_take_no_part(project):
    for name in ("sad", "bce"):
        write_json(project / f"data/settings/p/{name}.json", {"left_out": "p narrows the detectors"})
        (project / f"data/scores/p/{name}.parquet").write_bytes(b"")
    ask_for(project, ["bce", "sad", "joint"], "joint")
    assert [row["first"] for row in compared(project)["ap_difference"][::4]] == ["joint/cd"]
    ask_for(project, ["bce", "sad", "joint"], "bce")
    assert list(compared(project)) == ["baseline", "note"]


def test_missing_scores_say_what_to_run(project):
    (project / "data/scores/p/sad.val.parquet").unlink()
    with pytest.raises(UserError, match="run the score stage first"):
        compare.main("p")


def test_on_fakes_alone_accuracies_are_compared(project):
    for name in SCORES:
        path = project / f"data/scores/p/{name}.parquet"
        table, scores, _ = read_scores(path)
        write_scores(path, ScoreTable(table[table["label"] == 1], scores))
    found = compared(project)
    assert list(found) == ["baseline", "accuracy_difference"]  # fakes alone have no average precision
    rows = found["accuracy_difference"]
    assert [(row["first"], row["test_set"]) for row in rows] == [
        (name, test_set)
        for name in ("sad/cd", "joint/sl", "joint/cd")
        for test_set in ("stylegan", "stargan")
    ]
    assert all(row["difference"] == 0 for row in rows if row["first"] == "joint/sl")

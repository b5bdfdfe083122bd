"""The stage `thresholds` on scores with a known shift."""

import json

import pandas as pd
import pytest
import yaml

from fakeforensics.errors import UserError
from fakeforensics.files import write_json
from fakeforensics.metrics.table import ScoreTable, write_scores
from stages import thresholds
from tests.score_specs import SCORES
from tests.score_tables import make_scores


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Scores as the evaluate stage leaves them: a seen set, and one whose scores all lie 4 lower."""
    monkeypatch.chdir(tmp_path)
    protocol = {"title": "t", "train": [], "test": {"stylegan": [], "stargan": []}, "unseen": ["stylegan"]}
    (tmp_path / "protocols").mkdir()
    (tmp_path / "protocols/p.yaml").write_text(yaml.safe_dump(protocol, sort_keys=False))
    (tmp_path / "params.yaml").write_text(
        "protocols: [p]\ndetectors: [bce, sad, joint]\ncompare: {baseline: bce}\nsources: {}\n"
        "thresholds: {bootstrap: 100, known_reals: [10], draws: 20}\n"
    )
    folder = tmp_path / "data/scores/p"
    for detector, scores in SCORES.items():
        table = make_scores({"stargan": 0, "stylegan": -4}, detector)
        write_scores(folder / f"{detector}.parquet", ScoreTable(table, scores))
        validation = make_scores({"validation": 0}, detector, seed=1)
        write_scores(folder / f"{detector}.val.parquet", ScoreTable(validation, scores))
    return tmp_path


@pytest.mark.parametrize(("detector", "scores"), [("bce", {"sl"}), ("sad", {"cd"}), ("joint", {"sl", "cd"})])
def test_writes_table_and_picture(project, detector, scores):
    thresholds.main("p", detector)
    found = json.loads((project / f"metrics/p/{detector}.thresholds.json").read_text())
    rows = found["table_4_10"]
    assert {row["score"] for row in rows} >= scores
    # Sets in the protocol's order, four criteria, each with an oracle and validation's choice.
    assert [row["test_set"] for row in rows[::8]][:2] == ["stylegan", "stargan"]
    best = {
        (row["test_set"], row["chosen_on"]): row
        for row in rows
        if row["criterion"] == "accuracy" and row["score"] == min(scores)
    }
    # A gap of 3 deviations: the best possible accuracy is Φ(1.5) = 0.933.
    assert best["stylegan", "oracle"]["accuracy"] == pytest.approx(0.933, abs=0.05)
    # The set that lies 4 deviations lower has no score above validation's threshold: half of it is right.
    assert best["stylegan", "validation"]["accuracy"] == pytest.approx(0.5, abs=0.02)
    assert best["stargan", "validation"]["accuracy"] == pytest.approx(0.933, abs=0.05)
    assert (project / f"plots/p/{detector}/thresholds.png").stat().st_size > 10_000


def test_what_lies_in_git_is_short_and_the_rest_in_tables(project):
    thresholds.main("p", "joint")
    path = project / "metrics/p/joint.thresholds.json"
    found = json.loads(path.read_text())
    assert {row["fake_share"] for row in found["deployable"]} == {"own"}
    rules = {(row["score"], row["rule"], row["test_set"]): row for row in found["rules"]}
    assert len(rules) == len(found["rules"])
    assert rules["sl", "validation", "stylegan"]["fnr"] > 0.9  # 4 deviations lower: called real
    assert len(path.read_text().splitlines()) < 250
    summary = pd.read_csv(project / "data/thresholds/p/joint.summary.csv")
    assert set(summary["fake_share"]) == {"own", "0.01", "0.1", "0.5", "0.9"}
    assert (summary["accuracy_low"] <= summary["accuracy_high"]).all()


def test_same_scores_give_the_same_files(project):
    names = (
        "metrics/p/joint.thresholds.json",
        "metrics/p/joint.decision.json",
        "data/thresholds/p/joint.csv",
        "data/thresholds/p/joint.summary.csv",
        "plots/p/joint/thresholds.png",
        "plots/p/joint/gap.png",
        "plots/p/joint/reliability.png",
        "plots/p/joint/reliability.csv",
    )
    thresholds.main("p", "joint")
    first = [(project / name).read_bytes() for name in names]
    thresholds.main("p", "joint")
    assert [(project / name).read_bytes() for name in names] == first


def test_a_set_of_fakes_alone_is_left_out(project):
    path = project / "data/scores/p/bce.parquet"
    table = make_scores({"stargan": 0, "stylegan": -4}, "bce")
    table.loc[(table["test_set"] == "stylegan"), "label"] = 1
    write_scores(path, ScoreTable(table, SCORES["bce"]))
    thresholds.main("p", "bce")
    found = json.loads((project / "metrics/p/bce.thresholds.json").read_text())
    assert {row["test_set"] for row in found["table_4_10"]} == {"stargan"}
    assert {row["test_set"] for row in found["fakes_alone"]["rows"]} == {"stylegan"}
    table["label"] = 1
    write_scores(path, ScoreTable(table, SCORES["bce"]))
    thresholds.main("p", "bce")
    assert json.loads((project / "metrics/p/bce.thresholds.json").read_text())["table_4_10"] == []


def test_missing_scores_say_what_to_run(project):
    with pytest.raises(UserError, match="run the evaluate stage first"):
        thresholds.main("p", "nothing")


def test_a_detector_that_the_protocol_leaves_out_has_outputs_without_a_result(project):
    write_json(project / "data/settings/p/sad.json", {"left_out": "p trains bce alone"})
    (project / "data/scores/p/sad.parquet").write_bytes(b"")
    thresholds.main("p", "sad")
    for name in ("thresholds", "decision"):
        found = json.loads((project / f"metrics/p/sad.{name}.json").read_text())
        assert found == {"left_out": "p trains bce alone"}
    assert {path.name for path in (project / "data/thresholds/p").iterdir()} == {"sad.csv", "sad.summary.csv"}
    drawn = {"thresholds.png", "gap.png", "reliability.png", "reliability.csv"}
    assert {path.name for path in (project / "plots/p/sad").iterdir()} == drawn

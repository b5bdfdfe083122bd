import pandas as pd
import pytest

from fakeforensics.errors import UserError
from fakeforensics.reporting.columns import COLUMNS


def test_what_is_not_there_is_listed(project):
    project.protocol(["a"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8)})
    (project.root / "metrics/p/sad.json").unlink()
    results = project.results()
    assert set(results.metrics) == {"bce", "joint"}
    assert results.missing == (
        "data/manifests/p/counts.json",
        "metrics/p/sad.json",
        "metrics/p/bce.thresholds.json",
        "metrics/p/joint.thresholds.json",
        "models/p/bce/model.json",
        "models/p/joint/model.json",
    )
    assert results.ap(COLUMNS[1], "a") is None
    assert results.ap(COLUMNS[3], "a") == pytest.approx(80)


def test_a_complete_run_misses_nothing(full):
    assert full.results().missing == ()


def test_the_pilot_study_has_accuracies_and_the_models_that_saw_most(project):
    project.pilot({"a": {"2": 0.5, "10": 0.6}})
    for objective in ("bce", "sad", "joint"):
        for number in (10, 2):
            project.write(f"models/p/{objective}/n{number}/model.json", {"seed": number})
    results = project.results()
    assert results.missing == ()
    assert list(results.cards) == ["bce/n10", "sad/n10", "joint/n10"]
    assert not results.has_ap
    for column in COLUMNS:
        assert results.accuracies(column) == {"a": {"2": 50, "10": 60}}
        assert results.accuracy_intervals(column)["a", "10"] == pytest.approx((58, 62))


def test_of_the_pilot_studys_scores_those_of_the_model_that_saw_most_are_read(project):
    project.pilot({"a": {"2": 0.5}})
    table = pd.DataFrame({"key": ["x", "x"], "instances": [2, 10], "logit": [1.0, 3.0]})
    path = project.root / "data/scores/p/bce.parquet"
    path.parent.mkdir(parents=True)
    table.to_parquet(path)
    scores = project.results().scores("bce")
    assert scores[["key", "logit"]].values.tolist() == [["x", 3.0]]
    assert "instances" not in scores


@pytest.mark.parametrize(("source", "demo"), [("demo_dffd", True), ("dffd", False)])
def test_a_protocol_on_demo_sources_is_a_demo(project, source, demo):
    project.protocol(["a"], source=source)
    assert project.results().protocol.is_demo is demo


def test_a_missing_protocol_is_an_error(project):
    with pytest.raises(UserError, match=r"nowhere\.yaml"):
        project.results("nowhere")


@pytest.mark.parametrize("text", ["{", "[1]", "\udcff"])
def test_metrics_that_are_no_json_object_are_an_error(project, text):
    project.protocol(["a"])
    path = project.root / "metrics/p/bce.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=r"bce\.json"):
        project.results()

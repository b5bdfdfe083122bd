import pandas as pd
import pytest

from fakeforensics.errors import UserError
from fakeforensics.reporting.project import read_results


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
    )
    assert [column.key for column in results.columns] == ["bce", "joint_sl", "joint_cd"]
    assert results.ap(results.columns[2], "a") == pytest.approx(80)


def test_columns_follow_the_settings_and_have_a_group_where_a_detector_has_several_scores(project):
    project.protocol(["a"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8)})
    results = read_results(project.root, "p", ("joint", "bce"))
    assert [(column.key, column.group, column.title) for column in results.columns] == [
        ("joint_sl", "BCE+SAD", "S_SL"),
        ("joint_cd", "BCE+SAD", "S_CD"),
        ("bce", "", "BCE"),
    ]
    assert results.ap(results.columns[0], "a") == pytest.approx(70)


def test_a_detector_without_its_card_is_missing(project):
    # Nothing else says what its scores are.
    project.protocol(["a"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8)})
    (project.root / "models/p/joint/model.json").unlink()
    results = project.results()
    assert [column.key for column in results.columns] == ["bce", "sad"]
    assert "models/p/joint/model.json" in results.missing
    assert list(results.metrics) == ["bce", "sad"]


def test_a_card_of_an_earlier_version_is_an_error(project):
    project.protocol(["a"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8)})
    project.write("models/p/sad/model.json", {"format": {"name": "x", "version": 1}, "objective": "sad"})
    with pytest.raises(UserError, match=r"models/p/sad/model\.json"):
        project.results()


def test_a_detector_that_the_protocol_leaves_out_is_not_missing(full):
    full.write("metrics/p/sad.json", {"left_out": "its reason"})
    for file in ("models/p/sad/model.json", "metrics/p/sad.thresholds.json"):
        (full.root / file).unlink()
    results = full.results()
    assert results.missing == ()
    assert results.left_out == {"sad": "its reason"}
    assert [column.key for column in results.columns] == ["bce", "joint_sl", "joint_cd"]


def test_a_complete_run_misses_nothing(full):
    assert full.results().missing == ()


def test_the_pilot_study_has_accuracies_and_the_models_that_saw_most(project):
    project.pilot({"a": {"2": 0.5, "10": 0.6}})
    results = project.results()
    assert results.missing == ()
    assert list(results.cards) == ["bce/n10", "sad/n10", "joint/n10"]
    assert [card["seen"] for card in results.cards.values()] == [10, 10, 10]
    assert not results.has_ap
    assert len(results.columns) == 4
    for column in results.columns:
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

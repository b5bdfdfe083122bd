import pytest

from fakeforensics.errors import UserError
from fakeforensics.metrics.spec import ScoreSpec
from fakeforensics.reporting.results import read_results
from fakeforensics.sums import write_list, write_sums

from .conftest import REFERENCE


def test_missing_files_are_listed(project):
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
    assert [column.key for column in results.columns] == [("bce", "sl"), ("joint", "sl"), ("joint", "cd")]
    assert results.ap(results.columns[2], "a") == pytest.approx(80)


def test_columns_follow_the_settings_and_have_a_group_where_a_detector_has_several_scores(project):
    project.protocol(["a"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8)})
    results = read_results(project.root, "p", ("joint", "bce"))
    assert [(column.key, column.group, column.title) for column in results.columns] == [
        (("joint", "sl"), "BCE+SAD", "S_SL"),
        (("joint", "cd"), "BCE+SAD", "S_CD"),
        (("bce", "sl"), "", "BCE"),
    ]
    assert results.ap(results.columns[0], "a") == pytest.approx(70)


def test_a_detector_named_like_another_one_s_score_has_its_own_column(project):
    spec = ScoreSpec(name="x", label="S_X", title="x", column="score_x", scale="real")
    project.scores["joint_sl"], project.labels["joint_sl"] = (spec,), "Mine"
    project.protocol(["a"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8, 0.9)})
    results = project.results()
    assert len({column.key for column in results.columns}) == 5
    assert [column.place for column in results.columns] == [0, 1, 2, 3, 4]
    assert results.ap(results.columns[2], "a") == pytest.approx(70)
    assert results.ap(results.columns[4], "a") == pytest.approx(90)


def test_a_detector_without_its_card_is_missing(project):
    # Nothing else describes its scores.
    project.protocol(["a"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8)})
    (project.root / "models/p/joint/model.json").unlink()
    results = project.results()
    assert [column.detector for column in results.columns] == ["bce", "sad"]
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
    assert [column.detector for column in results.columns] == ["bce", "joint", "joint"]


def test_a_complete_run_misses_nothing(full):
    assert full.results().missing == ()


def test_sets_of_fakes_alone_have_accuracies_and_no_ranking(project):
    project.fakes_alone({"a": 0.5, "b": 0.6})
    results = project.results()
    assert results.missing == ()
    assert results.fake_only == ("a", "b")
    assert results.ranked == ()
    for column in results.columns:
        assert results.fake_accuracy(column, "b") == pytest.approx(60)
        assert results.fake_accuracy_interval(column, "b") == pytest.approx((58, 62))


def test_sets_are_in_the_published_order_and_other_sets_come_last(project):
    project.protocol(["mine", "faceapp_ffhq"])
    project.metrics({"mine": (0.5, 0.6, 0.7, 0.8)})
    # StyleGAN is published but not tested: it must show up as missing.
    published = project.results(reference=REFERENCE)
    assert published.ranked == ("stylegan_ffhq", "faceapp_ffhq", "mine")
    assert published.label("faceapp_ffhq") == "FaceApp (FFHQ)"
    own = project.results()
    assert own.ranked == ("mine", "faceapp_ffhq")
    assert own.label("faceapp_ffhq") == "faceapp_ffhq"  # other data must not borrow a published name


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


def test_figures_that_were_changed_since_they_were_written_are_named(project):
    project.protocol(["a"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8)})
    path = project.root / "metrics/p/joint.json"
    write_list([path, path.with_name("joint.details.json")])
    project.results()
    path.write_text(path.read_text().replace("0.7", "0.9"))  # one digit, and still a valid value
    with pytest.raises(UserError, match=r"metrics/p/joint\.json: changed since it was written"):
        project.results()


@pytest.mark.parametrize("text", ["", "\xff", "score,recall\nsl,1\n", "score,recall,precision\nsl,1,high\n"])
def test_a_damaged_curve_is_named(project, text):
    project.protocol(["a"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8)})
    path = project.root / "plots/p/bce/pr/a.csv"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=r"bce/pr/a\.csv: not the points of a curve(.|\n)*recall, precision"):
        project.results().curve("pr", "bce", "a")
    path.write_text("score,recall,precision\nsl,1,0.5\n")
    assert project.results().curve("pr", "bce", "a")["precision"].tolist() == [0.5]
    write_sums(path.parents[1])
    path.unlink()
    with pytest.raises(UserError, match=r"pr/a\.csv: no such file"):  # which was there
        project.results().curve("pr", "bce", "a")
    assert project.results().curve("pr", "bce", "b") is None

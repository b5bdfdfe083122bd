"""The stage `evaluate` on scores with a known shift."""

import json
import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import yaml

from fakeforensics.errors import UserError
from fakeforensics.external import NAME, evaluate_scores
from fakeforensics.files import write_json, write_parquet
from fakeforensics.metrics.table import ScoreTable, read_scores, write_scores
from fakeforensics.params import ThresholdsParams
from stages import evaluate
from tests.score_specs import SCORES
from tests.score_tables import make_scores

SETTINGS = """protocols: [p]
detectors: [bce, sad, joint]
compare: {baseline: bce}
sources: {}
evaluate: {bootstrap: 100, corruptions: [blur_4]}
thresholds: {bootstrap: 100, known_reals: [10], draws: 20}
"""
FILES = [
    *("metrics/p/{}.json", "metrics/p/{}.details.json", "metrics/p/{}.robustness.json"),
    *("metrics/p/{}.thresholds.json", "metrics/p/{}.decision.json", "metrics/p/{}.sha256"),
    "plots/p/{}/SHA256SUMS",
    "data/robustness/p/{}.csv",
    *("data/thresholds/p/{}.csv", "data/thresholds/p/{}.summary.csv", "plots/p/{}/robustness.png"),
    *("plots/p/{}/thresholds.png", "plots/p/{}/gap.png", "plots/p/{}/reliability.png"),
    *("plots/p/{}/tippett.png", "plots/p/{}/tippett.csv"),
    *("plots/p/{}/reliability.csv", "plots/p/{}/pr/stylegan.csv", "plots/p/{}/roc/stargan.csv"),
]


def write_tables(root, detector, keep=lambda table: table):
    """A seen set, and one whose scores all lie 4 lower; under blur, 2 deviations of noise."""
    scores = SCORES[detector]
    sets = {"stargan": 0, "stylegan": -4}
    table = keep(make_scores(sets, detector))
    blurred = keep(make_scores(sets, detector, gap=1.0))
    validation = make_scores({"validation": 0}, detector, seed=1)
    folder = root / "data/scores/p"
    write_scores(folder / f"{detector}.parquet", ScoreTable(table, scores))
    write_scores(folder / f"{detector}.corrupted/blur_4.parquet", ScoreTable(blurred, scores))
    write_scores(folder / f"{detector}.val.parquet", ScoreTable(validation, scores))

    def classes(rows):
        return {"real": int((rows["label"] == 0).sum()), "fake": int((rows["label"] == 1).sum())}

    tests = {name: classes(rows) for name, rows in table.groupby("test_set")}
    counts = {"train": {"real": 1, "fake": 1}, "val": classes(validation), "test": tests, "undetected": {}}
    write_json(root / "data/manifests/p/counts.json", counts)
    place = {"source": "s", "shard": "shard-00000.tar", "offset": 0, "size": 1, "method": "m"}
    images = table[["test_set", "key", "label"]].assign(split="test", sha256="0" * 64, **place)
    images["box"] = [[]] * len(images)
    write_parquet(root / "data/manifests/p/corrupted.parquet", images)


def make_project(root):
    protocol = {"title": "t", "train": [], "test": {"stylegan": [], "stargan": []}, "unseen": ["stylegan"]}
    (root / "protocols").mkdir()
    (root / "protocols/p.yaml").write_text(yaml.safe_dump(protocol, sort_keys=False))
    (root / "params.yaml").write_text(SETTINGS)
    return root


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        root = make_project(tmp_path_factory.mktemp("evaluate"))
        patch.chdir(root)
        for detector in ("bce", "joint"):
            write_tables(root, detector)
            evaluate.main("p", detector)
        yield root


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A project that a test may change."""
    monkeypatch.chdir(tmp_path)
    return make_project(tmp_path)


def read(root, name):
    return json.loads((root / "metrics/p" / name).read_text())


@pytest.mark.parametrize(("detector", "scores"), [("bce", ["sl"]), ("joint", ["sl", "cd"])])
def test_files_follow_the_contract(project, detector, scores):
    for name in FILES:
        assert (project / name.format(detector)).stat().st_size > 0
    metrics = read(project, f"{detector}.json")
    assert list(metrics) == ["ap", "auc", "eer", "validation", "cllr", "cllr_min", "trained_on"]
    assert list(metrics["validation"]) == (["ap", "log_loss"] if "sl" in scores else ["ap"])
    for metric in ("ap", "auc", "eer"):
        assert list(metrics[metric]) == scores
        for values in metrics[metric].values():
            assert list(values) == ["stylegan", "stargan", "mean", "mean_unseen"]
            assert values["mean_unseen"] == values["stylegan"]
    for metric in ("cllr", "cllr_min"):
        for values in metrics[metric].values():
            assert list(values) == ["validation", "stylegan", "stargan", "mean", "mean_unseen"]
    details = read(project, f"{detector}.details.json")
    assert list(details) == ["ap_interval", "auc_interval", "details"]
    low, high = details["ap_interval"][scores[0]]["stylegan"]
    assert low <= metrics["ap"][scores[0]]["stylegan"] <= high


def test_corrupted_scores_cost_precision(project):
    found = read(project, "bce.robustness.json")
    assert [row["corruption"] for row in found["ap"]] == ["clean", "blur_4"]
    assert list(found["accuracy"][1]["by_set"]) == ["stylegan", "stargan", "mean", "mean_unseen"]
    clean_ap = read(project, "bce.json")["ap"]["sl"]["stylegan"]
    assert found["ap"][0]["by_set"]["stylegan"] == pytest.approx(clean_ap, abs=5e-5)
    value, low, high = found["ap_lost"][0]["by_set"]["mean"]
    assert 0 < low < value < high
    rows = pd.read_csv(project / "data/robustness/p/bce.csv")
    assert len(rows) == 2 * 4
    assert rows.loc[rows["corruption"] == "clean", "ap_lost"].eq(0).all()


def test_thresholds_are_those_of_known_gaussians(project):
    rows = read(project, "bce.thresholds.json")["table_4_10"]
    # Sets in the protocol's order, four criteria, each with an oracle and validation's choice.
    assert [row["test_set"] for row in rows[::8]] == ["stylegan", "stargan"]
    accuracy = {
        (row["test_set"], row["chosen_on"]): row["accuracy"] for row in rows if row["criterion"] == "accuracy"
    }
    # A gap of 3 deviations: the best possible accuracy is Φ(1.5) = 0.933.
    assert accuracy["stylegan", "oracle"] == pytest.approx(0.933, abs=0.05)
    assert accuracy["stargan", "validation"] == pytest.approx(0.933, abs=0.05)
    # The set that lies 4 deviations lower has no score above validation's threshold: half of it is right.
    assert accuracy["stylegan", "validation"] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(("detector", "score"), [("bce", "sl"), ("joint", "sl"), ("joint", "cd")])
def test_published_score_tables_give_the_recorded_metrics(project, tmp_path, detector, score):
    # All that is published: the two tables, in a folder with nothing else.
    for name in (f"{detector}.parquet", f"{detector}.val.parquet"):
        shutil.copy(project / "data/scores/p" / name, tmp_path / name)
    quick = ThresholdsParams(bootstrap=100, known_reals=(10,), draws=1)
    found = evaluate_scores([tmp_path / f"{detector}.parquet"], params=quick, score=score).metrics
    recorded = read(project, f"{detector}.json")
    for metric in ("ap", "auc", "eer"):
        expected = dict(recorded[metric][score])
        # Which sets are unseen stands in the protocol and not in a score table.
        assert expected.pop("mean_unseen") == expected["stylegan"]
        assert found[metric][NAME] == expected
    assert found["validation"]["ap"][NAME] == recorded["validation"]["ap"][score]


def test_again_gives_the_same_bytes_without_torch(project):
    names = [name.format("bce") for name in FILES]
    first = [(project / name).read_bytes() for name in names]
    code = (
        "import sys; from stages import evaluate; evaluate.main('p', 'bce'); "
        "assert 'torch' not in sys.modules"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=project, env=environment)
    assert [(project / name).read_bytes() for name in names] == first


@pytest.mark.parametrize(
    ("detector", "key"), [("bce", "accuracy"), ("sad", "accuracy_at_validation_threshold")]
)
def test_sets_of_fakes_alone_have_an_accuracy(own, detector, key):
    write_tables(own, detector, lambda table: table[table["label"] == 1])
    evaluate.main("p", detector)
    score = SCORES[detector][0]
    metrics = read(own, f"{detector}.json")
    assert list(metrics) == [key, "validation", "cllr", "cllr_min", "trained_on"]
    assert list(metrics["cllr"][score.name]) == ["validation"]  # no other set holds reals
    details = read(own, f"{detector}.details.json")
    assert list(details) == ["details", "fakes_alone"]
    table = pd.read_parquet(own / f"data/scores/p/{detector}.parquet")
    assert [row["test_set"] for row in details["fakes_alone"]] == ["stylegan", "stargan"]
    for row in details["fakes_alone"]:
        by_hand = (table[table["test_set"] == row["test_set"]][score.column] >= row["threshold"]).mean()
        assert row["accuracy"] == pytest.approx(by_hand, abs=1e-6)
        assert metrics[key][score.name][row["test_set"]] == row["accuracy"]
    robustness = read(own, f"{detector}.robustness.json")
    assert list(robustness) == ["accuracy"]
    assert list(robustness["accuracy"][1]["by_set"]) == ["stylegan", "stargan", "mean", "mean_unseen"]
    thresholds = read(own, f"{detector}.thresholds.json")
    assert thresholds["table_4_10"] == []
    assert {row["test_set"] for row in thresholds["fakes_alone"]["rows"]} == {"stylegan", "stargan"}


def test_a_test_set_without_scores_is_named(own):
    write_tables(own, "bce", lambda table: table[table["test_set"] == "stargan"])
    with pytest.raises(UserError, match=r"test sets(.|\n)*found: stargan"):
        evaluate.main("p", "bce")


def test_scores_that_lack_an_image_are_refused(own):
    write_tables(own, "bce")
    path = own / "data/scores/p/bce.parquet"
    whole = read_scores(path)
    lost = whole.rows["test_set"].eq("stargan") & whole.rows["label"].eq(1)
    write_scores(path, whole._replace(rows=whole.rows.drop(index=whole.rows.index[lost][:3])))
    # make_scores: 100 reals and 100 fakes in each set
    with pytest.raises(
        UserError, match=r"bce\.parquet: (.|\n)*stargan: 100 reals and 97 fakes, where (.|\n)*and 100 fakes"
    ):
        evaluate.main("p", "bce")
    write_scores(path, whole)
    blurred = own / "data/scores/p/bce.corrupted/blur_4.parquet"
    table = read_scores(blurred)
    write_scores(blurred, table._replace(rows=table.rows.iloc[1:]))
    with pytest.raises(UserError, match=r"blur_4\.parquet: not (.|\n)*399 rows, 400 in the manifest"):
        evaluate.main("p", "bce")


def test_missing_scores_say_what_to_run(own):
    with pytest.raises(UserError, match="run the score stage first"):
        evaluate.main("p", "nothing")
    write_tables(own, "bce")
    (own / "data/scores/p/bce.corrupted/blur_4.parquet").unlink()
    with pytest.raises(UserError, match=r"blur_4\.parquet[\s\S]*run the score stage first"):
        evaluate.main("p", "bce")


def test_a_detector_that_the_protocol_leaves_out_has_outputs_without_a_result(own):
    write_json(own / "data/settings/p/sad.json", {"left_out": "p trains bce alone"})
    evaluate.main("p", "sad")
    for name in FILES:
        path = own / name.format("sad")
        if path.suffix == ".json":
            assert json.loads(path.read_text()) == {"left_out": "p trains bce alone"}
        elif path.suffix in (".png", ".sha256") or path.name == "SHA256SUMS":
            assert path.stat().st_size > 0
        elif path.parent.name not in ("pr", "roc"):
            assert path.read_bytes() == b""
    for folder in ("pr", "roc"):
        assert [path.name for path in (own / "plots/p/sad" / folder).iterdir()] == ["left_out"]

"""Everything that is computed from scores, for a detector with three scores that no module knows by name."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import average_precision_score

from fakeforensics.external import evaluate_scores
from fakeforensics.metrics.robustness import robustness_table, write_robustness
from fakeforensics.metrics.summary import measure_run, write_curves
from fakeforensics.metrics.table import ScoreTable, write_scores
from fakeforensics.params import ThresholdsParams
from fakeforensics.thresholds.analysis import analyze, write_analysis
from fakeforensics.thresholds.calibrate import decide, fit_calibrators
from fakeforensics.thresholds.targets import make_working_scores
from tests.score_tables import MIXED, make_mixed

NAMES = ["far", "sure", "margin"]
QUICK = ThresholdsParams(bootstrap=100, known_reals=(10,), draws=10)
TABLE = make_mixed({"a": 0, "b": -3}, images=120, gap=2.0, video_frames=4)
VALIDATION = make_mixed({"validation": 0}, images=120, gap=2.0, video_frames=4, seed=1)


def test_metrics_are_those_of_each_score(tmp_path):
    metrics, more = measure_run(TABLE, VALIDATION, MIXED, ("b",), seed=0, replicates=50)
    rows = TABLE[TABLE["test_set"] == "b"]
    for score in MIXED:
        expected = average_precision_score(rows["label"], rows[score.column])
        assert metrics["ap"][score.name]["b"] == pytest.approx(expected, abs=1e-6)
    assert [list(metrics[metric]) for metric in ("ap", "auc", "eer")] == [NAMES] * 3
    assert list(metrics["validation"]) == ["ap"]  # none is a logit
    assert [row["score"] for row in more["details"]] == [name for name in NAMES for _ in "ab"] * 2
    assert {row["level"] for row in more["details"]} == {"frame", "video"}
    write_curves(TABLE, MIXED, tmp_path)
    assert pd.read_csv(tmp_path / "roc/b.csv")["score"].unique().tolist() == NAMES


def test_thresholds_are_reported_on_each_scores_own_scale(tmp_path):
    analysis = analyze(TABLE, VALIDATION, MIXED, QUICK, seed=0)
    assert list(dict.fromkeys(row["score"] for row in analysis.thresholds)) == NAMES
    assert list(dict.fromkeys(row["score"] for row in analysis.summary)) == [*NAMES, "fused"]
    rules = analysis.rules.dropna(subset="threshold").groupby("score")["threshold"]
    assert rules.get_group("far").gt(0).all()
    assert rules.get_group("sure").between(0, 1).all()
    for row in analysis.thresholds:
        assert ("probability" in row) == (row["score"] == "sure")
    kinds = {(row["score"], row["calibrator"]) for row in analysis.calibration}
    assert kinds == {(name, kind) for name in NAMES for kind in ("platt", "isotonic")}
    write_analysis(
        analysis,
        metrics=tmp_path / "t.json",
        decision=tmp_path / "d.json",
        details=tmp_path / "r.csv",
        plots=tmp_path,
    )
    assert list(json.loads((tmp_path / "t.json").read_text())["accuracy"]) == [*NAMES, "fused"]
    for name in ("thresholds", "gap", "reliability"):
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def test_views_show_the_working_scales():
    far, sure, margin, fused = make_working_scores(TABLE, VALIDATION, MIXED)
    assert far.test == pytest.approx(np.log(TABLE["distance"]))
    assert expit(sure.validation) == pytest.approx(VALIDATION["sure"])
    assert margin.test.tolist() == TABLE["margin"].tolist()
    # The fused score ranks validation at least as well as each of the three.
    labels = VALIDATION["label"]
    best = max(average_precision_score(labels, view.validation) for view in (far, sure, margin))
    assert average_precision_score(labels, fused.validation) > best


@pytest.mark.parametrize("better", NAMES)
def test_the_best_score_on_validation_decides(better):
    columns = {score.column: score.name for score in MIXED}
    rng = np.random.default_rng(0)
    noise = {column: rng.random(len(VALIDATION)) for column, name in columns.items() if name != better}
    noisy = VALIDATION.assign(**noise)
    found = decide(noisy, MIXED, fit_calibrators(noisy, MIXED), "accuracy", "temperature")
    assert (found.score, found.calibrator.kind) == (better, "platt")


def test_a_score_without_platt_is_calibrated_by_what_it_has():
    only = (MIXED[0].model_copy(update={"calibrators": ("isotonic",)}),)
    found = decide(VALIDATION, only, fit_calibrators(VALIDATION, only), "accuracy", "platt")
    assert found.calibrator.kind == "isotonic"


def test_robustness(tmp_path):
    weaker = TABLE.assign(margin=0.0)  # one score is lost entirely
    rows = robustness_table(TABLE, {"blur_9": weaker}, VALIDATION, MIXED, ("b",), 0, 100)
    lost = rows[(rows["corruption"] == "blur_9") & (rows["test_set"] == "mean")].set_index("score")["ap_lost"]
    assert lost[["far", "sure"]].tolist() == [0, 0]
    assert lost["margin"] > 0.2
    write_robustness(
        rows,
        MIXED,
        metrics=tmp_path / "r.json",
        details=tmp_path / "r.csv",
        picture=tmp_path / "r.png",
    )
    assert (tmp_path / "r.png").stat().st_size > 5_000


def test_the_evaluate_command_reads_the_chosen_score(tmp_path):
    path = tmp_path / "three.parquet"
    write_scores(path, ScoreTable(TABLE, MIXED))
    found = evaluate_scores([path], params=QUICK, score="sure").metrics
    assert found["ap"]["score"]["b"] == measure_run(TABLE, VALIDATION, MIXED, (), 0, 20)[0]["ap"]["sure"]["b"]

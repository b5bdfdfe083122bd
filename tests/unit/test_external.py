"""Anybody's scores in a CSV: what comes out, and what is said of faulty files."""

import json

import numpy as np
import pandas as pd
import pytest
import typer
from sklearn.metrics import average_precision_score
from typer.testing import CliRunner

from fakeforensics.cli_evaluate import evaluate
from fakeforensics.errors import UserError
from fakeforensics.external import evaluate_scores, render
from fakeforensics.params import ThresholdsParams
from fakeforensics.score_file import read_score_file
from tests.score_tables import make_scores

QUICK = ThresholdsParams(bootstrap=100, known_reals=(10,), draws=10)


def write(path, seed=0, columns=("score", "label", "test_set", "group", "split", "key"), noise=0.0):
    test = make_scores({"stargan": 0, "stylegan": -3}, "bce", images=120, gap=2.0).assign(split="test")
    validation = make_scores({"validation": 0}, "bce", images=120, seed=1).assign(split="val", test_set="")
    rows = pd.concat([test, validation]).rename(columns={"logit": "score"})
    rows["score"] += noise * np.random.default_rng(seed).normal(size=len(rows))
    rows[list(columns)].to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A file of scores, the folder that was made of it, and the report."""
    root = tmp_path_factory.mktemp("evaluated")
    path = write(root / "scores.csv")
    return path, root / "out", evaluate_scores([path], root / "out", params=QUICK)


def test_metrics_thresholds_and_files(evaluated):
    path, out, report = evaluated
    rows = pd.read_csv(path).query("test_set == 'stylegan'")
    expected = average_precision_score(rows["label"], rows["score"])
    assert report.metrics["ap"]["score"]["stylegan"] == pytest.approx(expected, abs=1e-6)
    assert {row["chosen_on"] for row in report.thresholds} == {"oracle", "validation"}
    assert {row["rule"] for row in report.selectors} >= {"validation", "mixture", "reals_k10_fpr10"}
    assert report.remarks == []
    files = {file.name for file in out.iterdir()}
    assert files >= {"metrics.json", "thresholds.json", "thresholds.png", "gap.png", "rules.csv", "pr", "roc"}
    json.loads((out / "thresholds.json").read_text())


def test_likelihood_ratios_are_fitted_on_validation_and_measured_everywhere(evaluated):
    _, out, report = evaluated
    rows = {(row["calibrator"], row["test_set"]): row for row in report.likelihood}
    costs = report.metrics["cllr"]["score"]
    assert list(costs) == ["validation", "stargan", "stylegan", "mean"]
    assert costs["stargan"] == rows["logistic", "stargan"]["cllr"]
    assert costs["stylegan"] > costs["stargan"]  # it lies 3 deviations lower
    printed = render(report)
    assert f"{costs['stylegan']:.4f}" in printed
    assert (out / "tippett.png").stat().st_size > 0


def test_without_validation_fakes_there_is_a_remark_and_no_likelihood_ratio(tmp_path):
    path = write(tmp_path / "scores.csv")
    rows = pd.read_csv(path)
    rows[(rows["split"] == "test") | (rows["label"] == 0)].to_csv(path, index=False)
    report = evaluate_scores([path], params=QUICK)
    assert report.likelihood == []
    assert "cllr" not in report.metrics
    assert "there are no likelihood ratios: validation holds no fakes" in report.remarks[-1]


def test_three_columns_are_enough(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("score,label,test_set\n0.9,1,a\n0.8,0,a\n0.7,1,a\n0.1,0,a\n")
    report = evaluate_scores([path], tmp_path / "out", params=QUICK)
    assert report.metrics["ap"]["score"]["a"] == pytest.approx(0.833333)  # 1/2 · 1 + 1/2 · 2/3
    assert {row["chosen_on"] for row in report.thresholds} == {"oracle"}
    assert "no rows with split val" in report.remarks[0]
    assert "no column group" in report.remarks[1]
    assert (tmp_path / "out/thresholds.png").is_file()
    assert "oracle (test labels)" in render(report)


def test_several_runs_have_a_mean_and_a_deviation(tmp_path):
    paths = [write(tmp_path / f"seed{seed}.csv", seed, noise=1.0) for seed in range(3)]
    report = evaluate_scores(paths, params=QUICK)
    metrics = report.metrics
    assert "AP over 3 runs" in render(report)
    tested = [pd.read_csv(path).query("test_set == 'stargan'") for path in paths]
    values = [average_precision_score(rows["label"], rows["score"]) for rows in tested]
    assert metrics["over_runs"]["runs"] == 3
    low, high = metrics["over_runs"]["ap_interval"]["stargan"]
    assert low < metrics["over_runs"]["ap"]["stargan"]["mean"] < high
    assert metrics["over_runs"]["ap"]["stargan"]["mean"] == pytest.approx(np.mean(values), abs=2e-6)
    assert metrics["over_runs"]["ap"]["stargan"]["deviation"] == pytest.approx(
        np.std(values, ddof=1), abs=2e-6
    )


def test_a_second_detector_is_compared_in_pairs(tmp_path):
    good, bad = write(tmp_path / "good.csv"), write(tmp_path / "bad.csv", noise=4.0)
    report = evaluate_scores([good], against=[bad], params=QUICK)
    assert [row["test_set"] for row in report.comparison["ap_difference"]] == ["stargan", "stylegan", "mean"]
    assert all(row["difference"] > 0 for row in report.comparison["ap_difference"])
    assert "first minus second" in render(report)


def test_scores_of_the_wrong_sign_are_remarked_on(tmp_path):
    path = write(tmp_path / "scores.csv")
    rows = pd.read_csv(path)
    rows.assign(score=-rows["score"]).to_csv(path, index=False)
    report = evaluate_scores([path], params=QUICK)
    assert report.advice is None
    assert "advice" not in report.metrics
    first = render(report).splitlines()[0]
    assert first.startswith("warning: fakes score lower than reals")
    assert "change the sign" in first


def test_scores_of_other_images_are_refused_with_both_names(tmp_path):
    path, other = write(tmp_path / "scores.csv"), tmp_path / "other.csv"
    pd.read_csv(path).drop(columns="key").to_csv(other, index=False)  # images are named by line instead
    with pytest.raises(UserError, match=r"other\.csv: not the same images as in .*scores\.csv") as caught:
        evaluate_scores([path], against=[other], params=QUICK)
    assert "0 of them the same" in str(caught.value)
    assert "column key" in str(caught.value)


def test_constant_scores_and_two_images_have_values(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("score,label,test_set\n0.5,1,a\n0.5,0,a\n")
    metrics = evaluate_scores([path], params=QUICK).metrics
    assert [metrics[name]["score"]["a"] for name in ("ap", "auc", "eer")] == [0.5, 0.5, 0.5]
    remarks = " ".join(read_score_file(path)[2])
    assert "all scores are equal, so the metrics say nothing: a" in remarks
    assert "fewer than 10 groups of a class make intervals too narrow: a" in remarks


def test_the_command_prints_and_writes(tmp_path):
    app = typer.Typer()
    app.command()(evaluate)
    path = write(tmp_path / "scores.csv")
    result = CliRunner().invoke(app, [str(path), "--bootstrap", "100", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0
    assert "stylegan" in result.output
    assert "gap closed" in result.output


def test_remarks_are_about_every_file(tmp_path):
    clean, shared = write(tmp_path / "clean.csv"), tmp_path / "shared.csv"
    rows = pd.read_csv(clean, keep_default_na=False)
    rows.loc[rows["split"] == "val", "group"] = rows["group"][0]
    rows.to_csv(shared, index=False)
    report = evaluate_scores([clean], against=[shared], params=QUICK)
    assert "validation and test share 1 of the column group" in report.remarks[0]


def test_any_name_of_a_test_set_is_written_and_nothing_leaves_the_folder(tmp_path):
    names = ["FF++/c23", "../escaped", "$a$b", "x" * 300]
    table = make_scores(dict.fromkeys(names, 0), "bce", images=40)
    path = tmp_path / "scores.csv"
    table.rename(columns={"logit": "score"})[["score", "label", "test_set"]].to_csv(path, index=False)
    report = evaluate_scores([path], tmp_path / "out/in", params=QUICK)
    assert set(report.metrics["ap"]["score"]) == {*names, "mean"}
    assert {file.name for file in tmp_path.iterdir()} == {"scores.csv", "out"}
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["in"]
    assert len(list((tmp_path / "out/in/pr").iterdir())) == len(names)


def test_metrics_are_written_last(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fakeforensics.external.write_curves", fail)
    with pytest.raises(OSError, match="No space left"):
        evaluate_scores([write(tmp_path / "scores.csv")], tmp_path / "out", params=QUICK)
    assert not (tmp_path / "out/metrics.json").exists()


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    path = write(tmp_path / "scores.csv")
    with pytest.raises(UserError, match=r"scores\.csv: this folder cannot be created"):
        evaluate_scores([path], path, params=QUICK)


def test_a_rule_without_an_answer_says_so(tmp_path):
    path = write(tmp_path / "scores.csv")
    rows = pd.read_csv(path, keep_default_na=False)
    rows["score"] += 6 * rows["label"]
    rows.loc[0, "score"] = -9999.0  # a stand-in for no score in the first set, stargan
    rows.to_csv(path, index=False)
    report = evaluate_scores([path], tmp_path / "out", params=QUICK)
    lines = {line.split()[0]: line for line in render(report).splitlines() if line}
    # Without overlap the classes of the other set have two peaks, those of stargan lie in one bin.
    assert "finds no threshold on 1 set; uses that of validation" in lines["mixture"]
    assert "finds no threshold" not in lines["universal_mean"]
    rules = pd.read_csv(tmp_path / "out/rules.csv").query("rule == 'mixture' and fake_share == 'own'")
    assert rules.set_index("test_set")["note"]["stargan"] == "finds no threshold: validation's is used"


def test_printed_thresholds_keep_their_digits(tmp_path):
    # Probabilities that differ from the seventh digit on: five digits of each are 1.
    text = "score,label,test_set\n0.99999991,0,a\n0.99999995,1,a\n"
    (tmp_path / "scores.csv").write_text(text)
    report = evaluate_scores([tmp_path / "scores.csv"], params=QUICK)
    assert "0.99999993  accuracy 1.0000" in render(report)  # the middle of the two

"""Anybody's scores in a CSV: what comes out, and what is said of faulty files."""

import json
import os

import numpy as np
import pandas as pd
import pytest
import typer
from sklearn.metrics import average_precision_score
from typer.testing import CliRunner

from fakeforensics.cli_evaluate import evaluate
from fakeforensics.errors import UserError
from fakeforensics.external import evaluate_scores, read_external, render
from fakeforensics.metrics.table import ScoreTable, write_scores
from fakeforensics.params import ThresholdsParams
from tests.score_specs import SCORES
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("score,label\n1,0\n", "the column test_set is missing"),
        ("score,label,test_set\nhigh,0,a\n", "line 2: score is 'high'"),
        ("score,label,test_set\n1,0,a\nnan,1,a\n", "line 3: score is 'nan'"),
        ("score,label,test_set\ninf,1,a\n", "line 2: score is 'inf'"),
        ("score,label,test_set\n1,2,a\n", "line 2: label is '2'"),
        ("score,label,test_set\n1,1,\n", "line 2: test_set is ''"),
        ("score,label,test_set,split\n1,1,a,train\n", "line 2: split is 'train'"),
        ("score,label,test_set,split\n1,1,a,val\n", "there is no row with split test"),
        ("score,label,test_set\n1,1,a\n2,1,a\n", "no test set holds both"),
        ("score,label,test_set,key\n1,1,a,x\n2,0,a,x\n", "the key 'x' appears twice"),
        ("", "not a CSV file"),
        # Decimal commas: 0,91 was read as 91, its 0 as the name of the row.
        ("score,label,test_set\n0,91,1,a\n0,12,0,a\n", r"Expected 3 fields in line 2, saw 4"),
        ("score,label,test_set\n0.5,1,a\n0,12,0,a\n", r"Expected 3 fields in line 3, saw 4"),
        ("score;label;test_set\n0,91;1;a\n0,12;0;a\n", r"decimal point, such as 0\.91"),
        ('score,label,test_set\n"0,91",1,a\n', "line 2: score is '0,91'"),
        ("score,score,label,test_set\n1,2,1,a\n", "the column score appears twice"),
        ("score,Score ,label,test_set\n1,2,1,a\n", "the column score appears twice"),
        # Two quotes too many make one row of three, and a set of its own with a name in three lines.
        ('score,label,test_set\n1,1,"a\n2,0,a\n3,1,a"\n4,0,a\n', r"line 2: test_set is [\s\S]*in one line"),
        ("score,label,test_set,key\n1,1,a,x\x1b[31m\n", r"line 2: key is 'x\\x1b\[31m'"),
        (
            "score,label,test_set,key,split\n1,1,a,x,val\n2,1,b,x,test\n3,1,a,x,val\n4,0,b,y,test\n",
            "the key 'x' appears twice in the validation rows",
        ),
        ("score,label,test_set\n1,1,Mean \n", "line 2: test_set is 'Mean'"),
        ("score,label,test_set\n-1.8e308,0,a\n1,1,a\n", "line 2: score is '-1.8e308'"),  # no 64-bit number
        ("score,label,test_set\n-1.7e308,0,a\n1,1,a\n", "line 2: score is '-1.7e308'"),  # its square is none
        ("score,label,test_set\n1,1,mean\n", "line 2: test_set is 'mean'"),
        ("score,label,test_set\n1,1,mean_unseen\n", "line 2: test_set is 'mean_unseen'"),
        ("score,label,test_set\n1,1,validation\n", "line 2: test_set is 'validation'"),
        (
            "score,label,test_set,video\n1,1,a,v\n2,0,a,v\n3,1,b,v\n",
            r"scores\.csv: the video 'v' has two labels[\s\S]*label 0 in 1 rows \(row 3 in a\); label 1 in 1",
        ),
        (
            "score,label,test_set,key\n1,1,a,x\n2,0,b,x\n",
            r"the key 'x' has two labels[\s\S]*\(x in b\); label 1 in 1 rows \(x in a\)",
        ),
    ],
)
def test_faulty_files_are_explained(tmp_path, text, message):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        evaluate_scores([path], params=QUICK)


def test_text_in_another_encoding_is_named(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_bytes("score,label,test_set\n1,1,é\n".encode("latin-1"))
    with pytest.raises(UserError, match="not text in UTF-8"):
        read_external(path)


def test_labels_may_be_words_or_decimals(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("score,label,test_set\n1,Fake,a\n2,real,a\n3,1.0,a\n4,0.0,a\n")
    assert read_external(path)[0]["label"].tolist() == [1, 0, 1, 0]


def test_scores_of_the_wrong_sign_are_remarked_on(tmp_path):
    path = write(tmp_path / "scores.csv")
    rows = pd.read_csv(path)
    rows.assign(score=-rows["score"]).to_csv(path, index=False)
    assert "change its sign" in evaluate_scores([path], params=QUICK).remarks[-1]


def test_the_pipelines_own_tables_are_read(tmp_path):
    path = tmp_path / "joint.parquet"
    validation = make_scores({"validation": 0}, images=60, seed=1)
    write_scores(path, ScoreTable(make_scores({"a": 0}, images=60), SCORES["joint"]))
    write_scores(tmp_path / "joint.val.parquet", ScoreTable(validation, SCORES["joint"]))
    with pytest.raises(UserError, match=r"several scores[\s\S]*sl or cd[\s\S]*--score sl"):
        read_external(path)
    test, validation, remarks = read_external(path, "cd")
    distances = pd.read_parquet(path)["score_cd"]
    assert (
        test["score"].tolist() == np.log(distances.astype(float)).tolist()
    )  # as the pipeline's rules see it
    assert (len(validation), remarks) == (60, [])
    # A table with one score is compared by that, whatever is asked of the others.
    write_scores(tmp_path / "bce.parquet", ScoreTable(make_scores({"a": 0}, "bce", images=60), SCORES["bce"]))
    assert len(read_external(tmp_path / "bce.parquet", "cd")[0]) == 60
    # The validation table in the same folder must come from the same detector.
    write_scores(
        tmp_path / "bce.val.parquet", ScoreTable(make_scores({"validation": 0}, "sad"), SCORES["sad"])
    )
    with pytest.raises(UserError, match=r"bce\.val\.parquet: lacks the score sl"):
        read_external(tmp_path / "bce.parquet")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.csv: no such file"):
        read_external(tmp_path / "nowhere.csv")


def test_a_folder_or_a_named_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(UserError, match=r"pipe\.csv: not a file\s+found: a named pipe"):
        read_external(tmp_path / "pipe.csv")
    with pytest.raises(UserError, match="found: a folder"):
        read_external(tmp_path)


def test_saturated_scores_and_one_sided_sets_are_remarked_on(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("score,label,test_set,group\n1,1,a,x\n1,0,a,y\n0,0,a,z\n0.5,1,b,w\n")
    remarks = " ".join(read_external(path)[2])
    assert "75% of the scores are exactly 0 or 1" in remarks
    assert "sets with one class have no metrics: b" in remarks


def test_constant_scores_and_two_images_have_values(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("score,label,test_set\n0.5,1,a\n0.5,0,a\n")
    metrics = evaluate_scores([path], params=QUICK).metrics
    assert [metrics[name]["score"]["a"] for name in ("ap", "auc", "eer")] == [0.5, 0.5, 0.5]
    remarks = " ".join(read_external(path)[2])
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


def read_text(tmp_path, text):
    (tmp_path / "scores.csv").write_text(text)
    return read_external(tmp_path / "scores.csv")


@pytest.mark.parametrize(
    ("rows", "saturated"),
    [
        # Logits: two of four are exactly 0 or 1, but the column reaches 1.58.
        ("0.0,0,a,\n1.0,1,a,\n1.58,1,a,\n0.2,0,a,\n", False),
        ("0.0,0,a,\n1.0,1,a,\n0.58,1,a,\n0.2,0,a,\n", True),
        # The same detector's validation scores are of the same column.
        ("0.0,0,a,\n1.0,1,a,\n0.58,1,a,\n-2.5,0,,val\n", False),
    ],
)
def test_probabilities_are_told_from_logits_by_the_whole_column(tmp_path, rows, saturated):
    remarks = read_text(tmp_path, "score,label,test_set,split\n" + rows)[2]
    assert any("exactly 0 or 1" in remark for remark in remarks) == saturated


def test_what_validation_and_test_share_is_counted(tmp_path):
    rows = [
        "1,1,a,test,x,g1,v1",
        "0,0,a,test,y,g2,",
        "1,1,b,test,x,g1,v1",
        "0,0,b,test,z,,",
        "1,1,,val,x,g3,",
        "0,0,,val,,g1,v2",
        "0,0,,val,,,",
    ]
    text = "score,label,test_set,split,key,group,video\n" + "\n".join(rows) + "\n"
    remarks = " ".join(read_text(tmp_path, text)[2])
    # The image x and the group g1 are in both test sets; what has no name is shared with nothing.
    assert "validation and test share 1 of the column key (such as 'x'; 2 test rows)" in remarks
    assert "validation and test share 1 of the column group (such as 'g1'; 2 test rows)" in remarks
    assert "of the column video" not in remarks


def test_remarks_are_about_every_file(tmp_path):
    clean, shared = write(tmp_path / "clean.csv"), tmp_path / "shared.csv"
    rows = pd.read_csv(clean, keep_default_na=False)
    rows.loc[rows["split"] == "val", "group"] = rows["group"][0]
    rows.to_csv(shared, index=False)
    report = evaluate_scores([clean], against=[shared], params=QUICK)
    assert "validation and test share 1 of the column group" in report.remarks[0]


def test_rows_without_a_key_are_images_of_their_own(tmp_path):
    table, _, _ = read_text(tmp_path, "score,label,test_set,key\n1,1,a,\n0,0,a,\n1,1,a,x\n")
    assert table["key"].tolist() == ["row 2", "row 3", "x"]


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
    with pytest.raises(UserError, match=r"scores\.csv: cannot be a folder"):
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
    read_text(tmp_path, text)
    report = evaluate_scores([tmp_path / "scores.csv"], params=QUICK)
    assert "0.99999993  accuracy 1.0000" in render(report)  # the middle of the two


def test_spaces_around_names_are_no_part_of_them(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("score,label,test_set,split\n1, 1,a ,test\n2,0, a, Test\n")
    test, _, _ = read_external(path)
    assert test["test_set"].tolist() == ["a", "a"]
